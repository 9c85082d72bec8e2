"""Estimate the time, disk space and object count of a large run from a small one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from pipelines.recipe_files import load_resolved_recipe
from stores.ledger import Ledger
from stores.run_folder import RunFolder

SECONDS_PER_HOUR = 3600


class StepCost(NamedTuple):
    """Mean cost of a step per finished block of a run."""

    step: str
    blocks: int
    seconds: float
    """Time of a worker for a block."""
    file_bytes: float
    """Bytes of a block's files after compression."""
    files: float
    ledger_bytes: float


class Pilot(NamedTuple):
    """A measured run."""

    root: Path
    block_px: int
    costs: tuple[StepCost, ...]


def read_pilot(root: Path) -> Pilot:
    """Costs of a run's block steps.

    Raises FileNotFoundError when the folder holds no run, ValueError when no block of it is finished.
    """
    folder = RunFolder(root)
    if not folder.recipe.exists():
        raise FileNotFoundError(f"{root} holds no run: it has no {folder.recipe.name}")
    costs = tuple(c for path in sorted(root.glob("ledger/*.jsonl")) if (c := _cost(Ledger(path))).blocks)
    if not costs:
        raise ValueError(f"run {root} has no finished block to estimate from; run its recipe first")
    return Pilot(root, load_resolved_recipe(folder).grid.block_px, costs)


def _cost(ledger: Ledger) -> StepCost:
    last = [record for _, record in ledger.newest()]
    done = [r for r in last if r.status.is_finished]
    sizes = [digest.size for r in done for digest in r.files.values()]
    n = max(len(done), 1)
    seconds = sum(r.seconds for r in done) / n
    length = ledger.path.stat().st_size / max(len(last), 1)
    return StepCost(ledger.path.stem, len(done), seconds, sum(sizes) / n, len(sizes) / n, length)


def extrapolated(pilot: Pilot, blocks: int, block_px: int, workers: int) -> dict[str, str]:
    """Estimated cost of ``blocks`` blocks, each figure with its arithmetic.

    Assumes that time and bytes of a block grow with its pixels, and that blocks are similar to those measured.
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
    per_block = sum(c.file_bytes for c in pilot.costs)
    lines = sum(c.ledger_bytes for c in pilot.costs)
    files = sum(c.files for c in pilot.costs)
    facts["hours of all steps"] = f"{hours:,.2f} = the sum of the above; tables, report and export are not included"
    facts["disk of the cube"] = (
        f"{blocks * per_block * ratio / 1e9:,.1f} GB = {blocks:,} blocks x {per_block:,.0f} bytes{scale}"
    )
    facts["disk of the ledgers"] = f"{blocks * lines / 1e9:,.2f} GB = {blocks:,} blocks x {lines:,.0f} bytes"
    facts["objects of the cube"] = f"{blocks * files:,.0f} = {blocks:,} blocks x {files:g} files"
    return facts
