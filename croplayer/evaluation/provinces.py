"""Cropland of admin units compared with official statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from croplayer.evaluation.statistics import KM2_PER_KHA
from croplayer.vector.boundaries import BORDER_CODE, OUTSIDE_CODE
from stores.columns import BLOCK_KM2, LAND, known_land, known_share_column, mapped_column, percent_column, within_column

COMPLETE_SHARE = 0.98
"""Share of a unit or block that a map must cover to be compared with a statistic or another map."""
FEW_BLOCKS = 10_000
"""Blocks that are summed in memory: importing dask-geopandas, which sums more of them, takes longer than these sums."""


def interior_sums(path: Path, code: str, areas: Mapping[str, str], shares: Mapping[str, str]) -> pd.DataFrame:
    """Sums of columns of a block table over the blocks that lie completely in a unit.

    Parameters
    ----------
    path : GeoParquet block table with block_km2
    code : column of the table with the unit of each block
    areas : name in the result of each column to sum, km2; columns that the table lacks are left out
    shares : the same for columns that are shares of a block, which are multiplied by block_km2

    Returns
    -------
    one row per unit, indexed by its code; km2, where missing values count as 0
    """
    import pyarrow.parquet

    there = set(pyarrow.parquet.read_schema(path).names)
    areas, shares = ({c: name for c, name in columns.items() if c in there} for columns in (areas, shares))
    # The geometry is not read: it takes more time and memory than all numbers.
    needed = list(dict.fromkeys([code, BLOCK_KM2, *areas, *shares]))
    if pyarrow.parquet.read_metadata(path).num_rows <= FEW_BLOCKS:
        sums = _sums(pd.read_parquet(path, columns=needed), code, [*areas, *shares], shares)
    else:
        import dask_geopandas

        blocks = dask_geopandas.read_parquet(path, columns=needed)
        sums = _sums(blocks, code, [*areas, *shares], shares).compute(scheduler="synchronous")
    return pd.DataFrame(sums).rename(columns={**areas, **shares})


def _sums(blocks: Any, code: str, columns: Sequence[str], shares: Iterable[str]) -> Any:
    """Sums over the blocks that lie in one unit, of a table in memory or of a lazy one."""
    inside = blocks[~blocks[code].isin([BORDER_CODE, OUTSIDE_CODE])]
    inside = inside.assign(**{column: inside[column] * inside.block_km2 for column in shares})
    return inside[[code, *columns]].groupby(code).sum()


def unit_table(
    units: pd.DataFrame,
    areas: pd.DataFrame,
    maps: Sequence[str],
    statistics: pd.DataFrame | None,
    within: float,
    year: int | None = None,
) -> pd.DataFrame:
    """One row per unit: area of every map, its percentage of the statistic and whether that is within the limit.

    Parameters
    ----------
    units : columns adcode, name_en, name_zh, land_km2 (of the whole unit, from its polygon)
    areas : indexed by adcode, km2: ``land`` (land in the run) and, per map, ``NAME`` (its cropland) and ``NAME:known``
        (land where it has data)
    maps : names of the maps
    statistics : rows like ``units`` with cropland_kha and note, or None
    within : limit of the deviation as a share; 0.1 is 10 %
    year : that the statistics are of; None where it is not known, and then there is no column of it

    Returns
    -------
    DataFrame with ``in_run`` (share of the unit's land in the run) and, per map, ``NAME_km2``, ``NAME_known`` (share of
    the unit's land where the map has data), ``NAME_percent`` (of the statistic) and ``NAME_within`` (nullable boolean).
    The last two are missing for a unit without a statistic or that the map does not cover completely.
    """
    table = units[["adcode", "name_en", "name_zh", "land_km2"]].reset_index(drop=True).copy()
    known = areas.reindex(table.adcode).reset_index(drop=True)
    table["in_run"] = _share_of_land(known, LAND, table.land_km2)
    for name in maps:
        table[mapped_column(name)] = known[name].to_numpy() if name in known else np.nan
        table[known_share_column(name)] = _share_of_land(known, known_land(name), table.land_km2)
    return table if statistics is None else with_percentages(table, maps, statistics, within, year)


def with_percentages(
    table: pd.DataFrame, maps: Sequence[str], statistics: pd.DataFrame, within: float, year: int | None = None
) -> pd.DataFrame:
    """`unit_table` of units without a statistic, with one; columns as there. ``statistics`` has a row for each unit."""
    named = ["adcode", "name_en", "name_zh", "land_km2", "in_run"]
    out = table[named].copy()
    out["statistic_km2"] = statistics.cropland_kha.to_numpy() * KM2_PER_KHA
    if year is not None:
        out["statistic_year"] = pd.Series(year, out.index, dtype="Int64").where(out.statistic_km2.notna())
    out["statistic_note"] = statistics.note.fillna("").to_numpy()
    for name in maps:
        out[[mapped_column(name), known_share_column(name)]] = table[[mapped_column(name), known_share_column(name)]]
        percent = 100 * out[mapped_column(name)] / out.statistic_km2.where(out.statistic_km2 > 0)
        out[percent_column(name)] = percent.where(out[known_share_column(name)] >= COMPLETE_SHARE)
        decided = out[percent_column(name)].notna()
        is_within = (out[percent_column(name)] - 100).abs() <= 100 * within
        out[within_column(name)] = is_within.where(decided).astype("boolean")
    return out


def _share_of_land(areas: pd.DataFrame, column: str, land_km2: pd.Series) -> pd.Series:
    if column not in areas:
        return pd.Series(0.0, index=land_km2.index)
    return (areas[column].fillna(0.0) / land_km2).clip(upper=1.0)


def count_within(table: pd.DataFrame, name: str) -> tuple[int, int]:
    """Number of units within the limit and number of units compared, for one map; (0, 0) without statistics."""
    column = table.get(within_column(name))
    if column is None:
        return 0, 0
    decided = column[column.notna()].astype(bool)
    return int(decided.sum()), len(decided)
