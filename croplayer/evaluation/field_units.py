"""The fields of admin units in figures: how many, how large, how sure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from croplayer.evaluation.reliability import CLASSES
from croplayer.vector.boundaries import BORDER_CODE, OUTSIDE_CODE
from stores.columns import parted_unit_sum
from stores.field_columns import AREA, CONFIDENCE, IN_FIELDS, IN_NONE
from stores.field_sizes import MU_HA, SIZE_KEYS, size_class

COUNT = "fields"
MEDIAN = "median_ha"
UNDER_MU = "under_mu"
MEAN_CONFIDENCE = "mean_confidence"
WITHIN = "within_ha"
FILTERED = "filtered_ha"


def area_column(key: str) -> str:
    """Column of the area of a unit's fields of a size class, one of SIZE_KEYS, in ha."""
    return f"area_ha_{key}"


def confidence_column(number: int) -> str:
    """Column of the number of a unit's fields in a class of confidence, 0..9; the last holds a confidence of 1."""
    return f"confidence_{number}"


def cropland_of_units(blocks: Iterable[tuple[str, Mapping[str, object]]], units: Mapping[str, str]) -> pd.DataFrame:
    """Cropland within each unit that is in fields and in none.

    Parameters
    ----------
    blocks : name of each block and its sums, ha: those named ``IN_FIELDS`` and ``IN_NONE`` are of the block, and where units
        share it those of each unit follow under `stores.columns.unit_sum`; None counts as 0
    units : code of the unit that each block lies in, BORDER_CODE where units share it or one ends in it; a block that is missing is
        outside of all

    Returns
    -------
    table by code with IN_FIELDS and IN_NONE, ha pixel by pixel. What a shared block holds beyond its units is under OUTSIDE_CODE,
    which has a row in any case.
    """
    sums: dict[str, np.ndarray] = {OUTSIDE_CODE: np.zeros(2)}
    for name, values in blocks:
        # The sums of the block itself have no code.
        parts: dict[str, np.ndarray] = {}
        for key, area in values.items():
            code, what = parted_unit_sum(key)
            if what in (IN_FIELDS, IN_NONE):
                parts.setdefault(code, np.zeros(2))[int(what == IN_NONE)] = float(area or 0)  # type: ignore[arg-type]
        whole = parts.pop("")
        code = units.get(name, OUTSIDE_CODE)
        if code == BORDER_CODE:
            beyond = whole - sum(parts.values())
            # Sums over pixels and over units differ in their last digits.
            parts[OUTSIDE_CODE] = np.where(beyond > 1e-9 * whole, beyond, 0.0)
        else:
            parts = {code: whole}
        for code, part in parts.items():
            sums[code] = sums.get(code, np.zeros(2)) + part
    return pd.DataFrame.from_dict(sums, orient="index", columns=[IN_FIELDS, IN_NONE])


def unit_figures(
    adcode: str, name: str, fields: pd.DataFrame, within_ha: float = np.nan, filtered_ha: float = np.nan
) -> dict[str, object]:
    """One row of the table of units.

    Parameters
    ----------
    adcode, name : the unit
    fields : its fields, with area_ha and, where it is known, confidence (0..1, NaN where it is not known)
    within_ha : ground within the unit that belongs to fields, also to those of other units, pixel by pixel, ha; NaN where it is not
        known
    filtered_ha : cropland of the map within the unit that belongs to no field because filters took it, pixel by pixel, ha; NaN
        where it is not known. Together with ``within_ha`` it is the map's cropland of the unit

    Returns
    -------
    dict with adcode, name, fields (number), area_ha (their sum), median_ha (NaN without fields), under_mu (fields below 1/15 ha),
    area_ha_CLASS, mean_confidence (NaN where none is known), confidence_0..confidence_9 (fields by confidence), within_ha and
    filtered_ha.
    All but the names, the median and the mean add up over units.
    """
    area = fields[AREA].to_numpy(float)
    known = fields[CONFIDENCE].dropna().to_numpy(float) if CONFIDENCE in fields else np.empty(0)
    by_class = np.bincount(np.minimum((known * CLASSES).astype(np.int64), CLASSES - 1), minlength=CLASSES)
    by_size = np.bincount(size_class(area), area, len(SIZE_KEYS))
    return {
        "adcode": adcode,
        "name": name,
        COUNT: len(area),
        AREA: float(area.sum()),
        MEDIAN: float(np.median(area)) if len(area) else np.nan,
        UNDER_MU: int((area < MU_HA).sum()),
        **{area_column(key): float(ha) for key, ha in zip(SIZE_KEYS, by_size, strict=True)},
        MEAN_CONFIDENCE: float(known.mean()) if len(known) else np.nan,
        **{confidence_column(k): int(n) for k, n in enumerate(by_class)},
        WITHIN: within_ha,
        FILTERED: filtered_ha,
    }


def unit_table(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Rows of `unit_figures`, largest area of fields first, those of equal area by code."""
    return pd.DataFrame(rows).sort_values([AREA, "adcode"], ascending=[False, True], ignore_index=True)
