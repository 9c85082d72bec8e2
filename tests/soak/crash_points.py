"""Stop a run at every point between two of its durable operations, run again, and compare every byte.

The run works on its blocks in one process, so that its operations come in the same order each time. At each
``fsync`` the file is also left torn, cut to half of what was written: that is what a power cut may leave.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from pipelines.engine import execute
from pipelines.engine.execute import run_step
from pipelines.engine.lease import clear_partial
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep, OutputStep
from soak.damage import UNFINISHED, problems_of
from soak.kills import file_digests, lost_blocks
from soak.painted import EDITION, painted_blocks, steps_of
from stores.cube import metadata_files
from stores.durable import write_durable
from stores.grid import BlockIndex
from stores.records import BlockRecord
from stores.run_folder import RunFolder
from stores.step_memory import CUBE_FILES, HEAD

CRASHED, FINISHED = 77, 0
BLOCKS = 2


class CrashCounts(NamedTuple):
    """What came of stopping at points."""

    points: int
    """Points that the undisturbed run has."""
    tried: int
    differing: int
    """Files that differ after running again."""
    lost: int
    """Blocks that the ledger called done at the crash and whose files were not what it said."""
    blamed: int
    """Files that verify called damaged at the crash, and anything it named after running again."""


def crash_everywhere(work: Path, chosen: Callable[[int], bool] = lambda point: True) -> CrashCounts:
    """Stop at each point that is ``chosen`` by its number, run again and compare."""
    undisturbed = work / "undisturbed"
    points = in_fork(run_painted, undisturbed, stop_at=0)
    expected = file_digests(undisturbed)
    tried = differing = lost = blamed = 0
    for point in filter(chosen, range(1, points + 1)):
        out = work / f"point{point}"
        if in_fork(run_painted, out, stop_at=point) is not None:
            raise AssertionError(f"the run did not come to point {point} of {points}")
        lost += lost_blocks(out)
        blamed += sum(not UNFINISHED.search(sentence) for sentence in problems_of(out))
        in_fork(run_painted, out, stop_at=0)
        blamed += len(problems_of(out))
        found = file_digests(out)
        names = {n for n in found.keys() | expected.keys() if not n.startswith("ledger/")}
        differing += sum(found.get(n) != expected.get(n) for n in names)
        tried += 1
    return CrashCounts(points, tried, differing, lost, blamed)


def in_fork(run: Callable[[Path, int], int], out: Path, stop_at: int) -> int | None:
    """Run in a process of its own; the number of points when it came to its end, None when it was stopped."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            counted = run(out, stop_at)
            os.write(writing, str(counted).encode())
            status = FINISHED
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as answer:
        counted = answer.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (CRASHED, FINISHED):
        raise AssertionError(f"the run in {out} failed with code {code} (stopped at {stop_at})")
    return int(counted) if code == FINISHED else None


@contextmanager
def stopping_at(stop_at: int) -> Iterator[Callable[[], int]]:
    """Stop this process for good at a point, 0 for none; yields what tells the number of points passed."""
    passed = 0

    def point(fd: int | None = None) -> None:
        nonlocal passed
        passed += 1
        if passed == stop_at:
            if fd is not None:
                os.ftruncate(fd, os.fstat(fd).st_size // 2)
            os._exit(CRASHED)

    real_fsync, real_replace, real_link = os.fsync, Path.replace, Path.hardlink_to

    def fsync(fd: int) -> None:
        if os.path.isfile(f"/proc/self/fd/{fd}"):  # noqa: PTH113
            point(fd)
        point()
        real_fsync(fd)
        point()

    def replace(path: Path, target: Path) -> Path:
        point()
        done = real_replace(path, target)
        point()
        return done

    def link(path: Path, target: Path) -> None:
        point()
        real_link(path, target)
        point()

    with (
        mock.patch.object(os, "fsync", fsync),
        mock.patch.object(Path, "replace", replace),
        mock.patch.object(Path, "hardlink_to", link),
        mock.patch.object(execute, "_Window", Inline),
    ):
        yield lambda: passed


def run_painted(out: Path, stop_at: int = 0) -> int:
    """Run the painted steps and an output, stopping for good at a point; the number of points passed."""
    with stopping_at(stop_at) as passed:
        folder = RunFolder(out)
        folder.root.mkdir(parents=True, exist_ok=True)
        folder.recipe.write_text('name = "painted"\n')
        clear_partial(folder)
        ledgers = StepLedgers(folder)
        for step in steps_of(folder, BLOCKS):
            run_step(step, ledgers, None)  # type: ignore[arg-type]
        finish_painted(folder, EDITION, ledgers, BLOCKS)
        return passed()


def finish_painted(folder: RunFolder, edition: str, ledgers: StepLedgers, blocks: int) -> None:
    """Note what a finished run notes, and make a table."""
    memory = folder.memory
    notes = [(HEAD, "painted", [folder.recipe])]
    if isinstance(folder.cube, Path):
        notes.append((CUBE_FILES, edition, metadata_files(folder.cube, edition)))
    for name, fingerprint, files in notes:
        if not memory.is_finished(name, fingerprint):
            memory.finish(name, fingerprint, files)
    run_step(_output(folder, blocks), ledgers, None)  # type: ignore[arg-type]
    memory.end()


def _output(folder: RunFolder, blocks: int) -> OutputStep:
    def make() -> Sequence[Path]:
        write_durable(folder.table("blocks.csv"), "\n".join(b.name for b in painted_blocks(blocks)).encode())
        return [folder.table("blocks.csv")]

    return OutputStep("blocks", {"painted": blocks}, make)


class Inline:
    """Works on blocks one by one in this process, where a run has a window of Dask tasks."""

    def __init__(self, step: BlockStep, blocks: Sequence[BlockIndex], workers: object, log: object) -> None:
        self._step, self._blocks = step, blocks

    def records(self) -> Iterator[list[BlockRecord]]:
        for block in self._blocks:
            yield self._step.task_for([block])([block])
