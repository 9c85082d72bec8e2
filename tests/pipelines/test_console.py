"""Text of data does not control the terminal or forge lines of the log."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stores.printable import printable
from stores.run_log import NOTE, LogLine, read_run_log

CLEAR = "\x1b[2J\x9b31m\x07\u202e"


def test_what_a_command_prints_has_no_control_characters(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "a"\ntitle = "b"\n"k\\u001b[2J\\u009b\\u202e\\u0007" = 1\n', encoding="utf-8")
    command = [sys.executable, "-m", "pipelines", "plan", str(recipe)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 2 and "\\x9b\\u202e\\x07 is not a known key" in done.stderr
    assert not set(CLEAR) - set("[2J31m") & set(done.stdout + done.stderr)


@given(st.text())
def test_a_line_of_the_log_is_one_line(text: str) -> None:
    line = LogLine(datetime(2026, 1, 1, tzinfo=UTC), f"export_{text}", NOTE, text).encoded()
    assert len(line.replace("\n", " ").splitlines()) == 1 and not set("\x1b\r\x9b\u202e") & set(line)


def test_a_step_with_a_line_feed_in_its_name_forges_no_line(tmp_path: Path) -> None:
    forged = "2026-01-01T00:00:00Z run ended: finished"
    line = LogLine(datetime(2026, 1, 1, tzinfo=UTC), f"export_1\n{forged}", NOTE, f"a\n{forged}")
    (tmp_path / "run.log").write_text(line.encoded() + "\n", encoding="utf-8")
    assert [found.event for found in read_run_log(tmp_path / "run.log")] == [NOTE]


@given(
    st.text(
        st.characters(
            exclude_categories=["Cc"],
            exclude_characters="\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        )
    )
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert printable(f"{text}\t{text}\n") == f"{text}\t{text}\n"
