"""Two editions of a painted run, of which the later one carries over what is the same, disturbed in every way.

Between the editions every fourth block of a row gets imagery of another day. What comes of a disturbed update is held against
an undisturbed one, byte for byte, and the first edition against what it was.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from croplayer.cube.whole_blocks import Cube
from croplayer.tasks.mosaic import MosaicTask
from pipelines.engine.carry import carry_over
from pipelines.engine.execute import run_step
from pipelines.engine.lease import clear_partial
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from soak.crash_points import CrashCounts, finish_painted, in_fork, stopping_at
from soak.damage import KINDS, UNFINISHED, DamageCounts, problems_of
from soak.kills import file_digests, lost_blocks
from soak.painted import GRID, SOURCE, MaskTask, PaintedSource, painted_blocks
from stores.block_digests import BlockDigests
from stores.cube import CUBE
from stores.grid import BlockRange
from stores.places import keys_of, open_store, read_key
from stores.records import BlockTask
from stores.run_folder import RunFolder

FIRST_EDITION, LATER = "2020", "2021"
RENEWED_EVERY = 4
BLOCKS = 5
"""Two of them are renewed."""
LONGEST_LIFE_S = 2.0
"""Of a process that is killed."""


@dataclass(frozen=True)
class PaintedOutput:
    """What carrying over asks of the output of a run."""

    folder: RunFolder
    edition: str
    count: int

    @property
    def inputs(self) -> SimpleNamespace:
        return SimpleNamespace(
            recipe=SimpleNamespace(edition=self.edition, sources=(SOURCE,)), sources=(PaintedSource(),)
        )

    @property
    def cube(self) -> Cube:
        around = BlockRange.around(painted_blocks(self.count))
        return Cube(str(self.folder.cube), self.edition, GRID, around, (SOURCE,))

    def make_cube(self) -> None:
        cube = self.cube
        CUBE.create(open_store(self.folder.cube, read_only=False), cube.edition, GRID, cube.blocks, cube.sources)


def run_edition(run: RunFolder, edition: str, count: int, renewed_every: int) -> None:
    """One edition of a painted run, carried over from the one before and finished."""
    folder = run.place_of(edition)
    folder.root.mkdir(parents=True, exist_ok=True)
    stated = f'[store]\nurl = "{run.cube_url}"\n' if run.cube_url else ""
    folder.recipe.write_text(f'name = "painted"\nedition = "{edition}"\n{stated}')
    clear_partial(folder)
    output = PaintedOutput(folder, edition, count)
    carry_over(run, output)  # type: ignore[arg-type]
    output.make_cube()
    ledgers = StepLedgers(folder)
    for step in _steps(output, ledgers, renewed_every):
        run_step(step, ledgers, None)  # type: ignore[arg-type]
    finish_painted(folder, edition, ledgers, count)


def _steps(output: PaintedOutput, ledgers: StepLedgers, renewed_every: int) -> Iterator[BlockStep]:
    blocks, cube = painted_blocks(output.count), output.cube
    mosaic = MosaicTask(cube, (PaintedSource(renewed_every=renewed_every),))

    def step(name: str, task: BlockTask, follows: BlockDigests | None) -> BlockStep:
        reading = mosaic.reading if name == "mosaic" else None
        return BlockStep(name, {"painted": name}, blocks, lambda group: task, 16, follows=follows, reading=reading)

    follows = None
    for name, task in (
        ("mosaic", mosaic),
        ("segment", MaskTask(cube, is_integrated=False)),
        ("integrate", MaskTask(cube, is_integrated=True)),
    ):
        made = step(name, task, follows)
        yield made
        follows = ledgers.results(made).found


def run_update(count: int, out: Path, stop_at: int = 0) -> int:
    """The later edition of a run that has the first one, stopping for good at a point; the number of points passed."""
    with stopping_at(stop_at) as passed:
        run_edition(RunFolder(out), LATER, count, RENEWED_EVERY)
        return passed()


def run_both(out: Path, count: int, url: str | None = None) -> None:
    """Both editions, or what is left of them."""
    with stopping_at(0):
        run = RunFolder(out, url)
        if not run.outputs.is_file() or "end" not in run.memory.entries():
            run_edition(run, FIRST_EDITION, count, 0)
        run_edition(run, LATER, count, RENEWED_EVERY)


def crash_updates(work: Path, chosen: Callable[[int], bool] = lambda point: True) -> CrashCounts:
    """Stop an update at each point that is ``chosen`` by its number, run again and compare both editions."""
    first = work / "first"
    with stopping_at(0):
        run_edition(RunFolder(first), FIRST_EDITION, BLOCKS, 0)
    before = _own(file_digests(first))
    undisturbed = Path(shutil.copytree(first, work / "undisturbed"))
    run = partial(run_update, BLOCKS)
    points = in_fork(run, undisturbed, 0)
    assert points is not None
    expected = _own(file_digests(undisturbed))
    tried = differing = lost = blamed = 0
    for point in filter(chosen, range(1, points + 1)):
        out = Path(shutil.copytree(first, work / f"point{point}"))
        if in_fork(run, out, point) is not None:
            raise AssertionError(f"the update did not come to point {point} of {points}")
        now = file_digests(out)
        differing += sum(now.get(name) != digest for name, digest in before.items())
        roots = _roots(out)  # what was not begun is no edition yet
        lost += sum(map(lost_blocks, roots))
        blamed += sum(_wrong(sentence) for root in roots for sentence in problems_of(root))
        in_fork(run, out, 0)
        blamed += sum(len(problems_of(root)) for root in _roots(out))
        found = _own(file_digests(out))
        differing += sum(found.get(name) != expected.get(name) for name in found.keys() | expected.keys())
        tried += 1
        shutil.rmtree(out)
    return CrashCounts(points, tried, differing, lost, blamed)


def _roots(out: Path) -> list[Path]:
    """The folders of the editions of a run that have begun."""
    return [folder.root for folder in RunFolder(out).editions().values()]


def _own(found: Mapping[str, str]) -> dict[str, str]:
    """Digests of the files that do not depend on the order of the work or its time."""
    parts = {name: name.removeprefix(f"editions/{LATER}/") for name in found}
    return {name: found[name] for name, own in parts.items() if not own.startswith(("ledger/", ".lock"))}


def damage_editions(work: Path, count: int, seed: int) -> DamageCounts:
    """Files of the cubes of both editions damaged one at a time; a carried block is one file of both."""
    run_both(work / "run", BLOCKS)
    roots = _roots(work / "run")
    files = sorted(p for root in roots for p in (root / "cube.zarr").rglob("c/**/*") if p.is_file())
    rng, made = random.Random(seed), Counter[str]()
    missed = blamed = 0
    for _ in range(count):
        path, kind = rng.choice(files), rng.choice(list(KINDS))
        same = [other for other in files if other.samefile(path)]
        whole = path.read_bytes()
        changed = KINDS[kind](whole, rng)
        made[kind] += 1
        if changed is None:
            path.unlink()
            same = [path]
        else:
            path.write_bytes(changed)
        named = [sentence for root in roots for sentence in problems_of(root)]
        missed += sum(not any(str(other) in sentence for sentence in named) for other in same)
        blamed += sum(not any(str(other) in sentence for other in same) for sentence in named)
        path.write_bytes(whole)
    return DamageCounts(made, missed, blamed)


class BucketKills(NamedTuple):
    """What came of killing what writes into a bucket."""

    kills: int
    starts: int
    """Processes that were begun, with those that came to their end."""
    differing: int
    """Objects that differ from an undisturbed run's."""
    lost: int
    """Objects that a ledger named as finished after a kill and that were not what it says."""
    blamed: int
    """What verify named after the end."""


def kill_in_bucket(work: Path, place: str, env: Mapping[str, str], kills: int, blocks: int, seed: int) -> BucketKills:
    """Two editions of a run in a bucket, killed with SIGKILL at random until ``kills`` kills were made, and finished."""
    with stopping_at(0):
        run_both(work / "undisturbed", blocks)
    rng, made, starts, lost, rounds, differing, blamed = random.Random(seed), 0, 0, 0, 0, 0, 0
    later = _objects(work / f"undisturbed/editions/{LATER}/cube.zarr")
    # The group above the editions is that of the first one in a bucket that holds both.
    expected = later | _objects(work / "undisturbed/cube.zarr")
    while made < kills:
        out, url = work / f"round{rounds}", f"{place}/round{rounds}"
        while True:
            starts += 1
            command = [sys.executable, "-m", "soak.updates", str(out), str(blocks), url]
            process = subprocess.Popen(command, env={**os.environ, **env}, start_new_session=True)
            is_killed = False
            if made < kills:
                _wait_for_work(process, out)
                try:
                    process.wait(rng.uniform(0.0, LONGEST_LIFE_S))
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    is_killed = True
            code = process.wait()
            made += is_killed
            lost += sum(_wrong(sentence) for root in _roots(out) for sentence in problems_of(root))
            if code == 0:
                break
            if not is_killed:
                raise AssertionError(f"the run in {out} ended with {code}")
        found = _objects(url)
        differing += sum(found.get(key) != expected.get(key) for key in found.keys() | expected.keys())
        blamed += sum(len(problems_of(root)) for root in _roots(out))
        rounds += 1
    return BucketKills(made, starts, differing, lost, blamed)


def _wait_for_work(process: subprocess.Popen[bytes], out: Path) -> None:
    """Wait until the process has begun to work, which it does some seconds after its start."""
    before = _ledger_bytes(out)
    while process.poll() is None and _ledger_bytes(out) == before:
        time.sleep(0.02)


def _ledger_bytes(out: Path) -> int:
    return sum(path.stat().st_size for path in out.rglob("ledger/*"))


def _wrong(sentence: str) -> bool:
    return not UNFINISHED.search(sentence)


def _objects(place: str | Path) -> dict[str, bytes]:
    """Every object of a cube by its key."""
    return {key: read_key(place, key) for key in keys_of(place)}


if __name__ == "__main__":
    run_both(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
