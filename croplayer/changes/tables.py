"""Tables of a comparison: change by admin unit, blocks, conversions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from croplayer.changes.blocks import NOT_FINISHED_AFTER, NOT_FINISHED_BEFORE
from croplayer.changes.editions import Edition
from croplayer.changes.steps import MODEL, PLAIN
from stores.change import CHANGE_BLOCKS, CHANGE_UNITS
from stores.columns import mapped_column, parted_unit_sum
from stores.grid import BlockIndex
from stores.records import BlockRecord

_KNOWN = ("stable_cropland", "stable_other", "gain", "loss")


def unit_table(
    compared: Iterable[BlockRecord], sieved: Iterable[BlockRecord], units: pd.DataFrame | None, is_remapped: bool
) -> pd.DataFrame:
    """Mapped areas by admin unit, with the columns of `stores.change.CHANGE_UNITS`; the first row is everything.

    Parameters
    ----------
    compared, sieved : records of the two steps, of which some values are sums by unit
    units : adcode and name_en of the units; None for none
    is_remapped : whether the earlier imagery was mapped again; without it the model's part is null
    """
    sums: dict[tuple[str, str], float] = {}
    for record in (*compared, *sieved):
        for key, value in record.values.items():
            if ":" in key and isinstance(value, float):
                place = parted_unit_sum(key)
                sums[place] = sums.get(place, 0.0) + value
    names = {"": ""} | ({} if units is None else dict(zip(units.adcode, units.name_en, strict=True)))
    rows = [_row(code, name, sums, is_remapped) for code, name in names.items()]
    return pd.DataFrame(rows, columns=list(CHANGE_UNITS))


def _row(code: str, name: str, sums: Mapping[tuple[str, str], float], is_remapped: bool) -> dict[str, object]:
    def km2(what: str) -> float:
        return sums.get((code, what), 0.0)

    row: dict[str, object] = {"adcode": code, "name_en": name}
    row |= {mapped_column(what): km2(what) for what in _KNOWN}
    row["known_km2"] = sum(km2(what) for what in _KNOWN)
    row["unknown_km2"] = km2("unknown") + km2("never_compared")
    for what in ("gain", "loss"):
        row[f"plain_{what}_km2"] = km2(PLAIN + what)
        row[f"model_{what}_km2"] = km2(MODEL + what) if is_remapped else np.nan
    return row


def block_table(compared: Iterable[BlockRecord], before: Edition, after: Edition) -> pd.DataFrame:
    """Every block of either edition, with the columns of `stores.change.CHANGE_BLOCKS`."""
    records = {record.block: record for record in compared}
    rows = []
    for block in sorted({*before.finished, *after.finished}):
        rows.append(_block_row(block, records.get(block), block in before.finished))
    return pd.DataFrame(rows, columns=list(CHANGE_BLOCKS))


def _block_row(block: BlockIndex, record: BlockRecord | None, in_before: bool) -> dict[str, object]:
    if record is None:
        reason = NOT_FINISHED_AFTER if in_before else NOT_FINISHED_BEFORE
        return {"block": block.name, "compared": False, "reason": reason}
    values = {name: value for name, value in record.values.items() if name in CHANGE_BLOCKS}
    numbers = {name: np.nan if values[name] is None else values[name] for name in values if name.startswith("shift")}
    return {"block": block.name, **values, **numbers, "compared": not values["reason"]}
