"""Cropland of admin units against official statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from croplayer.evaluation.statistics import KM2_PER_KHA

COMPLETE_SHARE = 0.98
"""A map is held against the statistic of a unit, or against another map of a block, when it knows at least this share."""

BORDER_CODE, OUTSIDE_CODE = "border", ""
"""In the place of a unit's code: a block that several units share, and one in none of them."""


def interior_sums(path: Path, code: str, areas: Mapping[str, str], shares: Mapping[str, str]) -> pd.DataFrame:
    """Sums of columns of a block table over the blocks that lie whole in a unit.

    Parameters
    ----------
    path : GeoParquet block table with block_km2
    code : its column with the unit of each block
    areas : what each column that is summed is called in the result; those that the table lacks are left out
    shares : the same of columns that are shares of their block, which are summed as areas

    Returns
    -------
    one row per unit, indexed by its code; km2, a missing value is none
    """
    import dask_geopandas
    import pyarrow.parquet

    there = set(pyarrow.parquet.read_schema(path).names)
    areas, shares = ({c: name for c, name in columns.items() if c in there} for columns in (areas, shares))
    # The boxes of the blocks are not read: they would take longer and more memory than all the numbers.
    blocks = dask_geopandas.read_parquet(path, columns=list(dict.fromkeys([code, "block_km2", *areas, *shares])))
    inside = blocks[~blocks[code].isin([BORDER_CODE, OUTSIDE_CODE])]
    inside = inside.assign(**{column: inside[column] * inside.block_km2 for column in shares})
    sums = inside[[code, *areas, *shares]].groupby(code).sum().compute(scheduler="synchronous")
    return pd.DataFrame(sums).rename(columns={**areas, **shares})


def unit_table(
    units: pd.DataFrame, areas: pd.DataFrame, maps: Sequence[str], statistics: pd.DataFrame | None, within: float
) -> pd.DataFrame:
    """One row per unit: areas of every map, percentage of the statistic, whether it is within the limit.

    Parameters
    ----------
    units : adcode, name_en, name_zh, land_km2 (whole unit, from its polygon)
    areas : indexed by adcode; column ``land`` (land of the run) and two per map, its cropland ``NAME`` and the land that
        it knows ``NAME:known``, km2
    maps : names of the maps
    statistics : rows like ``units`` with cropland_kha and note, or None
    within : largest deviation that counts as consistent, 0.1 is 10 %

    Returns
    -------
    Table with ``in_run``, the share of the unit's land in the run, and, per map, ``NAME_km2``, ``NAME_known``,
    the share of the unit's land that the map knows, ``NAME_percent`` of the statistic and ``NAME_within``. The
    percentage is missing for a unit without statistic or not known as a whole.
    """
    table = units[["adcode", "name_en", "name_zh", "land_km2"]].reset_index(drop=True).copy()
    known = areas.reindex(table.adcode).reset_index(drop=True)
    table["in_run"] = _share_of_land(known, "land", table.land_km2)
    if statistics is not None:
        table["statistic_km2"] = statistics.cropland_kha.to_numpy() * KM2_PER_KHA
        table["statistic_note"] = statistics.note.fillna("").to_numpy()
    for name in maps:
        table[f"{name}_km2"] = known[name].to_numpy() if name in known else np.nan
        table[f"{name}_known"] = _share_of_land(known, f"{name}:known", table.land_km2)
        if statistics is None:
            continue
        percent = 100 * table[f"{name}_km2"] / table.statistic_km2.where(table.statistic_km2 > 0)
        table[f"{name}_percent"] = percent.where(table[f"{name}_known"] >= COMPLETE_SHARE)
        decided = table[f"{name}_percent"].notna()
        is_within = (table[f"{name}_percent"] - 100).abs() <= 100 * within
        table[f"{name}_within"] = is_within.where(decided).astype("boolean")
    return table


def _share_of_land(areas: pd.DataFrame, column: str, land_km2: pd.Series) -> pd.Series:
    if column not in areas:
        return pd.Series(0.0, index=land_km2.index)
    return (areas[column].fillna(0.0) / land_km2).clip(upper=1.0)


def count_within(table: pd.DataFrame, name: str) -> tuple[int, int]:
    """Units within the limit and units compared, for one map."""
    column = table.get(f"{name}_within")
    if column is None:
        return 0, 0
    decided = column[column.notna()].astype(bool)
    return int(decided.sum()), len(decided)
