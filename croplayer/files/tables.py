"""Tables of blocks with their geometry, and tables as Parquet and CSV files."""

from __future__ import annotations

import io
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from stores.durable import write_durable
from stores.grid import CRS, BlockGrid, BlockIndex


def with_geometry(table: pd.DataFrame) -> gpd.GeoDataFrame:
    """A table of blocks (columns row and col) with their boxes as geometry in EPSG:4326."""
    grid = BlockGrid()
    bounds = [grid.bounds(BlockIndex(r, c)) for r, c in zip(table.row, table.col, strict=True)]
    boxes = shapely.box(*np.array(bounds, np.float64).reshape(-1, 4).T)
    return gpd.GeoDataFrame(table, geometry=boxes, crs=CRS)


def block_areas_km2(grid: BlockGrid, rows: pd.Series) -> pd.Series:
    """Area on the ellipsoid of the blocks in these rows of the lattice, km2; the index of ``rows``."""
    return rows.map({row: grid.block_km2(int(row)) for row in rows.unique()})


def write_parquet(path: Path, table: pd.DataFrame) -> Path:
    """Write a table as Parquet, or as GeoParquet 1.1 with bounding boxes if it has geometry. Returns its path.

    The same table gives the same bytes.
    """
    buffer = io.BytesIO()
    if isinstance(table, gpd.GeoDataFrame):
        table.to_parquet(buffer, index=False, compression="zstd", write_covering_bbox=True, schema_version="1.1.0")
    else:
        table.to_parquet(buffer, index=False, compression="zstd")
    write_durable(path, buffer.getvalue())
    return path


def write_csv(path: Path, table: pd.DataFrame) -> Path:
    """Write a table as UTF-8 CSV with 8 significant digits. Returns its path."""
    write_durable(path, table.to_csv(index=False, float_format="%.8g", lineterminator="\n").encode())
    return path
