"""The log of a run, ``run.log``: one line for each thing that happened, with its time in UTC.

``2026-11-26T10:57:17Z segment began: 480 blocks, 120 done before``

A line has the time, the step (or ``run``), what happened to it and the rest in words. The log is for people and no decision
depends on it: only the ledgers and the step memory say what is finished.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stores.printable import printable

WHOLE_RUN = "run"
"""Used in place of a step in lines about the run as a whole."""
BEGAN, ENDED, PROGRESS, FAILED, RETRIED, NOTE = "began", "ended", "progress", "failed", "retried", "note"
EVENTS = (BEGAN, ENDED, PROGRESS, FAILED, RETRIED, NOTE)
_LINE = re.compile(rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (.+?) ({'|'.join(EVENTS)}): (.*)")


class LogLine(NamedTuple):
    """Something that happened in a run."""

    time: datetime
    """When, in UTC, to the second."""
    step: str
    event: str
    """BEGAN, ENDED, PROGRESS, FAILED, RETRIED or NOTE."""
    text: str
    """The rest in words, on one line."""

    def encoded(self) -> str:
        """The line as it is written to the file, without the line break."""
        step, text = "_".join(self.step.split()), " ".join(self.text.split())  # a step is one word, so it ends no line
        return printable(f"{self.time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {step} {self.event}: {text}")


def read_run_log(path: Path) -> Iterator[LogLine]:
    """Lines of a log in order; none without a log. Text that is not a line of a log is skipped."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as f:
        for text in f:
            found = _LINE.fullmatch(text.rstrip("\n"))
            if found is None:
                continue
            with suppress(ValueError):  # no date, such as the 99th of a month
                time = datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
                yield LogLine(time, found[2], found[3], found[4])
