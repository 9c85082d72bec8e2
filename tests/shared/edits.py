"""Edits of the inputs and the settings of a finished run, each with the steps that may be done again for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from PIL import Image, ImageOps

Change = Callable[[Path, str], str]
"""Edits the files of a country, and returns the edited text of the recipe that maps it."""

TABLES = {"boundaries", "block_table", "unit_table", "levels", "compare_tables", "left_over"}
OVERVIEWS = {"overviews", "overview_squares"}
MAPS = (
    {"describe", "judge", "decide", "integrate", "compare", "aggregate", "evaluate", "export", "reviews"}
    | TABLES
    | OVERVIEWS
)
IMAGERY = {"mosaic", "assess", "segment"} | MAPS
PRODUCTS = {"compare", "compare_tables", "block_table", "aggregate", "unit_table", "levels"}
UNITS = {"boundaries", "block_table", "aggregate", "unit_table", "levels", "export"}


class Edit(NamedTuple):
    """An edit of a finished run."""

    name: str
    change: Change
    redone: set[str]
    """Rules whose steps may be done again."""
    blocks: int = 4
    """Most blocks of the step mosaic, compare or aggregate that may be done again."""
    needed: set[str] = frozenset()  # type: ignore[assignment]
    """Rules whose steps must be done again."""


def _replaced(old: str, new: str) -> Change:
    def change(country: Path, text: str) -> str:
        assert old in text, old
        return text.replace(old, new, 1)

    return change


def _without(part: str) -> Change:
    def change(country: Path, text: str) -> str:
        found = re.sub(rf"{re.escape(part)}\n(?:.+\n)+", "", text, count=1)
        assert found != text
        return found

    return change


def _tiles(country: Path, source: str = "aster") -> list[Path]:
    return sorted((country / "tiles" / source).rglob("*.jpg"))


def middle_tile(country: Path, source: str = "aster") -> Path:
    """A tile in the middle of the country."""
    paths = _tiles(country, source)
    return paths[len(paths) // 2]


def _touched(country: Path, text: str) -> str:
    for path in country.rglob("*"):
        if path.is_file():
            os.utime(path)
    return text


def _linked(country: Path, text: str) -> str:
    (country / "tiles").rename(country / "real_tiles")
    (country / "tiles").symlink_to(country / "real_tiles", target_is_directory=True)
    return text


def _mirrored_tile(country: Path, text: str) -> str:
    path = middle_tile(country)
    ImageOps.mirror(Image.open(path)).save(path, quality=85)
    return text


def _same_size_and_time(country: Path, text: str) -> str:
    """A tile becomes another picture; a JPEG comment makes up for the difference in size."""
    large = middle_tile(country)
    small = min(_tiles(country), key=lambda path: path.stat().st_size).read_bytes()
    status = large.stat()
    comment = status.st_size - len(small) - 4
    large.write_bytes(small[:2] + b"\xff\xfe" + (comment + 2).to_bytes(2, "big") + bytes(comment) + small[2:])
    os.utime(large, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert large.stat().st_size == status.st_size
    return text


def _lost_tile(country: Path, text: str) -> str:
    middle_tile(country, "borealis").unlink()
    return text


def _notes_beside_tiles(country: Path, text: str) -> str:
    (country / "tiles/aster/notes.txt").write_text("no tile")
    return text


def _raster(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def edit(country: Path, text: str) -> str:
        with rasterio.open(country / name, "r+") as dataset:
            dataset.write(change(dataset.read(1)), 1)
        return text

    return edit


def _patch(values: np.ndarray, value: int, other: int) -> np.ndarray:
    """A few pixels, a third of the way from the corner to the other, get one of two values, which they do not have."""
    changed = values.copy()
    row, col = (size // 3 for size in values.shape)
    changed[row : row + 3, col : col + 3] = other if changed[row, col] == value else value
    return changed


def _renamed_product(country: Path, text: str) -> str:
    (country / "products/coarse.tif").rename(country / "products/renamed.tif")
    return text.replace("products/coarse.tif", "products/renamed.tif")


def _mask_beside_product(country: Path, text: str) -> str:
    path = country / "products/coarse.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="NO"), rasterio.open(path, "r+") as dataset:
        mask = np.full(dataset.shape, 255, np.uint8)
        mask[:5, :5] = 0
        dataset.write_mask(mask)
    return text


def _units(change: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame], name: str = "provinces.gpkg") -> Change:
    def edit(country: Path, text: str) -> str:
        units = change(gpd.read_file(country / name))
        (country / name).unlink()
        units.to_file(country / name)
        return text

    return edit


def _statistic(country: Path, text: str) -> str:
    table = pd.read_csv(country / "statistics.csv", dtype={"adcode": str}, keep_default_na=False)
    table.loc[0, "cropland_kha"] += 0.01
    table.to_csv(country / "statistics.csv", index=False)
    return text


def _levels_swapped(country: Path, text: str) -> str:
    first, second = re.findall(r"\[\[admin\]\]\n(?:.+\n)+", text)
    return text.replace(second, "").replace(first, f"{second}\n{first}")


def _three_blocks(country: Path, text: str) -> str:
    corner = shapely.Polygon(
        [(114.0, 34.0), (114.1, 34.0), (114.1, 34.05), (114.05, 34.05), (114.05, 34.1), (114.0, 34.1)]
    )
    gpd.GeoDataFrame(geometry=[corner], crs="EPSG:4326").to_file(country / "region.gpkg")
    return text.replace("bounds = [114.0, 34.0, 114.1, 34.1]", f'boundaries = "{country}/region.gpkg"')


def _second_product(country: Path, text: str) -> str:
    (country / "products/other.tif").write_bytes((country / "products/coarse.tif").read_bytes())
    (part,) = re.findall(r"\[\[products\]\]\n(?:.+\n)+", text)
    other = part.replace('"coarse"', '"other"').replace("coarse.tif", "other.tif")
    return text.replace(part, f"{other}\n{part}")


EDITS = (
    Edit("a folder copied elsewhere", lambda country, text: text, set()),
    Edit("all files touched", _touched, set()),
    Edit("a linked tile folder", _linked, set()),
    Edit("a file that is no tile", _notes_beside_tiles, set()),
    Edit("a tile mirrored", _mirrored_tile, IMAGERY, 4, {"mosaic", "segment"}),
    Edit("a tile of the same size and time", _same_size_and_time, IMAGERY, 4, {"mosaic", "segment"}),
    Edit("a tile lost", _lost_tile, IMAGERY, 4, {"mosaic", "segment"}),
    Edit("a patch of the elevation", _raster("dem.tif", lambda v: _patch(v, 4000, 5000)), {"assess"} | MAPS, 4, {"assess"}),
    Edit("a patch of a product", _raster("products/coarse.tif", lambda v: _patch(v, 20, 10)), PRODUCTS, 1, {"compare"}),
    Edit("a product renamed", _renamed_product, set()),
    Edit("a mask beside a product", _mask_beside_product, PRODUCTS, 1, {"compare"}),
    Edit("a patch of the reference", _raster("truth.tif", lambda v: _patch(v, 1, 9)), PRODUCTS | {"evaluate"}, 1, {"compare", "evaluate"}),
    Edit("a unit's name", _units(lambda u: u.assign(name_en=[f"{n}x" for n in u.name_en])), UNITS),
    Edit("the order of units", _units(lambda u: u.iloc[::-1]), UNITS),
    Edit("a statistic", _statistic, {"unit_table", "levels"}),
    Edit("no statistics", _without("[statistics]"), {"unit_table", "levels", "block_table"}),
    Edit("no terrain", _without("[terrain]"), {"assess"} | MAPS),
    Edit("no reference", _without("[reference]"), PRODUCTS | {"evaluate"}),
    Edit("no product", _without("[[products]]"), PRODUCTS | {"evaluate"}),
    Edit("a second product before the first", _second_product, PRODUCTS),
    Edit("the title of a product", _replaced('"synthetic 30 m product"', '"another title"'), {"compare_tables"}),
    Edit("the codes of a product", _replaced("crop_codes = [10]", "crop_codes = [10, 20]"), PRODUCTS),
    Edit("the legend of a product", _replaced("known_codes = [0, 10, 20]", "known_codes = [0, 10, 20, 30]"), PRODUCTS),
    Edit("the order of admin levels", _levels_swapped, UNITS),
    Edit("the level of exports", _replaced("[export]\nlevel = 1", "[export]\nlevel = 2"), {"export"}),
    Edit("the formats of exports", _replaced("[export]\nlevel = 1", '[export]\nlevel = 1\nformats = ["geotiff"]'), {"export"}),
    Edit("the names of exports", _replaced("[export]\nlevel = 1", '[export]\nlevel = 1\nnames = "code"'), {"export"}),
    Edit("no exports", _without("[export]"), set()),
    Edit("the title", _replaced("A small synthetic country", "A country"), set()),
    Edit("the name of the recipe", _replaced('name = "small"', 'name = "other"'), set()),
    Edit("the number of workers", _replaced("workers = 1", "workers = 2"), set()),
    Edit("the threshold", _replaced("[segmentation]\n", "[segmentation]\nthreshold = 0.52\n"), {"segment"} | MAPS),
    Edit("mirror images", _replaced("[segmentation]\n", "[segmentation]\nmirrors = true\n"), {"segment"} | MAPS),
    Edit("cells in a batch", _replaced("[segmentation]\n", "[segmentation]\nbatch_cells = 3\n"), {"segment"}),
    Edit("the blend of cells", _replaced("blend_px = 16", "blend_px = 8"), {"segment"} | MAPS),
    Edit("the share of Nodata", _replaced("[coverage]\n", "[coverage]\nnodata_above = 0.01\n"), {"assess"} | MAPS),
    Edit("a placeholder of a provider", _replaced("zoom = 13\n", f'zoom = 13\nplaceholders = ["{"0" * 64}"]\n'), {"mosaic", "segment"}),
    Edit("the seed of decisions", lambda country, text: f"{text}\n[decisions]\nseed = 5\n", {"judge", "decide"} | TABLES),
    Edit("a block less", _three_blocks, MAPS, 0),
)  # fmt: skip
