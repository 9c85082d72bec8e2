"""Tables of blocks with their geometry, and tables as Parquet and CSV files."""

from __future__ import annotations

import io
import re
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


_FORMULA = re.compile(r"'*[=+\-@\t\r].")
_ESCAPED = re.compile(r"'+[=+\-@\t\r].")
_NUMBER = re.compile(r"[+-]?[\d.]+([eE][+-]?\d+)?")
TEXT_COLUMNS = ("adcode", "name_en", "name_zh")
"""Columns of the tables of a run that are text even where every cell is a number."""


def escaped(text: str) -> str:
    """A text as a cell of a CSV file: with an apostrophe before what a spreadsheet would take for a formula and run."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unescaped(cell: str) -> str:
    """The text of a cell that `escaped` wrote."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def csv_of(table: pd.DataFrame, float_format: str = "%.8g") -> str:
    """A table as CSV whose texts are `escaped`."""
    texts = table.select_dtypes(include=["object", "string"])
    plain = table.assign(**{c: texts[c].map(lambda v: escaped(v) if isinstance(v, str) else v) for c in texts})
    return str(plain.to_csv(index=False, float_format=float_format, lineterminator="\n"))


def write_csv(path: Path, table: pd.DataFrame) -> Path:
    """Write a table as UTF-8 CSV with 8 significant digits and `escaped` texts. Returns its path."""
    write_durable(path, csv_of(table).encode())
    return path


def read_csv(path: Path) -> pd.DataFrame:
    """A table that `write_csv` wrote; only empty cells are missing, so that "NA" and "None" stay codes and names."""
    table = pd.read_csv(path, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False, na_values=[""])
    texts = table.select_dtypes(include=["object", "string"])
    return table.assign(**{c: texts[c].map(lambda v: unescaped(v) if isinstance(v, str) else v) for c in texts})
