"""The evaluation of the maps unit by unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from stores.columns import percent_column, within_column
from stores.grid import BLOCKS_PER_DEGREE, LATTICE_COLS, LATTICE_ROWS

NO_UNIT = ""
"""Code of a block whose centre lies in no unit."""


def units_of_centres(blocks: pd.DataFrame, units: gpd.GeoDataFrame) -> np.ndarray:
    """Code of the unit that holds the centre of each block.

    Parameters
    ----------
    blocks : columns row and col
    units : columns adcode and geometry, in EPSG:4326; of units that overlap, the first counts

    Returns
    -------
    (n,) str, NO_UNIT where no unit holds the centre
    """
    x = (blocks.col.to_numpy() + 0.5 - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
    y = (LATTICE_ROWS // 2 - blocks.row.to_numpy() - 0.5) / BLOCKS_PER_DEGREE
    codes = np.full(len(blocks), NO_UNIT, dtype=object)
    block, unit = units.sindex.query(shapely.points(x, y), predicate="intersects")
    for i, k in sorted(zip(block.tolist(), unit.tolist(), strict=True), reverse=True):
        codes[i] = str(units.adcode.iloc[k])
    return codes


def levels_by_unit(
    codes: np.ndarray, units: pd.DataFrame, maps: Sequence[str], levels: Callable[[np.ndarray], pd.DataFrame]
) -> pd.DataFrame:
    """One row per unit and map: the pixels and blocks of the unit, and its area against the statistic.

    Parameters
    ----------
    codes : (n,) code of the unit of each block, as `units_of_centres` gives it
    units : `unit_table` of the level
    maps : names of the run's own maps
    levels : gives the `level_table` of the blocks at some of the n places, ascending

    Returns
    -------
    DataFrame with adcode, name_en and blocks (number of blocks whose centre lies in the unit), the columns of ``levels``, and
    percent and is_within of the statistic (NaN and missing where the unit has none); units without blocks are left out
    """
    places = pd.Series(codes).groupby(codes).indices
    parts = []
    for unit in units.itertuples():
        own = places.get(str(unit.adcode))
        if own is None:
            continue
        table = levels(own)
        row = units.loc[[unit.Index]]
        table.insert(0, "adcode", str(unit.adcode))
        table.insert(1, "name_en", unit.name_en)
        table.insert(2, "blocks", len(own))
        table["percent"] = [_value(row, percent_column(name)) for name in table["map"]]
        table["is_within"] = [_value(row, within_column(name)) for name in table["map"]]
        parts.append(table[table["map"].isin(maps)])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _value(row: pd.DataFrame, column: str) -> object:
    value = row[column].iloc[0] if column in row else None
    return np.nan if value is None or pd.isna(value) else value
