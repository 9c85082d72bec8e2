"""The log of a run: lines that are written are read again, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from stores.run_log import BEGAN, ENDED, LogLine, read_run_log

WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=9)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.lists(WORDS, min_size=1, max_size=4))
def test_a_line_is_read_as_it_was_written(time: datetime, words: list[str]) -> None:
    from tempfile import TemporaryDirectory

    line = LogLine(time.replace(microsecond=0, tzinfo=UTC), "segment", BEGAN, " ".join(words))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.log"
        path.write_text(line.encoded() + "\n", encoding="utf-8")
        assert list(read_run_log(path)) == [line]


def test_lines_of_others_and_half_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    assert list(read_run_log(path)) == []
    ended = LogLine(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "mosaic", ENDED, "4 of 4 done")
    path.write_bytes(b"\xff\xfe what is this\n" + ended.encoded().encode() + b"\n2026-01-02T03:04:05Z mos")
    assert list(read_run_log(path)) == [ended]


def test_a_text_of_several_lines_is_one_line() -> None:
    line = LogLine(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "run", "note", "one\ntwo\r\n three")
    assert line.encoded() == "2026-01-02T03:04:05Z run note: one two three"


def test_steps_whose_names_have_spaces_are_read_and_impossible_dates_are_not(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    path.write_text(
        "2026-01-02T03:04:05Z export_US 38 ended: 3 of 3 done in 1.0 s\n2026-99-26T03:04:05Z segment began: 4 blocks\n",
        encoding="utf-8",
    )
    assert [(line.step, line.event) for line in read_run_log(path)] == [("export_US 38", ENDED)]
