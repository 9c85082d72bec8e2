"""Names of columns and arrays, as the files of a run carry them."""

from __future__ import annotations

from croplayer.measures.agreement import Agreement, BoundaryAgreement
from stores.columns import AgreementColumns, BoundaryColumns, agreement_columns, boundary_columns, map_column
from stores.cube import CUBE


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


def test_arrays_of_the_cube() -> None:
    names = [spec.name for spec in CUBE.arrays]
    assert names == ["rgb", "imagery_valid", "cropland_probability", "cropland", "croplayer"]
