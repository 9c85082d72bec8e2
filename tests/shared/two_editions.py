"""Two finished runs of 2 x 3 blocks, one later than the other."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from croplayer.cube.whole_blocks import Cube
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange
from stores.ledger import Ledger
from stores.legends import Integration
from stores.records import BlockRecord
from stores.run_folder import RunFolder
from stores.step_memory import STEPS_OF_CUBE, BlocksDone

GRID = BlockGrid(96)
RANGE = BlockRange(1115, 5880, 2, 3)
BLOCKS = tuple(BlockIndex(RANGE.row + r, RANGE.col + c) for r in range(2) for c in range(3))
SHAPE = (2 * 96, 3 * 96)


def write_run(
    root: Path,
    edition: str,
    crop: np.ndarray,
    grey: np.ndarray,
    *,
    sources: tuple[str, ...] = ("one",),
    model: str = "m" * 64,
    grid: BlockGrid = GRID,
    without: tuple[BlockIndex, ...] = (),
) -> Path:
    """A run as croplayer leaves it: every source sees the same.

    Parameters
    ----------
    crop : (h, w) uint8 flags; where there is cropland the score is 240, elsewhere 10
    grey : (h, w) numbers, the imagery
    without : blocks that are not finished
    """
    folder = RunFolder(root)
    CUBE.create(DurableStore(folder.own_cube), edition, grid, RANGE, sources)
    cube = Cube.open(folder.own_cube, edition)
    rgb = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    score = np.where(crop == 1, 240, np.where(crop == 0, 10, 254)).astype(np.uint8)
    done = [block for block in BLOCKS if block not in without]
    records: dict[str, list[BlockRecord]] = {step: [] for step in STEPS_OF_CUBE}
    for block in done:
        area = RANGE.slices(grid, block)
        mosaic, segment = {}, {}
        for source in sources:
            mosaic |= cube.write_block("rgb", block, rgb[area], source)
            mosaic |= cube.write_block("imagery_valid", block, crop[area] != 254, source)
            segment |= cube.write_block("cropland_probability", block, score[area], source)
            segment |= cube.write_block("cropland", block, crop[area], source)
        integrate = cube.write_block("croplayer", block, crop[area])
        for step, files in zip(STEPS_OF_CUBE, (mosaic, segment, integrate), strict=True):
            records[step].append(BlockRecord(block, files=files))
    for step in STEPS_OF_CUBE:
        folder.memory.begin(step, "f" * 64, blocks=len(BLOCKS))
        Ledger(folder.ledger(step)).append("f" * 64, records[step])
        folder.memory.finish(step, "f" * 64, BlocksDone(len(BLOCKS), folder.ledger(step)))
    choice = Integration.ONLY_A if len(sources) == 1 else Integration.MERGE_BOTH
    decided = {"block": [b.name for b in done], "integration": int(choice), "no_usable_imagery": False}
    folder.table("x").parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(decided).to_parquet(folder.table("integration.parquet"))
    folder.provenance.write_text(json.dumps({"models": {"segmentation": model}}), encoding="utf-8")
    west, south, east, north = grid.window_bounds(RANGE.window(grid))
    middle = west + 0.4 * (east - west)
    units = gpd.GeoDataFrame(
        {"adcode": ["1", "2"], "name_en": ["West", "East"], "name_zh": ["", ""], "level": [1, 1]},
        geometry=[shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)],
        crs="EPSG:4326",
    )
    units.to_parquet(folder.boundaries)
    return root


def patches(seed: int, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Rectangular fields on other ground, (h, w) uint8, and their picture."""
    rng = np.random.default_rng(seed)
    crop, grey = np.zeros(SHAPE, np.uint8), np.full(SHAPE, 90.0)
    for _ in range(count):
        y, x = rng.integers(0, SHAPE[0] - 20), rng.integers(0, SHAPE[1] - 20)
        h, w = rng.integers(15, 60, 2)
        crop[y : y + h, x : x + w] = 1
        grey[y : y + h, x : x + w] = rng.integers(110, 220)
    return crop, grey + rng.normal(0, 3, SHAPE)


def changed(crop: np.ndarray, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    crop, grey = crop.copy(), grey.copy()
    crop[80:120, 70:130], grey[80:120, 70:130] = 0, 60
    crop[10:40, 230:280], grey[10:40, 230:280] = 1, 200
    crop[150:190, 0:60] = np.roll(crop, 1, axis=1)[150:190, 0:60]
    crop[140, 200] = 1
    crop[60:70, 150:180] = 254
    return crop, grey
