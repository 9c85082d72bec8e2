"""GDAL's own terrain rasters: the `gdaldem` command, or else the GDAL library inside rasterio's wheel."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

Run = Callable[[str, Path, Path, list[str]], None]


def find_gdaldem() -> tuple[str, Run] | None:
    """A name and a function (mode, source, target, options) that writes a terrain raster; None without GDAL."""
    if shutil.which("gdaldem"):
        return "gdaldem", run_command
    wheel = sorted((Path(rasterio.__file__).parent.parent / "rasterio.libs").glob("libgdal*.so*"))
    return ("GDAL in rasterio's wheel", _library(wheel[0])) if wheel else None


def run_command(mode: str, source: Path, target: Path, options: list[str]) -> None:
    """Run `gdaldem` as a process."""
    subprocess.run(["gdaldem", mode, source, target, "-q", *options], check=True)


def _library(path: Path) -> Run:
    gdal = ctypes.CDLL(str(path))
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    gdal.GDALOpen.restype, gdal.GDALOpen.argtypes = pointer, [text, ctypes.c_int]
    gdal.GDALClose.argtypes = [pointer]
    gdal.GDALDEMProcessingOptionsNew.restype = pointer
    gdal.GDALDEMProcessingOptionsNew.argtypes = [ctypes.POINTER(text), pointer]
    gdal.GDALDEMProcessingOptionsFree.argtypes = [pointer]
    gdal.GDALDEMProcessing.restype = pointer
    gdal.GDALDEMProcessing.argtypes = [text, pointer, text, text, pointer, pointer]
    gdal.GDALAllRegister()

    def run(mode: str, source: Path, target: Path, options: list[str]) -> None:
        dataset = gdal.GDALOpen(str(source).encode(), 0)
        arguments = (text * (len(options) + 1))(*[option.encode() for option in options], None)
        parsed = gdal.GDALDEMProcessingOptionsNew(arguments, None)
        made = gdal.GDALDEMProcessing(str(target).encode(), dataset, mode.encode(), None, parsed, None)
        gdal.GDALDEMProcessingOptionsFree(parsed)
        gdal.GDALClose(dataset)
        if not made:
            raise RuntimeError(f"GDAL made no {mode} raster of {source}")
        gdal.GDALClose(made)

    return run


def write_dem(path: Path, dem: np.ndarray, cell: float, nodata: float | None = None) -> None:
    """Write an elevation model with square cells as GeoTIFF."""
    shape = {"height": dem.shape[0], "width": dem.shape[1], "dtype": dem.dtype, "nodata": nodata}
    place = {"crs": "EPSG:32650", "transform": from_origin(0, 0, cell, cell)}
    with rasterio.open(path, "w", driver="GTiff", count=1, **shape, **place) as out:
        out.write(dem, 1)
