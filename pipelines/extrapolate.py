"""Estimate the time, disk space and object count of a large run from a small one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pipelines.recipe_files import load_resolved_recipe
from stores.ledger import Ledger
from stores.levels import SQUARE_BLOCKS
from stores.run_folder import RunFolder
from stores.run_log import ENDED, WHOLE_RUN, LogLine, read_run_log
from stores.step_memory import FILES_OF_UNITS, OVERVIEWS, SQUARES

SECONDS_PER_HOUR = 3600
_TOOK = re.compile(r" (?:after|in) ([\d.]+) s\b")
"""The seconds in a line of the log that says that a run or a step ended."""


class StepCost(NamedTuple):
    """Mean cost of a step per finished block of a run."""

    step: str
    blocks: int
    seconds: float
    """Time of a worker for a block, without the slowest block of each worker where there are enough others: the first
    block that a process works on takes the time to load what the step needs."""
    file_bytes: float
    """Bytes of a block's files after compression."""
    files: float
    ledger_bytes: float


class Pilot(NamedTuple):
    """A measured run."""

    root: Path
    block_px: int
    costs: tuple[StepCost, ...]
    once_s: float = 0.0
    """Seconds that the run took beside its steps over blocks at their mean and its exports: start, loading, tables, report."""
    export_s: float = 0.0
    """Seconds that the export took for a block."""


def read_pilot(root: Path) -> Pilot:
    """Costs of a run's block steps.

    Raises FileNotFoundError when the folder holds no run, ValueError when no block of it is finished.
    """
    folder = RunFolder(root)
    if not folder.recipe.exists():
        raise FileNotFoundError(f"{root} holds no run: it has no {folder.recipe.name}")
    recipe = load_resolved_recipe(folder)
    workers = recipe.cluster.workers
    found = [c for path in sorted(root.glob("ledger/*.jsonl")) if (c := _cost(Ledger(path), workers)).blocks]
    blocks = next((cost.blocks for cost in found if cost.step == OVERVIEWS), 1)
    costs = tuple(_of_a_block(cost, blocks) if cost.step == SQUARES else cost for cost in found)
    if not costs:
        raise ValueError(f"run {root} has no finished block to estimate from; run its recipe first")
    run_s, export_s = _logged_s(read_run_log(folder.log))
    once_s = max(0.0, run_s - export_s - sum(cost.blocks * cost.seconds for cost in costs) / workers)
    return Pilot(root, recipe.grid.block_px, costs, once_s, export_s / max(cost.blocks for cost in costs))


def _of_a_block(cost: StepCost, blocks: int) -> StepCost:
    """What the squares of a run of so many blocks cost a block. Files and lines are as many as in a region of whole squares."""
    share, of_whole = cost.blocks / blocks, 1 / SQUARE_BLOCKS**2
    return cost._replace(
        blocks=blocks,
        seconds=cost.seconds * share,
        file_bytes=cost.file_bytes * share,
        files=cost.files * of_whole,
        ledger_bytes=cost.ledger_bytes * of_whole,
    )


def _logged_s(lines: Iterable[LogLine]) -> tuple[float, float]:
    """Seconds that a run took, however often it was stopped, and those of its exports among them; 0 without a log."""
    run_s = export_s = 0.0
    for line in lines:
        if line.event != ENDED or (took := _TOOK.search(line.text)) is None:
            continue
        if line.step == WHOLE_RUN:
            run_s += float(took[1])
        elif line.step.startswith(FILES_OF_UNITS):
            export_s += float(took[1])
    return run_s, export_s


def _cost(ledger: Ledger, workers: int) -> StepCost:
    last = [record for _, record in ledger.newest()]
    done = [r for r in last if r.status.is_finished]
    sizes = [digest.size for r in done for digest in r.files.values()]
    n = max(len(done), 1)
    seconds = sorted(r.seconds for r in done)
    steady = seconds[:-workers] if len(seconds) > 2 * workers else seconds
    length = ledger.path.stat().st_size / max(len(last), 1)
    return StepCost(
        ledger.path.stem, len(done), sum(steady) / max(len(steady), 1), sum(sizes) / n, len(sizes) / n, length
    )


def extrapolated(pilot: Pilot, blocks: int, block_px: int, workers: int) -> dict[str, str]:
    """Estimated cost of ``blocks`` blocks, each figure with its arithmetic.

    Assumes that time and bytes of a block grow with its pixels, that blocks are similar to those measured, and that
    everything beside them and the exports takes as long as it took.
    """
    ratio = (block_px / pilot.block_px) ** 2
    scale = "" if ratio == 1 else f" x {ratio:g} (pixels of {block_px} against {pilot.block_px} px blocks)"
    facts = {"measured by": str(pilot.root)}
    hours = 0.0
    for cost in pilot.costs:
        took = blocks * cost.seconds * ratio / workers / SECONDS_PER_HOUR
        hours += took
        facts[f"hours of {cost.step}"] = (
            f"{took:,.2f} = {blocks:,} blocks x {cost.seconds:.4g} s (mean of {cost.blocks:,}){scale} "
            f"/ {workers} workers / {SECONDS_PER_HOUR}"
        )
    if pilot.export_s:
        took = blocks * pilot.export_s * ratio / SECONDS_PER_HOUR
        hours += took
        facts["hours of export"] = (
            f"{took:,.2f} = {blocks:,} blocks x {pilot.export_s:.4g} s{scale} / {SECONDS_PER_HOUR}"
        )
    if pilot.once_s:
        hours += pilot.once_s / SECONDS_PER_HOUR
        facts["hours beside the blocks"] = (
            f"{pilot.once_s / SECONDS_PER_HOUR:,.2f} = {pilot.once_s:.4g} s for start, tables and report / {SECONDS_PER_HOUR}"
        )
    per_block = sum(c.file_bytes for c in pilot.costs)
    lines = sum(c.ledger_bytes for c in pilot.costs)
    files = sum(c.files for c in pilot.costs)
    without = (
        "" if pilot.once_s else "; start, tables, report and export are not included, because no log tells its time"
    )
    facts["hours in all"] = f"{hours:,.2f} = the sum of the above{without}"
    facts["disk of the cube"] = (
        f"{blocks * per_block * ratio / 1e9:,.1f} GB = {blocks:,} blocks x {per_block:,.0f} bytes{scale}"
    )
    facts["disk of the ledgers"] = f"{blocks * lines / 1e9:,.2f} GB = {blocks:,} blocks x {lines:,.0f} bytes"
    facts["objects of the cube"] = f"{blocks * files:,.0f} = {blocks:,} blocks x {files:g} files"
    return facts
