"""Progress of a run, from its records and its log, also while it is running."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pipelines.engine.lease import is_leased
from pipelines.engine.run_log import duration
from stores.ledger import Ledger
from stores.records import Status
from stores.run_folder import RunFolder
from stores.run_log import BEGAN, ENDED, WHOLE_RUN, LogLine, read_run_log
from stores.step_memory import CUBE_FILES, END_OF_RUN, FILES_OF_UNITS, HEAD, StepEntry

LAST_STEP = "report"
"""The step without which only a part of a recipe was run; every recipe has it."""
MOST_EXPORTS = 8
"""Exports that are shown one by one; more are counted."""


class StepStatus(NamedTuple):
    """Progress of a step over blocks, or whether an output is finished."""

    step: str
    blocks: int
    """Blocks that it works on; 0 for an output."""
    done: int
    left: int
    failed: int
    """Blocks whose last record says that they failed; they are among those left."""
    is_open: bool
    blocks_per_s: float | None
    """Rate since the step last began; None for a step that is finished, not running or has no new block yet."""
    left_s: float | None
    """Time until the step is finished at that rate; None without a rate."""


class RunStatus(NamedTuple):
    """Progress of a run."""

    root: Path
    state: str
    """"running", "finished" or "stopped"."""
    since: datetime | None
    """When the run last began, in UTC; None without a log."""
    steps: tuple[StepStatus, ...]


def status_of(folder: RunFolder) -> RunStatus:
    """Progress of the run in a folder; safe while the run writes.

    Raises FileNotFoundError when the folder holds no run, ValueError when its records are damaged.
    """
    if not folder.root.is_dir():
        raise FileNotFoundError(f"{folder.root} is not the folder of a run")
    entries = folder.memory.entries()
    log = list(read_run_log(folder.log))
    if not entries and not log and not folder.recipe.exists():
        raise FileNotFoundError(f"{folder.root} holds no run: it has no {folder.recipe.name}")
    is_running = is_leased(folder)
    state = "running" if is_running else "finished" if END_OF_RUN in entries and LAST_STEP in entries else "stopped"
    begun = [line.time for line in log if (line.step, line.event) == (WHOLE_RUN, BEGAN)]
    first = {line.step: i for i, line in reversed(list(enumerate(log)))}
    steps = tuple(
        _step_status(folder, name, entry, log, is_running)
        # In the order of the run: as the log names them for the first time.
        for name, entry in sorted(entries.items(), key=lambda item: (first.get(item[0], len(log)), item[0]))
        if name not in (CUBE_FILES, HEAD, END_OF_RUN)
    )
    return RunStatus(folder.root, state, begun[-1] if begun else None, steps)


def _step_status(
    folder: RunFolder, name: str, entry: StepEntry, log: Iterable[LogLine], is_running: bool
) -> StepStatus:
    if not entry.is_of_blocks:
        return StepStatus(name, 0, 0, 0, 0, entry.is_open, None, None)
    if not entry.is_open and entry.ledger is None:
        return StepStatus(name, entry.blocks, 0, entry.blocks, 0, False, None, None)
    # Settings that came back find the records of before, whatever later records of other settings say.
    last = {
        record.block: record.status
        for fingerprint, record in Ledger(folder.ledger(name)).lines()
        if fingerprint == entry.fingerprint
    }
    done = sum(status.is_finished for status in last.values())
    failed = sum(status is Status.FAILED for status in last.values())
    # A ledger may hold blocks that left the region since.
    done = min(done, entry.blocks)
    left = entry.blocks - done
    rate = _rate(name, done, log) if is_running and entry.is_open else None
    return StepStatus(name, entry.blocks, done, left, failed, entry.is_open, rate, left / rate if rate else None)


def _rate(step: str, done: int, log: Iterable[LogLine]) -> float | None:
    """Blocks a second since the step last began; None before the first."""
    began = [line for line in log if line.step == step and line.event == BEGAN]
    ended = [line for line in log if line.step == step and line.event == ENDED]
    if not began or (ended and ended[-1].time > began[-1].time):
        return None
    found = re.search(r"(\d+) done before", began[-1].text)
    before = int(found[1]) if found else done
    seconds = (datetime.now(UTC) - began[-1].time).total_seconds()
    return (done - before) / seconds if done > before and seconds > 0 else None


def lines(status: RunStatus) -> Iterable[str]:
    """The status as lines of text."""
    since = f", since {status.since:%Y-%m-%d %H:%M:%S} UTC" if status.since else ""
    yield f"{status.root}: {status.state}{since}"
    yield f"{'step':<16} {'state':<10} {'blocks':>8} {'done':>8} {'left':>8} {'failed':>8}  rate and time left"
    exported = [step for step in status.steps if step.step.startswith(FILES_OF_UNITS)]
    for step in status.steps:
        if step.step.startswith(FILES_OF_UNITS) and len(exported) > MOST_EXPORTS:
            continue
        state = "open" if step.is_open else "finished" if not step.left else "incomplete"
        if not step.blocks:
            yield f"{step.step:<16} {state:<10}"
            continue
        rate = f"{step.blocks_per_s:.2f} blocks/s" if step.blocks_per_s else ""
        left = f", {duration(step.left_s)} left" if step.left_s else ""
        counts = f"{step.blocks:>8} {step.done:>8} {step.left:>8} {step.failed:>8}"
        yield f"{step.step:<16} {state:<10} {counts}  {rate}{left}".rstrip()
    if len(exported) > MOST_EXPORTS:
        unfinished = sum(step.is_open for step in exported)
        state = "open" if unfinished else "finished"
        yield f"{'export':<16} {state:<10} files of {len(exported)} units, {unfinished} of them not finished"
