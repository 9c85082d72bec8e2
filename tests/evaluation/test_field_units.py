"""Cropland of units in fields and in none: what a block holds goes to the unit it lies in, or to the units that share it."""

from __future__ import annotations

import pandas as pd

from croplayer.evaluation.field_units import cropland_of_units
from croplayer.vector.boundaries import BORDER_CODE, OUTSIDE_CODE
from stores.columns import unit_sum
from stores.field_columns import IN_FIELDS, IN_NONE

SHARED = {
    IN_FIELDS: 10.0, IN_NONE: 3.0, "field_pieces": 7,
    unit_sum("CN:1", IN_FIELDS): 6.0, unit_sum("CN:1", IN_NONE): 1.0,
    unit_sum("CN:2", IN_FIELDS): 3.0, unit_sum("CN:2", IN_NONE): 2.0,
}  # fmt: skip


def rows(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    return {code: (row[IN_FIELDS], row[IN_NONE]) for code, row in table.iterrows()}


def test_blocks_are_shared_out_among_units_and_what_is_beyond_them_is_outside() -> None:
    whole = {IN_FIELDS: 5.0, IN_NONE: None}
    blocks = [("inside", whole), ("shared", SHARED), ("outside", {IN_FIELDS: 0.5, IN_NONE: 0.25})]
    units = {"inside": "CN:1", "shared": BORDER_CODE, "outside": OUTSIDE_CODE}
    found = rows(cropland_of_units(blocks, units))
    assert found == {OUTSIDE_CODE: (1.5, 0.25), "CN:1": (11.0, 1.0), "CN:2": (3.0, 2.0)}
    assert sum(a + b for a, b in found.values()) == 5 + 13 + 0.75


def test_last_digits_of_sums_are_no_cropland_outside() -> None:
    parts = {unit_sum("1", IN_FIELDS): 0.1, unit_sum("2", IN_FIELDS): 0.2, unit_sum("1", IN_NONE): 0.0}
    found = rows(cropland_of_units([("b", {IN_FIELDS: 0.1 + 0.2 + 1e-16, IN_NONE: 0.0} | parts)], {"b": BORDER_CODE}))
    assert found[OUTSIDE_CODE] == (0.0, 0.0)


def test_without_units_all_of_it_is_under_one_code() -> None:
    blocks = [("a", {IN_FIELDS: 1.0, IN_NONE: 2.0}), ("b", {IN_FIELDS: 4.0, IN_NONE: 0.0})]
    assert rows(cropland_of_units(blocks, {})) == {OUTSIDE_CODE: (5.0, 2.0)}
    assert rows(cropland_of_units([], {})) == {OUTSIDE_CODE: (0.0, 0.0)}
