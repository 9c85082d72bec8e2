"""Names of columns and arrays, as the files of a run carry them."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.places import REPOSITORY

from croplayer.measures.agreement import Agreement, BoundaryAgreement
from stores import columns
from stores.columns import (
    AgreementColumns,
    BoundaryColumns,
    agreement_columns,
    boundary_columns,
    known_land,
    map_column,
    parted_unit_sum,
    status_column,
    step_of_status,
    unit_column,
    unit_sum,
)
from stores.cube import CUBE

NAMES = st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True).filter(lambda name: name != "known")
FORMED = re.compile(
    r"(tp|fp|fn|tn)_\{\}_\{\}"
    r"|(boundary_both|boundary_any|known|valid_fraction|coverage_type|area_km2|area_fraction|solidity_mean|euler_mean"
    r"|correctness|true_correctness|edge_density|adcode|status)_\{\}"
    r"|\{\}_(km2|known|percent|within|off|INTEGRATED|MERGE_BOTH|croplayer|merge_both)"
    r"|(\{\}:)?\{\}:known"
)
"""F-strings that form a name that stores.columns has a function for; a field is {}, a constant stands by its name."""


def test_columns_of_agreement_are_the_counts_in_their_order() -> None:
    assert agreement_columns("aster", "truth") == (
        "tp_aster_truth",
        "fp_aster_truth",
        "fn_aster_truth",
        "tn_aster_truth",
    )
    assert AgreementColumns._fields == Agreement._fields
    assert boundary_columns("merge_both") == ("boundary_both_merge_both", "boundary_any_merge_both")
    assert BoundaryColumns._fields == BoundaryAgreement._fields


def test_a_column_of_a_map_ends_in_the_map() -> None:
    assert map_column("known", "croplayer") == "known_croplayer"


def test_columns_of_units_and_steps() -> None:
    assert unit_column(2) == "adcode_2"
    assert status_column("assess") == "status_assess"
    assert step_of_status("status_assess") == "assess"
    assert step_of_status("known_croplayer") is None


@pytest.mark.parametrize(
    ("function", "column"),
    [
        ("mapped_column", "croplayer_km2"),
        ("known_share_column", "croplayer_known"),
        ("percent_column", "croplayer_percent"),
        ("within_column", "croplayer_within"),
        ("deviation_column", "croplayer_off"),
        ("known_land", "croplayer:known"),
    ],
)
def test_a_column_of_a_unit_table_begins_with_the_map(function: str, column: str) -> None:
    assert getattr(columns, function)("croplayer") == column


@given(adcode=st.text(), name=NAMES, is_known=st.booleans())
def test_a_sum_over_a_unit_is_named_and_parted_again(adcode: str, name: str, is_known: bool) -> None:
    part = known_land(name) if is_known else name
    assert parted_unit_sum(unit_sum(adcode, part)) == (adcode, part)


def test_the_code_of_a_unit_may_hold_colons() -> None:
    assert unit_sum("CN:11:known", "croplayer:known") == "CN:11:known:croplayer:known"
    assert parted_unit_sum("CN:11:known:croplayer:known") == ("CN:11:known", "croplayer:known")


def test_arrays_of_the_cube() -> None:
    names = [spec.name for spec in CUBE.arrays]
    assert names == [
        "rgb",
        "imagery_valid",
        "cropland_probability",
        "boundary_probability",
        "cropland",
        "croplayer",
        "correction",
        "field",
        "field_join",
    ]
    assert [spec.name for spec in CUBE.arrays if spec.is_optional] == [
        "boundary_probability",
        "correction",
        "field",
        "field_join",
    ]


def formed_by_hand(source: str) -> list[int]:
    """Lines of the f-strings that form a declared name."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.JoinedStr) and FORMED.fullmatch("".join(map(_part, node.values)))
    ]


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    assert isinstance(value, ast.FormattedValue)
    is_constant = isinstance(value.value, ast.Name) and value.value.id.isupper()
    return ast.unparse(value.value) if is_constant else "{}"


def test_names_formed_by_hand_are_found() -> None:
    for text in ('f"known_{n}"', 'f"{m}_percent"', 'f"{q}_{INTEGRATED}"', 'f"tp_{a}_{b}"', 'f"{a}:{b}:known"'):
        assert formed_by_hand(text) == [1], text
    assert not formed_by_hand('f"{known}", f"{name}_method", f"units_{level}.csv"')


def test_no_file_forms_a_declared_name_by_hand() -> None:
    by_hand = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for package in ("stores", "croplayer", "pipelines")
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        if path != REPOSITORY / "stores/columns.py"
        for line in formed_by_hand(path.read_text(encoding="utf-8"))
    ]
    assert not by_hand
