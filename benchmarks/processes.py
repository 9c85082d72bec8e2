"""What the processes of a command take while it runs: CPU seconds and memory by kind of process, cut into its steps."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from croplayer.workers.process_name import BLOCK, FORKS
from stores.run_log import BEGAN, ENDED, WHOLE_RUN, LogLine, read_run_log

LOOK_EVERY_S = 0.1
CLIENT, BLOCK_PROCESS, FORK_SERVER, CHILD = "client", "block process", "fork server", "child"
KINDS = {BLOCK: BLOCK_PROCESS, FORKS: FORK_SERVER}
"""Kinds of process by their names. Workers of a run's own cluster are threads of the client."""
START, BETWEEN, END = "start", "between steps", "end"
"""Names of the time before the first step, between steps and after the last."""


class Sample(NamedTuple):
    """What all processes had taken at a moment."""

    wall_s: float
    """Seconds since the command began."""
    cpu_s: Mapping[str, float]
    """CPU seconds by kind of process, those of ended processes among them."""


class Event(NamedTuple):
    """A line that appeared in the log of the run."""

    sample: int
    """Number of the sample at which it was there first."""
    line: LogLine


class Watched(NamedTuple):
    """A command that has ended."""

    samples: Sequence[Sample]
    events: Sequence[Event]
    peak_mb: Mapping[str, float]
    """Largest resident memory of a single process of each kind, MiB."""

    @property
    def wall_s(self) -> float:
        """Seconds that it took."""
        return self.samples[-1].wall_s

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all its processes."""
        return sum(self.samples[-1].cpu_s.values())


class Taken(NamedTuple):
    """What a part of a run took."""

    wall_s: float
    cpu_s: Mapping[str, float]
    """CPU seconds by kind of process."""

    @property
    def all_cpu_s(self) -> float:
        """CPU seconds of all processes."""
        return sum(self.cpu_s.values())

    def __add__(self, other: Taken) -> Taken:  # type: ignore[override]
        kinds = self.cpu_s.keys() | other.cpu_s.keys()
        cpu = {kind: self.cpu_s.get(kind, 0.0) + other.cpu_s.get(kind, 0.0) for kind in kinds}
        return Taken(self.wall_s + other.wall_s, cpu)


NOTHING = Taken(0.0, {})


def kind_of(name: str, is_first: bool) -> str:
    """The kind of a process by its name; the first process of a command is its client."""
    return CLIENT if is_first else KINDS.get(name, CHILD)


def run_watched(command: Sequence[str], log: Path | None = None, env: Mapping[str, str] | None = None) -> Watched:
    """Run a command to its end and watch its processes.

    Raises RuntimeError with the end of what it said when it fails.

    Parameters
    ----------
    log : ``run.log`` that the command writes; its new lines become events
    env : the environment; None is that of this process
    """
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(command, stdout=said, stderr=said, env=env) as run:
        watched = watch(run, log)
        if run.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {run.returncode}: {said.read()[-2000:]}")
        return watched


def watch(run: subprocess.Popen[bytes], log: Path | None = None) -> Watched:
    """Look at the processes of a command every LOOK_EVERY_S until it ends.

    What a process takes after its last look is not seen: at most LOOK_EVERY_S for each process that ends.
    """
    lines_before = len(list(read_run_log(log))) if log else 0
    last: dict[int, Look] = {}
    peaks: dict[str, float] = {}
    samples: list[Sample] = []
    events: list[Event] = []
    start = time.perf_counter()
    is_over = False
    while not is_over:
        is_over = run.poll() is not None
        last |= looks(run.pid)
        total: dict[str, float] = {}
        for kind, seconds, memory in last.values():
            total[kind] = total.get(kind, 0.0) + seconds
            peaks[kind] = max(peaks.get(kind, 0.0), memory)
        samples.append(Sample(time.perf_counter() - start, total))
        if log is not None:
            seen = lines_before + len(events)
            events += [Event(len(samples) - 1, line) for line in list(read_run_log(log))[seen:]]
        if not is_over:
            time.sleep(LOOK_EVERY_S)
    return Watched(samples, events, peaks)


class Look(NamedTuple):
    """A process at a moment."""

    kind: str
    cpu_s: float
    memory_mb: float
    """Resident memory, MiB."""


def looks(pid: int) -> dict[int, Look]:
    """A process and all its descendants that are alive, by their numbers."""
    processes, found = [], {}
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
            times, kind = process.cpu_times(), kind_of(process.name(), process.pid == pid)
            found[process.pid] = Look(kind, times.user + times.system, process.memory_info().rss / 2**20)
    return found


def by_step(watched: Watched) -> dict[str, Taken]:
    """What each step of a run took, in their order, and what was taken before, between and after them.

    Of steps that are open at a time, the one that began last takes it.
    """
    taken: dict[str, Taken] = {}
    for name, first, last in _parts(watched):
        a, b = watched.samples[first], watched.samples[last]
        cpu = {kind: seconds - a.cpu_s.get(kind, 0.0) for kind, seconds in b.cpu_s.items()}
        taken[name] = taken.get(name, NOTHING) + Taken(b.wall_s - a.wall_s, cpu)
    return taken


def _parts(watched: Watched) -> Iterator[tuple[str, int, int]]:
    """Name, first and last sample of the parts of a run, one after the other."""
    opened: list[str] = []
    at, has_begun = 0, False
    for event in watched.events:
        if event.line.step == WHOLE_RUN or event.line.event not in (BEGAN, ENDED):
            continue
        yield opened[-1] if opened else BETWEEN if has_begun else START, at, event.sample
        at, has_begun = event.sample, True
        if event.line.event == BEGAN:
            opened.append(event.line.step)
        elif event.line.step in opened:
            opened.remove(event.line.step)
    yield END if has_begun else START, at, len(watched.samples) - 1
