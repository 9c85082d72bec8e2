"""Synthetic inputs and a recipe for a run over many very small blocks."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin

from stores.grid import BLOCKS_PER_DEGREE, BlockRange

BLOCK_PX = 32
"""The smallest block whose cells the network takes."""
CHINA = BlockRange(728, 5070, 706, 1233)
"""A rectangle of blocks as large as that around China."""
BLOCK_DEG = 1 / BLOCKS_PER_DEGREE
PX_PER_BLOCK = 4
"""Pixels of the inputs along a block."""
WEST, NORTH = 110.0, 35.0

# The network sees hardly any cropland in noise, and a run whose map has none at all ends with an error.
RECIPE = """
name = "nation"
title = "Many small blocks of noise"
about = "SYNTHETIC noise: the run shows what blocks cost, nothing else."

[region]
bounds = [{west}, {south}, {east}, {north}]

[grid]
block_px = {block_px}
cell_px = {block_px}
blend_px = 8

[[sources]]
name = "a"
kind = "raster"
paths = ["{inputs}/a.tif"]

[[sources]]
name = "b"
kind = "raster"
paths = ["{inputs}/b.tif"]

[terrain]
path = "{inputs}/dem.tif"

[segmentation]
model = "default"
batch_cells = 4
threshold = 0.02

[[products]]
name = "coarse"
title = "noise"
path = "{inputs}/product.tif"
crop_codes = [1]
known_codes = [0, 1]

[[admin]]
level = 1
path = "{inputs}/units.gpkg"
"""


def make_inputs(folder: Path, side: int, px_per_block: int = PX_PER_BLOCK) -> None:
    """Rasters of noise over ``side`` x ``side`` blocks and a margin, and admin units of 10 x 10 blocks."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    n = (side + 4) * px_per_block
    place = from_origin(WEST - 2 * BLOCK_DEG, NORTH + 2 * BLOCK_DEG, BLOCK_DEG / px_per_block, BLOCK_DEG / px_per_block)
    rasters = {
        "a": rng.integers(1, 255, (3, n, n)).astype(np.uint8),
        "b": rng.integers(1, 255, (3, n, n)).astype(np.uint8),
        "dem": rng.integers(0, 500, (1, n, n)).astype(np.int16),
        "product": rng.integers(0, 2, (1, n, n)).astype(np.uint8),
    }
    for name, pixels in rasters.items():
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=n, height=n, count=len(pixels), dtype=pixels.dtype,
            crs="EPSG:4326", transform=place, tiled=True,
        ) as file:  # fmt: skip
            file.write(pixels)
    step = 10 * BLOCK_DEG
    corners = [(WEST + i * step, NORTH - j * step) for j in range(-(-side // 10)) for i in range(-(-side // 10))]
    units = gpd.GeoDataFrame(
        {
            "adcode": [f"{i:06d}" for i in range(len(corners))],
            "name_en": [f"unit {i}" for i in range(len(corners))],
            "name_zh": "",
        },
        geometry=[shapely.box(x, y - step, x + step, y) for x, y in corners],
        crs="EPSG:4326",
    )
    units.to_file(folder / "units.gpkg")


def write_recipe(folder: Path, side: int) -> Path:
    """The recipe of a run over ``side`` x ``side`` blocks."""
    text = RECIPE.format(
        west=WEST, north=NORTH, east=round(WEST + side * BLOCK_DEG, 2), south=round(NORTH - side * BLOCK_DEG, 2),
        block_px=BLOCK_PX, inputs=folder / "inputs",
    )  # fmt: skip
    path = folder / "nation.toml"
    path.write_text(text)
    return path
