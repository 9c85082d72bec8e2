"""Inputs of the benchmark of runs of several sizes: countries of cheap tiles, and a small network.

A block of a country costs as much as any other, so the same tiles, which are made for one block, lie under all of them.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path

from croplayer.landscape.country import Country
from croplayer.landscape.make import DEMO_SEED, MARGIN_DEG, make_country
from croplayer.landscape.sources import SOURCES
from croplayer.landscape.tiles import tiles_in, write_tiles
from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.networks.architectures import architecture_config, build_from_config
from croplayer.models.networks.segmentation import SegmentationNetwork
from stores.grid import BLOCKS_PER_DEGREE, Bounds

WEST, NORTH = 115.1, 35.05
PATTERN = Bounds(115.2, 35.0, 115.25, 35.05)
"""The block whose tiles lie everywhere; both sources have it whole."""
COARSE_ZOOM = 12
"""Zoom of the tiles that a country is made with and that are replaced: few, and each quickly made."""
TRUTH_PX = 64
"""Pixels of a block of the truth, which only the statistics are counted from."""
NARROW, NARROW_SEED = {"width": 4, "pyramid_width": 8, "head_width": 8}, 3
"""Widths of a PIDNet with a fifth of the weights per layer; its random weights map 40 % of farmland as cropland."""


def bounds_of(blocks: int) -> Bounds:
    """A box of about so many blocks, nearly as high as it is wide, that begins at a fixed corner."""
    rows = 2 ** math.floor(math.log2(blocks) / 2)
    cols = math.ceil(blocks / rows)
    east, south = WEST + cols / BLOCKS_PER_DEGREE, NORTH - rows / BLOCKS_PER_DEGREE
    return Bounds(WEST, round(south, 2), round(east, 2), NORTH)


def make_cheap_country(folder: Path, bounds: Bounds, provinces: int, zoom: int) -> None:
    """A country in which the tiles of one block are repeated as hard links."""
    files = make_country(
        folder, seed=DEMO_SEED, bounds=bounds, zoom=COARSE_ZOOM, training_scenes=0, coverage_samples=0,
        provinces=provinces, truth_block_px=TRUTH_PX,
    )  # fmt: skip
    shutil.rmtree(files.tiles)
    write_tiles(Country(DEMO_SEED), folder / "pattern", PATTERN, zoom, SOURCES)
    west, south, east, north = bounds
    outer = Bounds(west - MARGIN_DEG, south - MARGIN_DEG, east + MARGIN_DEG, north + MARGIN_DEG)
    pattern = list(tiles_in(PATTERN, zoom))
    cols, rows = ({tile.x for tile in pattern}, {tile.y for tile in pattern})
    for tile in tiles_in(outer, zoom):
        x, y = min(cols) + (tile.x - min(cols)) % len(cols), min(rows) + (tile.y - min(rows)) % len(rows)
        for source in SOURCES:
            target = files.tiles / source / str(zoom) / str(tile.x) / f"{tile.y}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(folder / "pattern" / source / str(zoom) / str(x) / f"{y}.jpg", target)


def write_narrow_network(folder: Path) -> Path:
    """A bundle of a PIDNet with random weights that takes less than half the time of the included one."""
    config = architecture_config("pidnet", "tiny")
    for name, value in NARROW.items():
        setattr(config, name, value)
    network = SegmentationNetwork("pidnet", "tiny", build_from_config("pidnet", config, NARROW_SEED)).eval()
    described = network.described(gsd_m=(1.0, 5.0), training_data="random weights", licence="Apache-2.0")
    return write_bundle(folder, network.model, described)
