"""Report the progress of a run: lines in ``run.log``, and a bar on a terminal or one line a minute elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from croplayer.sources.redaction import redacted
from pipelines.engine.steps import StepResult
from stores.records import BlockRecord
from stores.run_log import BEGAN, ENDED, FAILED, NOTE, PROGRESS, RETRIED, WHOLE_RUN, LogLine

LINE_EVERY_S = 60.0
"""Seconds between progress lines in the log, and on standard error without a terminal."""

messages = logging.getLogger("croplayer")
"""Messages to the user, written to standard error and to the run's log."""


class RunLog:
    """The log of one run, and its progress.

    Parameters
    ----------
    path : file of the log; None writes none
    rules : number of rules whose steps are done, for "3 of 18"
    """

    def __init__(self, path: Path | None = None, rules: int = 0) -> None:
        self._path, self._rules, self._rule = path, rules, 0

    @contextmanager
    def open(self, what: str) -> Iterator[RunLog]:
        """Log the beginning and the end of a run, and between them every message to the user."""
        handler = _ToLog(self)
        messages.addHandler(handler)
        self.write(WHOLE_RUN, BEGAN, what)
        start = time.monotonic()
        how = "stopped"
        try:
            yield self
            how = "finished"
        except Exception as error:
            how = f"stopped by {type(error).__name__}: {error}"
            raise
        finally:
            self.write(WHOLE_RUN, ENDED, f"{how} after {time.monotonic() - start:.1f} s")
            messages.removeHandler(handler)

    def write(self, step: str, event: str, text: str) -> None:
        """Append a line; a log that cannot be written, as on a full disk, must not stop a run."""
        if self._path is None:
            return
        line = LogLine(datetime.now(UTC), step, event, redacted(text)).encoded()
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as f:
                f.write(line + "\n")
        except OSError:
            self._path = None

    @contextmanager
    def step(self, name: str, total: int, done: int) -> Iterator[StepProgress]:
        """The progress of a step over ``total`` blocks, ``done`` of which were finished before."""
        self.write(name, BEGAN, f"{total} blocks, {done} done before")
        progress = StepProgress(self, name, self.place(), total, done)
        try:
            yield progress
        except BaseException:
            self.write(name, ENDED, f"stopped at {progress.sentence(time.monotonic())}")
            raise
        finally:
            progress.close()

    def place(self) -> str:
        """Which rule this is of how many, such as "3 of 18 "; empty where their number is not known."""
        return f"{self._rule} of {self._rules} " if self._rules else ""

    def next_rule(self) -> None:
        """Count a rule, however many steps it has and whether or not anything is left of them."""
        self._rule += 1

    def ended(self, result: StepResult) -> None:
        """Log that a step did something."""
        failed = f", {len(result.failed)} failed" if result.failed else ""
        self.write(result.name, ENDED, f"{result.worked} of {result.total} done in {result.seconds:.1f} s{failed}")

    def failed(self, step: str, records: Sequence[BlockRecord]) -> None:
        """Log each block that failed."""
        for record in records:
            self.write(step, FAILED, f"{record.block.name}: {record.reason}")

    def retried(self, step: str, text: str) -> None:
        """Log that blocks are worked on again, and why."""
        self.write(step, RETRIED, text)


class StepProgress:
    """How far a step over blocks is: a bar on a terminal, else one line a minute on standard error."""

    def __init__(self, log: RunLog, name: str, place: str, total: int, done: int) -> None:
        self._log, self._name, self._place = log, name, place
        self._total, self._done, self._before = total, done, done
        self._start = self._told = time.monotonic()
        self._is_terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total, initial=done, desc=f"{place}{name:<9}", unit="block", disable=not self._is_terminal
        )

    def update(self, blocks: int) -> None:
        """Count blocks that came back."""
        self._done += blocks
        self._bar.update(blocks)
        now = time.monotonic()
        if now - self._told >= LINE_EVERY_S:
            self._told = now
            self._log.write(self._name, PROGRESS, self.sentence(now))
            if not self._is_terminal:
                print(f"{self._place}{self._name}: {self.sentence(now)}", file=sys.stderr, flush=True)

    def sentence(self, now: float) -> str:
        """Blocks done, their rate, and the time that is left at that rate."""
        rate = (self._done - self._before) / max(now - self._start, 1e-9)
        left = duration((self._total - self._done) / rate) if rate else "an unknown time"
        return f"{self._done} of {self._total} blocks, {rate:.2f} blocks/s, {left} left"

    def close(self) -> None:
        """Close the bar."""
        self._bar.close()


def duration(seconds: float) -> str:
    """A time in words: "42 s", "12 min", "3 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class _ToLog(logging.Handler):
    """Messages to the user, in the log of the run too."""

    def __init__(self, log: RunLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.write(WHOLE_RUN, NOTE, record.getMessage())
