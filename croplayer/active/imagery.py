"""The imagery of tasks: a small GeoTIFF of every source, and a virtual mosaic of all of them for the map window."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import rasterio
import rasterio.shutil
from pyproj import CRS as Crs
from rasterio.enums import ColorInterp, Resampling

from croplayer.cube.whole_blocks import Cube
from stores.columns import IMAGERY_VALID, RGB
from stores.durable import PARTIAL, sync_folder, write_durable
from stores.file_names import file_names
from stores.grid import CRS, BlockGrid, PixelWindow

MARGIN_SHARE = 4
"""A picture shows this part of its window's edge on each side beyond it, so that fields at the edge are seen whole."""
COLOURS = ("Red", "Green", "Blue", "Alpha")


def picture_window(window: PixelWindow, cube: Cube) -> PixelWindow:
    """Pixels that the picture of a task shows: its window and a margin, as far as the cube reaches."""
    return window.grown(window.height // MARGIN_SHARE).common(cube.blocks.window(cube.grid))


def picture_names(sources: Iterable[str]) -> dict[str, str]:
    """Name of the files of each source, without ending."""
    names = list(sources)
    return dict(zip(names, file_names(names), strict=True))


def write_picture(path: Path, cube: Cube, source: str, window: PixelWindow) -> Path:
    """Write a window of a source as a cloud-optimised GeoTIFF of red, green, blue and alpha (0 without imagery).

    A reader sees the whole file or none. Returns its path.
    """
    rgb = cube.read_window(RGB, window, source)
    valid = cube.read_window(IMAGERY_VALID, window, source)
    bands = np.concatenate([np.moveaxis(rgb, -1, 0), np.where(valid, 255, 0)[None].astype(np.uint8)])
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(PARTIAL, f".{path.name}.", path.parent) as scratch:
        plain, cog = Path(scratch) / "plain.tif", Path(scratch) / "cog.tif"
        with rasterio.open(
            plain, "w", driver="GTiff", height=window.height, width=window.width, count=4, dtype="uint8", crs=CRS,
            transform=cube.grid.transform(window), photometric="RGB", alpha="YES",
        ) as file:  # fmt: skip
            file.write(bands)
            file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
        with rasterio.open(plain) as file:
            rasterio.shutil.copy(
                file, cog, driver="COG", compress="deflate", predictor="yes", blocksize=512,
                overview_resampling=Resampling.average.name,
            )  # fmt: skip
        with cog.open("rb") as written:
            os.fsync(written.fileno())
        cog.replace(path)
    sync_folder(path.parent)
    return path


def write_mosaic(path: Path, pictures: Iterable[tuple[str, PixelWindow]], grid: BlockGrid) -> Path:
    """Write a virtual raster (GDAL VRT) of pictures with paths relative to it. Returns its path.

    Parameters
    ----------
    pictures : path of each picture seen from the folder of ``path``, and the window that it shows; at least one
    """
    every = sorted(pictures)
    top, left = min(w.row for _, w in every), min(w.col for _, w in every)
    whole = PixelWindow(
        top, left, max(w.row_stop for _, w in every) - top, max(w.col_stop for _, w in every) - left
    )  # fmt: skip
    root = ElementTree.Element(
        "VRTDataset", rasterXSize=str(whole.width), rasterYSize=str(whole.height)
    )  # fmt: skip
    ElementTree.SubElement(root, "SRS", dataAxisToSRSAxisMapping="2,1").text = Crs(CRS).to_wkt("WKT1_GDAL")
    transform = grid.transform(whole).to_gdal()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(f"{value!r}" for value in transform)
    for number, colour in enumerate(COLOURS, start=1):
        band = ElementTree.SubElement(root, "VRTRasterBand", dataType="Byte", band=str(number))
        ElementTree.SubElement(band, "ColorInterp").text = colour
        for name, window in every:
            part = ElementTree.SubElement(band, "SimpleSource")
            ElementTree.SubElement(part, "SourceFilename", relativeToVRT="1").text = name
            ElementTree.SubElement(part, "SourceBand").text = str(number)
            size = {"xSize": str(window.width), "ySize": str(window.height)}
            ElementTree.SubElement(part, "SrcRect", {"xOff": "0", "yOff": "0", **size})
            at = {"xOff": str(window.col - whole.col), "yOff": str(window.row - whole.row)}
            ElementTree.SubElement(part, "DstRect", {**at, **size})
    ElementTree.indent(root)
    write_durable(path, ElementTree.tostring(root, encoding="utf-8"))
    return path
