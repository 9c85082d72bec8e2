"""The systematic sample of blocks of each unit that rounds map and people judge. It stays the same over all rounds."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from croplayer.active.run_numbers import RunNumbers
from stores.columns import BLOCK_KM2
from stores.grid import BlockIndex


def unit_sample(numbers: RunNumbers, per_unit: int, seed: int) -> pd.DataFrame:
    """A regular grid of the lattice in every unit: of every k-th row each k-th block, from a start that the seed draws.

    The grid of a unit is the widest on which about ``per_unit`` of its blocks lie; every block of a smaller unit is taken. Blocks
    belong to the unit that holds their centre; those of none are a unit of their own where the run has no units, else they are
    left out.

    Parameters
    ----------
    per_unit : blocks of a unit that are wanted, at least 1
    seed : any integer; with another one the grid starts elsewhere

    Returns
    -------
    DataFrame sorted by unit and block: unit (code, "" for none), block, row and col, grid_row and grid_col (place on the
    unit's grid), block_km2
    """
    grid = numbers.cube.grid
    members: dict[str, list[BlockIndex]] = defaultdict(list)
    for block, unit in zip(numbers.names, numbers.units_of([grid.window(b) for b in numbers.names]), strict=True):
        if unit or numbers.units is None:
            members[unit].append(block)
    rows = []
    for unit in sorted(members):
        step, chosen = _gridded(members[unit], per_unit, f"{seed} {unit}")
        rows += [(unit, b.name, b.row, b.col, b.row // step, b.col // step) for b in chosen]
    table = pd.DataFrame(rows, columns=["unit", "block", "row", "col", "grid_row", "grid_col"])
    return table.merge(numbers.blocks[["block", BLOCK_KM2]], on="block", how="left")


def judging_order(blocks: Iterable[str]) -> list[str]:
    """Names of sampled blocks in the order in which people judge them.

    The order is drawn, and that of some of the blocks is the same, so those that are judged first are a fair part.
    """
    return sorted(set(blocks), key=lambda name: hashlib.sha256(f"judge {name}".encode()).digest())


def _gridded(blocks: list[BlockIndex], wanted: int, seed: str) -> tuple[int, list[BlockIndex]]:
    """The step of a grid and the blocks on it: the widest grid of at least the wanted number, from a drawn start."""
    places = np.array(blocks, np.int64).reshape(-1, 2)
    draw = hashlib.sha256(f"sample {seed}".encode()).digest()
    for step in range(max(1, math.isqrt(len(blocks) // max(wanted, 1)) + 1), 0, -1):
        start = int.from_bytes(draw[:4]) % step, int.from_bytes(draw[4:8]) % step
        on_grid = (places % step == start).all(axis=1)
        if on_grid.sum() >= min(wanted, len(blocks)):
            break
    return step, [block for block, is_on in zip(blocks, on_grid.tolist(), strict=True) if is_on]
