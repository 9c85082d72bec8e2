"""A map of 2 x 3 blocks that samples are drawn from: its pixels by plain geometry, and a reviewer of its samples."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from stores.grid import BlockGrid, BlockIndex, BlockRange

GRID = BlockGrid(40)
RANGE = BlockRange(1000, 5900, 2, 3)
BLOCKS = tuple(BlockIndex(1000 + r, 5900 + c) for r in range(2) for c in range(3))


def pixel_km2() -> np.ndarray:
    window = RANGE.window(GRID)
    return np.repeat(GRID.pixel_area_m2(window.row, window.height)[:, None] / 1e6, window.width, axis=1)


def unit_of_pixels(units: gpd.GeoDataFrame) -> np.ndarray:
    """Unit of every pixel centre by plain geometry, (80, 120), -1 for none."""
    window = RANGE.window(GRID)
    lon, lat = np.meshgrid(GRID.longitudes(window.col, window.width), GRID.latitudes(window.row, window.height))
    unit = np.full(lon.shape, -1)
    for i, geometry in enumerate(units.geometry):
        unit[shapely.contains_xy(geometry, lon, lat)] = i
    return unit


def pixels_of(points: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Row and column on the map of each point, from its coordinates."""
    west, _, _, north = GRID.window_bounds(RANGE.window(GRID))
    ppd = GRID.px_per_degree
    return np.floor((north - points.lat) * ppd).to_numpy(int), np.floor((points.lon - west) * ppd).to_numpy(int)


def labelled(design_path: Path, truth: np.ndarray, suffix: str) -> Path:
    """Fill in the labels from the truth, as a reviewer would."""
    path = design_path.with_suffix(suffix)
    table = gpd.read_file(path) if suffix == ".gpkg" else pd.read_csv(path, dtype=str, keep_default_na=False)
    y, x = pixels_of(table.astype({"lon": float, "lat": float}))
    table["label"] = np.where(truth[y, x], "cropland", "Not cropland")
    if suffix == ".gpkg":
        table.to_file(path, driver="GPKG", layer="sample")
    else:
        table.to_csv(path, index=False)
    return path
