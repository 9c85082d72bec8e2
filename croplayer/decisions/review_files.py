"""Files for the reviewers of sampled blocks: a table as CSV and GeoPackage, and a picture of every block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from PIL import Image
from skimage.segmentation import find_boundaries

from croplayer.cube.whole_blocks import Cube
from croplayer.vector.files import write_geopackage
from stores.columns import CROPLAND_MASK, RGB, map_column
from stores.durable import write_durable
from stores.grid import CRS, BlockIndex
from stores.legends import CROPLAND, NO_IMAGERY

THUMBNAIL_PX = 400
OUTLINE = (255, 214, 0)
MISSING = (185, 195, 204)
GAP_PX = 4


def review_table(cube: Cube, blocks: Sequence[BlockIndex]) -> gpd.GeoDataFrame:
    """Table for reviewers, one row per block: block, lon, lat, thumbnail and the empty columns that they fill in.

    Those are correctness_SOURCE, integration, reviewer and note; lon and lat are the centre of the block in degrees.
    """
    boxes = [cube.grid.bounds(b) for b in blocks]
    columns: dict[str, object] = {
        "block": [b.name for b in blocks],
        "lon": [round((b.west + b.east) / 2, 3) for b in boxes],
        "lat": [round((b.south + b.north) / 2, 3) for b in boxes],
    }
    empty = [map_column("correctness", s) for s in cube.sources] + ["integration", "reviewer", "note"]
    columns |= {name: [""] * len(blocks) for name in empty}
    columns["thumbnail"] = [f"thumbnails/{b.name}.png" for b in blocks]
    return gpd.GeoDataFrame(columns, geometry=[shapely.box(*b) for b in boxes], crs=CRS)


def write_review_files(folder: Path, cube: Cube, blocks: Sequence[BlockIndex]) -> list[Path]:
    """Write blocks.csv, blocks.gpkg and thumbnails/BLOCK.png; returns their paths.

    Raises FileExistsError when the folder already has a table, which may hold reviews.
    """
    csv, gpkg = folder / "blocks.csv", folder / "blocks.gpkg"
    for path in (csv, gpkg):
        # Without the GeoPackage, which is written last, an empty table was left by a call that was killed.
        if path.exists() and (path is gpkg or _has_reviews(path)):
            raise FileExistsError(f"{path} exists and may hold reviews; give another folder")
    (folder / "thumbnails").mkdir(parents=True, exist_ok=True)
    table = review_table(cube, blocks)
    pictures = []
    for block, name in zip(blocks, table.thumbnail, strict=True):
        Image.fromarray(thumbnail(cube, block)).save(folder / name, optimize=True)
        pictures.append(folder / name)
    text = table.drop(columns="geometry").to_csv(index=False, lineterminator="\n")
    write_durable(csv, text.encode("utf-8-sig"))
    write_geopackage(gpkg, table, "blocks")
    return [csv, gpkg, *pictures]


def _has_reviews(path: Path) -> bool:
    """Whether a table holds anything in a column that people fill in."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False, sep=None, engine="python", encoding="utf-8-sig")
    measured = {"block", "lon", "lat", "thumbnail"}
    return not measured <= {*table} or any((table[name] != "").any() for name in {*table} - measured)


def thumbnail(cube: Cube, block: BlockIndex) -> np.ndarray:
    """Imagery of a block, plain and with its cropland outlined, one row of pictures per source: (h, w, 3) uint8."""
    step = max(1, cube.grid.block_px // THUMBNAIL_PX)
    rows = []
    for source in cube.sources:
        mask = cube.read_block(CROPLAND_MASK, block, source)[::step, ::step]
        rgb = cube.read_block(RGB, block, source)[::step, ::step].copy()
        rgb[mask == NO_IMAGERY] = MISSING
        outlined = rgb.copy()
        outlined[find_boundaries(mask == CROPLAND, mode="inner")] = OUTLINE
        gap = np.full((len(rgb), GAP_PX, 3), 255, np.uint8)
        rows.append(np.concatenate([rgb, gap, outlined], axis=1))
        rows.append(np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8))
    return np.concatenate(rows[:-1])
