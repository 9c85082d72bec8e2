"""The processes of a run, and what its steps took."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from benchmarks.processes import (
    BETWEEN,
    BLOCK_PROCESS,
    CLIENT,
    END,
    START,
    Event,
    Sample,
    Taken,
    Watched,
    by_step,
    kind_of,
    run_watched,
)
from stores.run_log import BEGAN, ENDED, NOTE, WHOLE_RUN, LogLine, read_run_log


def event(sample: int, step: str, what: str) -> Event:
    return Event(sample, LogLine(datetime(2026, 1, 1, tzinfo=UTC), step, what, ""))


def watched(*events: Event) -> Watched:
    """A run whose client takes 1 s of CPU a second, and whose block process takes 2 s from the third second on."""
    samples = [
        Sample(float(i), {CLIENT: float(i), **({BLOCK_PROCESS: 2.0 * (i - 3)} if i > 3 else {})}) for i in range(11)
    ]
    return Watched(samples, events, {})


def test_a_run_is_cut_where_its_log_says_so():
    taken = by_step(
        watched(
            event(1, WHOLE_RUN, BEGAN), event(2, "mosaic", BEGAN), event(3, WHOLE_RUN, NOTE), event(5, "mosaic", ENDED),
            event(6, "report", BEGAN), event(8, "report", ENDED), event(9, WHOLE_RUN, ENDED),
        )
    )  # fmt: skip
    assert list(taken) == [START, "mosaic", BETWEEN, "report", END]
    assert taken["mosaic"] == Taken(3.0, {CLIENT: 3.0, BLOCK_PROCESS: 4.0})
    assert {name: part.wall_s for name, part in taken.items()} == {
        START: 2,
        "mosaic": 3,
        BETWEEN: 1,
        "report": 2,
        END: 2,
    }
    assert sum(part.all_cpu_s for part in taken.values()) == pytest.approx(10 + 14)


def test_of_two_steps_at_a_time_the_later_one_takes_all():
    taken = by_step(watched(event(0, "a", BEGAN), event(2, "b", BEGAN), event(5, "b", ENDED), event(6, "a", ENDED)))
    assert (taken["a"].wall_s, taken["b"].wall_s) == (3.0, 3.0)


def test_a_run_that_does_nothing_is_all_start():
    assert by_step(watched())[START].wall_s == 10


@pytest.mark.parametrize(
    ("name", "kind"),
    [("croplayer-block", "block process"), ("croplayer-forks", "fork server"), ("gdaldem", "child")],
)
def test_kinds_of_processes(name: str, kind: str):
    assert kind_of(name, False) == kind and kind_of(name, True) == "client"


BUSY = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass\ntime.sleep(0.3)"
PARENT = f"""
import pathlib, subprocess, sys
with open(sys.argv[1], "a") as log: print("2026-01-01T00:00:01Z mosaic began: 1 block", file=log)
subprocess.run([sys.executable, "-c", {BUSY!r}])
"""


def test_the_time_of_a_child_that_ended_counts(tmp_path):
    log = tmp_path / "run.log"
    log.write_text("2026-01-01T00:00:00Z run ended: of an earlier run\n")
    found = run_watched([sys.executable, "-c", PARENT, str(log)], log)
    assert found.samples[-1].cpu_s["child"] > 0.1
    assert [(e.line.step, e.line.event) for e in found.events] == [("mosaic", BEGAN)]
    assert len(list(read_run_log(log))) == 2 and found.peak_mb["child"] > 1


def test_a_command_that_fails_says_why():
    with pytest.raises(RuntimeError, match="ended with 3: no such luck"):
        run_watched([sys.executable, "-c", "import sys; print('no such luck'); sys.exit(3)"])
