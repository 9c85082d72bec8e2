from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from croplayer.active import judgements
from croplayer.active.judgements import Judgement, JudgementKind, TornLineWarning, append, read_journal, read_judgements

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def said(
    value: str, subject: str = "r1100c5900", source: str = "A", person: str = "Li Wei", **more: object
) -> Judgement:
    kind = JudgementKind.CORRECTNESS if source else JudgementKind.INTEGRATION
    return Judgement(kind, subject, source, value, person, NOON, **more)  # type: ignore[arg-type]


def test_a_judgement_is_read_back_as_it_was_said(tmp_path: Path) -> None:
    one = said("Noise", seconds=3.25, note='half is "cloud"\n第二行\u2028', person="../李/x")
    path = append(tmp_path, one)
    assert path.parent == tmp_path / "judgements"
    assert read_judgements(tmp_path) == (one,)
    assert len(path.read_bytes().splitlines()) == 1


def test_a_line_that_names_no_masks_is_read_and_one_that_does_keeps_them(tmp_path: Path) -> None:
    path = append(tmp_path, said("TP"))
    assert b"shown" not in path.read_bytes()
    append(tmp_path, said("TP", source="B", shown="round 2"))
    assert [j.shown for j in read_judgements(tmp_path)] == ["", "round 2"]


def test_the_last_word_of_each_person_stands(tmp_path: Path) -> None:
    for one in (said("TP"), said("FP"), said("TP", source="B"), said("TN", person="Anna"), said("Only A", source="")):
        append(tmp_path, one)
    append(tmp_path, said("", source="B"))
    found = [(j.kind.value, j.source, j.person, j.value) for j in read_judgements(tmp_path)]
    assert found == [
        ("correctness", "A", "Anna", "TN"),
        ("correctness", "A", "Li Wei", "FP"),
        ("integration", "", "Li Wei", "Only A"),
    ]
    assert len(list(read_journal(tmp_path / "judgements" / "Li_Wei.jsonl"))) == 5


def test_no_judgement_without_journals(tmp_path: Path) -> None:
    assert read_judgements(tmp_path) == ()


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_last_line_is_left_out_and_written_over(tmp_path: Path, cut: int) -> None:
    append(tmp_path, said("TP"))
    path = append(tmp_path, said("FP", subject="r1100c5901"))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.warns(TornLineWarning, match=r"line 2 of .*Li_Wei\.jsonl"):
        assert [j.value for j in read_judgements(tmp_path)] == ["TP"]
    with pytest.warns(TornLineWarning, match=r"Li_Wei\.jsonl"):
        append(tmp_path, said("TN", subject="r1100c5902"))
    assert [j.value for j in read_judgements(tmp_path)] == ["TP", "TN"]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    append(tmp_path, said("TP"))
    path = append(tmp_path, said("FP"))
    path.write_bytes(path.read_bytes().replace(b'"TP"', b'"FP"'))
    with pytest.raises(ValueError, match=r"Li_Wei\.jsonl line 1 is damaged \(its check does not match\)"):
        read_judgements(tmp_path)
    path.write_bytes(b"[]\n")
    with pytest.raises(ValueError, match="line 1 is damaged"):
        read_judgements(tmp_path)


def test_a_full_disk_leaves_nothing_of_the_judgement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(tmp_path, said("TP"))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(judgements.os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device.*nothing was saved"):
            append(tmp_path, said("FP"))
    assert [j.value for j in read_judgements(tmp_path)] == ["TP"]
    append(tmp_path, said("TN"))
    assert [j.value for j in read_judgements(tmp_path)] == ["TN"]


def test_a_disk_that_takes_a_part_of_a_line_keeps_none_of_it(tmp_path: Path) -> None:
    """A limit on the size of files cuts a write as a full disk does."""
    append(tmp_path, said("TP"))
    code = (
        "import resource, signal, sys; from pathlib import Path; from datetime import UTC, datetime; "
        "from croplayer.active.judgements import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "size = next(Path(sys.argv[1]).glob('judgements/*.jsonl')).stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, size + 50))\n"
        "append(Path(sys.argv[1]), Judgement(JudgementKind.POINT, 'p1', 's', 'cropland', 'Li Wei', datetime.now(UTC)))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert "nothing was saved" in done.stderr
    assert [j.value for j in read_judgements(tmp_path)] == ["TP"]


def test_processes_of_one_person_lose_no_judgement(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime; "
        "from croplayer.active.judgements import *\n"
        "for i in range(20): append(Path(sys.argv[1]), Judgement(JudgementKind.POINT, f'{sys.argv[2]}{i}', 's', 'cropland', "
        "'Li', datetime.now(UTC)))"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, tmp_path, name]) for name in "ab"]
    assert [process.wait() for process in started] == [0, 0]
    assert len(read_judgements(tmp_path)) == 40


def test_what_is_no_judgement_is_refused() -> None:
    one = said("TP")
    for change in (
        {"subject": ""},
        {"person": " "},
        {"source": ""},
        {"time": NOON.replace(tzinfo=None)},
        {"note": "x" * 3000},
    ):
        with pytest.raises(ValueError):
            replace(one, **change)
    with pytest.raises(ValueError, match="expected Neither, Only A, Only B, Merge both"):
        said("both", source="")
    with pytest.raises(ValueError, match="'maize'; expected cropland, not cropland"):
        Judgement(JudgementKind.POINT, "p1", "s", "maize", "Li", NOON)


def test_times_are_kept_in_utc(tmp_path: Path) -> None:
    from datetime import timezone

    append(tmp_path, replace(said("TP"), time=NOON.astimezone(timezone(timedelta(hours=8)))))
    (one,) = read_judgements(tmp_path)
    assert one.time == NOON and one.time.utcoffset() == timedelta(0)
    line = json.loads((tmp_path / "judgements" / "Li_Wei.jsonl").read_text())
    assert line["time"] == "2026-05-04T12:00:00.000+00:00"
