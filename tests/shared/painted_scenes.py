"""Small labelled scenes to learn from: green rectangles on grey speckle, which are the fields."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import rasterio
from rasterio.transform import from_origin
from shapely.geometry import Polygon, box

SIDE_PX = 160
GSD_M = 2.0


def paint_scene(rng: np.random.Generator) -> tuple[np.ndarray, list[Polygon]]:
    """Green rectangles (fields) on grey speckle; polygons in metres with the origin at the top left."""
    rgb = rng.integers(110, 155, (SIDE_PX, SIDE_PX, 3))
    polygons = []
    for x in range(8, SIDE_PX - 50, 56):
        for y in range(8, SIDE_PX - 50, 56):
            h, w = rng.integers(30, 48, 2)
            rgb[y : y + h, x : x + w] = np.array([60, 140, 50]) + rng.integers(-12, 12, (h, w, 3))
            polygons.append(box(x * GSD_M, -(y + h) * GSD_M, (x + w) * GSD_M, -y * GSD_M))
    return rgb.astype(np.uint8), polygons


def write_painted_scenes(folder: Path) -> tuple[Path, Path]:
    """Six small labelled scenes in UTM: the folder of rasters and the polygons, drawn in degrees."""
    (folder / "images").mkdir()
    rng = np.random.default_rng(7)
    names, geometries = [], []
    for i in range(6):
        rgb, polygons = paint_scene(rng)
        west, north = 500_000 + 2000 * i, 4_000_000
        profile = {
            "driver": "GTiff",
            "width": SIDE_PX,
            "height": SIDE_PX,
            "count": 3,
            "dtype": "uint8",
            "crs": "EPSG:32649",
            "transform": from_origin(west, north, GSD_M, GSD_M),
        }
        with rasterio.open(folder / "images" / f"scene{i}.tif", "w", **profile) as raster:
            raster.write(np.moveaxis(rgb, -1, 0))
        for polygon in polygons:
            names.append(f"scene{i}")
            geometries.append(geopandas.GeoSeries([polygon]).translate(west, north).iloc[0])
    table = geopandas.GeoDataFrame({"image": names}, geometry=geometries, crs="EPSG:32649").to_crs("EPSG:4326")
    table.to_file(folder / "fields.gpkg")
    return folder / "images", folder / "fields.gpkg"
