"""Cost of a run against its number of blocks: ``python -m benchmarks.nation --blocks 10000 --only schedule``.

Parts: ``schedule`` (blocks that do nothing, through the real workers and ledger), ``resume`` (everything done),
``verify`` (every byte of a mosaic), ``open`` (the national cube, one county, one window), ``stages`` (every stage's
real code on small blocks).
Each part runs in a process of its own, whose peak of memory is the client's. Inputs are synthetic.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.nation_page import page
from benchmarks.nation_run import BLOCK_PX, CHINA, make_inputs, write_recipe
from benchmarks.nothing import NothingTask
from benchmarks.processes import BLOCK_PROCESS, CLIENT, FORK_SERVER, run_watched
from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from pipelines.recipe import Cluster
from stores.block_list import BlockList
from stores.cube import CUBE
from stores.durable import DurableStore, digest_bytes
from stores.fingerprints import fingerprint_of
from stores.grid import LATTICE_COLS, BlockGrid, Bounds
from stores.ledger import Ledger
from stores.records import BlockRecord
from stores.run_folder import RunFolder
from stores.step_memory import BlocksDone

PARTS = ("schedule", "resume", "verify", "open", "stages")
MADE_OF = {"settings": "of the benchmark"}
FINGERPRINT = fingerprint_of(MADE_OF)
WINDOW_PX = 1024
COUNTIES_DEG = (0.25, 0.5, 1.0)
"""Edges of the counties that are asked for."""


def nation_blocks(count: int) -> BlockList:
    """``count`` blocks in rows as wide as China."""
    rows, cols = divmod(np.arange(count, dtype=np.int32), np.int32(CHINA.cols))
    return BlockList((CHINA.row + rows) * LATTICE_COLS + CHINA.col + cols)


def schedule(work: Path, count: int, group: int) -> dict[str, Any]:
    """Time of a block that does nothing, from the client to its line in the ledger."""
    folder, blocks, task = RunFolder(work), nation_blocks(count), NothingTask()
    with Workers(Cluster(workers=2)) as workers:
        warm = BlockStep("warm", MADE_OF, blocks[: 4 * group], lambda _: task, group)
        run_step(warm, StepLedgers(folder), workers)
        start = time.perf_counter()
        run_step(BlockStep("nothing", MADE_OF, blocks, lambda _: task, group), StepLedgers(folder), workers)
        seconds = time.perf_counter() - start
    return {"group": group, "ms_per_block": 1000 * seconds / count}


def resume(work: Path, count: int) -> dict[str, Any]:
    """Time to see that nothing is left of a step with two sources' files and of one with 40 values a block."""
    folder, blocks = RunFolder(work), nation_blocks(count)
    _write_finished(folder, blocks)
    values = {f"feature_{i}_source": i / 7 for i in range(40)}
    Ledger(folder.ledger("assess")).append(FINGERPRINT, (BlockRecord(b, values=values, seconds=0.01) for b in blocks))
    found: dict[str, Any] = {}
    for name in ("mosaic", "assess"):
        step = BlockStep(name, MADE_OF, blocks, lambda _: NothingTask(), 64)
        ledgers = StepLedgers(folder)
        memory = folder.memory
        memory.finish(step.name, step.fingerprint, BlocksDone(len(blocks), folder.ledger(name)))
        start = time.perf_counter()
        with Workers(Cluster()) as workers:
            assert run_step(step, ledgers, workers).worked == 0
        found[f"{name}_s"] = time.perf_counter() - start
        found[f"{name}_ledger_mb"] = folder.ledger(name).stat().st_size / 1e6
    found["checked_mb"] = _peak_mb()
    start = time.perf_counter()
    table = ledgers.results(step).table()
    return found | {"table_s": time.perf_counter() - start, "table_rows": len(table)}


def verify(work: Path, count: int) -> dict[str, Any]:
    """Time to check every byte of a mosaic of two sources against its ledger."""
    from pipelines.verify import find_problems

    folder, blocks = RunFolder(work), nation_blocks(count)
    _write_finished(folder, blocks)
    folder.recipe.write_text('name = "nation"')
    step = BlockStep("mosaic", MADE_OF, blocks, lambda _: NothingTask(), 64)
    folder.memory.finish(step.name, step.fingerprint, BlocksDone(len(blocks), folder.ledger("mosaic")))
    start = time.perf_counter()
    found = [p.sentence for p in find_problems(folder)]
    assert len(found) == 1 and "is incomplete" in found[0], found[:3]
    return {"verify_s": time.perf_counter() - start}


def _write_finished(folder: RunFolder, blocks: BlockList) -> None:
    """A mosaic of two sources that is finished: four small files a block."""
    data = bytes(200)
    digest = digest_bytes(data)
    records = []
    for i, block in enumerate(blocks):
        files = {}
        for array in ("rgb", "imagery_valid"):
            for source in (0, 1):
                key = f"1/{array}/c/{source}/{block.row - CHINA.row}/{block.col - CHINA.col}"
                path = folder.cube / key
                if i % CHINA.cols == 0:
                    path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                files[key] = digest
        records.append(BlockRecord(block, files=files, seconds=0.01))
        if len(records) == 10_000 or i == len(blocks) - 1:
            Ledger(folder.ledger("mosaic")).append(FINGERPRINT, records)
            records = []


def open_and_query(work: Path) -> dict[str, Any]:
    """The cube of the whole rectangle around China: open it, query counties of finished blocks, read a window."""
    from croplayer.cube.opening import open_cube
    from croplayer.cube.whole_blocks import Cube

    grid = BlockGrid(512)
    cube = Cube(str(work / "cube.zarr"), "1", grid, CHINA, ("a", "b"))
    CUBE.create(DurableStore(work / "cube.zarr"), "1", grid, CHINA, cube.sources)
    west, north = 110.0, 35.0
    counties = [Bounds(west, north - side, west + side, north) for side in COUNTIES_DEG]
    for block in grid.blocks_in(counties[-1]):
        cube.write_block("croplayer", block, np.full((512, 512), (block.row + block.col) % 2, np.uint8))

    def seconds(region: Bounds | None, side: int | None) -> float:
        start = time.perf_counter()
        dataset = open_cube(work / "cube.zarr", region)
        if side != 0:
            loaded = dataset.croplayer[:side, :side].compute(scheduler="threads")
            assert set(np.unique(loaded)) <= {0, 1}
        return time.perf_counter() - start

    return {
        "blocks_of_the_cube": CHINA.rows * CHINA.cols,
        "open_s": seconds(None, 0),
        "window_s": seconds(counties[0], WINDOW_PX),
        "counties": [[len(list(grid.blocks_in(county))), seconds(county, None)] for county in counties],
    }


def stages(work: Path, count: int) -> dict[str, Any]:
    """Every stage of a real run on blocks of BLOCK_PX pixels, then the same run again with nothing to do."""
    side = max(1, round(count**0.5))
    make_inputs(work / "inputs", side)
    recipe = write_recipe(work, side)
    found: dict[str, Any] = {"blocks": side * side, "block_px": BLOCK_PX}
    for name in ("run_s", "again_s"):
        command = [sys.executable, "-m", "pipelines", "run", str(recipe), "-o", str(work / "out"), "--workers", "2"]
        watched = run_watched(command)
        found[name] = watched.wall_s
        if name == "run_s":
            kinds = {"client_mb": CLIENT, "fork_server_mb": FORK_SERVER, "block_process_mb": BLOCK_PROCESS}
            found |= {key: watched.peak_mb[kind] for key, kind in kinds.items()}
    for ledger in sorted((work / "out/ledger").glob("*.jsonl")):
        seconds = [r.seconds for _, r in Ledger(ledger).lines()]
        if seconds:
            found[f"{ledger.stem}_ms_per_block"] = 1000 * sum(seconds) / len(seconds)
    files = [p for p in (work / "out/cube.zarr").rglob("*") if p.is_file()]
    return found | {"files_per_block": len(files) / (side * side)}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(part: str, count: int, work: Path) -> dict[str, Any]:
    """One part for a number of blocks, in this process."""
    match part:
        case "schedule":
            found = {"schedule_64": schedule(work / "a", count, 64), "schedule_625": schedule(work / "b", count, 625)}
        case "resume":
            found = resume(work, count)
        case "verify":
            found = verify(work, count)
        case "open":
            found = open_and_query(work)
        case _:
            return stages(work, count)
    return {"blocks": count, **found, "client_mb": _peak_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", default="10000,50000,383266", help="numbers of blocks, parted by commas")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts of {', '.join(PARTS)}, parted by commas")
    parser.add_argument("--stage-blocks", default="2500,10000", help="numbers of blocks of the part 'stages'")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--markdown", type=Path, help="page for the figures")
    parser.add_argument(
        "--note", default="", help="what the page has to say of the machine, such as other work beside it"
    )
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        part, count = arguments.here.split(":")
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as work:
            print(json.dumps(measure(part, int(count), Path(work))))
        return
    counts, stage_counts = ([int(n) for n in text.split(",")] for text in (arguments.blocks, arguments.stage_blocks))
    figures: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "note": arguments.note, "runs": []}
    for part in arguments.only.split(","):
        if part not in PARTS:
            parser.error(f"there is no part '{part}'; there are {', '.join(PARTS)}")
        for count in {"open": [0], "stages": stage_counts}.get(part, counts):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.nation", "--here", f"{part}:{count}"],
                stdout=subprocess.PIPE,
                text=True,
            )
            if done.returncode:
                sys.exit(f"part {part} with {count} blocks failed")
            found = {"part": part, **json.loads(done.stdout.splitlines()[-1])}
            figures["runs"].append(found)
            print(json.dumps(found), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    if arguments.markdown:
        arguments.markdown.write_text(page(figures))


if __name__ == "__main__":
    main()
