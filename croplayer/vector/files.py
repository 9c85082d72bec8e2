"""Write a window of the map to files for other software."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling
from rasterio.windows import Window

from stores.durable import PARTIAL, sync_folder
from stores.grid import CRS, BlockGrid, PixelWindow
from stores.legends import NEVER_PROCESSED

DBF_DATE = "2000-01-01"
"""Date in every .dbf file, so that the same map gives the same bytes on every day."""
SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


MASK_WORDS = "0 not cropland, 1 cropland, 254 no imagery, 255 never processed"
"""What the values of a mask mean, as the description of a band."""


def write_geotiff(path: Path, mask: np.ndarray, window: PixelWindow, grid: BlockGrid, words: str = MASK_WORDS) -> Path:
    """Write a mask (h, w) uint8 as a cloud-optimised GeoTIFF with overviews; nodata is 255. Returns its path.

    ``words`` say what its values mean.
    """
    return write_cog(path, [(window, mask)], window, grid, words)


def write_cog(
    path: Path,
    pieces: Iterable[tuple[PixelWindow, np.ndarray]],
    window: PixelWindow,
    grid: BlockGrid,
    words: str = MASK_WORDS,
    colours: Mapping[int, str] | None = None,
) -> Path:
    """Write a mask, piece by piece, as a cloud-optimised GeoTIFF with overviews; nodata is 255. Returns its path.

    Parameters
    ----------
    pieces : windows inside ``window`` with their pixels, (h, w) uint8; where there is none, pixels are 255
    words : what its values mean
    colours : colour of each value as ``#rrggbb``; None writes no table of colours
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(PARTIAL, f".{path.name}.", path.parent) as scratch:
        plain, cog = Path(scratch) / "plain.tif", Path(scratch) / "cog.tif"
        with rasterio.open(
            plain, "w", driver="GTiff", height=window.height, width=window.width, count=1, dtype="uint8", crs=CRS,
            transform=grid.transform(window), nodata=NEVER_PROCESSED, compress="deflate", tiled=True,
        ) as file:  # fmt: skip
            for part, pixels in pieces:
                place = Window(part.col - window.col, part.row - window.row, part.width, part.height)
                file.write(pixels, 1, window=place)
            if colours:
                file.write_colormap(1, {value: (*bytes.fromhex(text[1:]), 255) for value, text in colours.items()})
            file.set_band_description(1, words)
        with rasterio.open(plain) as file:
            rasterio.shutil.copy(
                file, cog, driver="COG", compress="deflate", blocksize=512, overview_resampling=Resampling.nearest.name
            )
        cog.replace(path)
    sync_folder(path.parent)
    return path


def write_geoparquet(path: Path, frame: gpd.GeoDataFrame) -> Path:
    """Write polygons as GeoParquet 1.1 with a bounding box column. Returns its path."""
    from croplayer.files.tables import write_parquet

    return write_parquet(path, frame)


def write_geopackage(path: Path, frame: gpd.GeoDataFrame, layer: str) -> Path:
    """Write polygons or points as a GeoPackage, which is whole or not there. Returns its path."""
    with whole_file(path) as whole:
        frame.to_file(whole, driver="GPKG", layer=layer, engine="pyogrio")
    return path


def write_shapefile(path: Path, frame: gpd.GeoDataFrame) -> list[Path]:
    """Write polygons as a shapefile in UTF-8. Returns the paths of its parts.

    The format cuts field names to 10 bytes.
    """
    with shapefile_parts(path) as (whole, parts):
        frame.to_file(
            whole, driver="ESRI Shapefile", encoding="UTF-8", engine="pyogrio", DBF_DATE_LAST_UPDATE=DBF_DATE
        )  # fmt: skip
    return parts


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A place to write a file, which is at ``path`` when the block ends without an error: whole, durable or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(PARTIAL, f".{path.name}.", path.parent) as scratch:
        whole = Path(scratch) / path.name
        yield whole
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        whole.replace(path)
    sync_folder(path.parent)


@contextmanager
def shapefile_parts(path: Path) -> Iterator[tuple[Path, list[Path]]]:
    """A place to write a shapefile, whose parts are beside ``path`` when the block ends; the list then holds their paths."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(PARTIAL, f".{path.name}.", path.parent) as scratch:
        parts: list[Path] = []
        yield Path(scratch) / path.name, parts
        for suffix in SHAPEFILE_PARTS:
            part = Path(scratch) / path.with_suffix(suffix).name
            if part.exists():
                shutil.move(part, path.with_suffix(suffix))
                os.utime(path.with_suffix(suffix))
                parts.append(path.with_suffix(suffix))
    sync_folder(path.parent)
