"""Agreement, statistics and admin units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.segmentation import find_boundaries

from croplayer.evaluation.agreement import Agreement, count_agreement, edge_density
from croplayer.evaluation.provinces import count_within, unit_table
from croplayer.evaluation.statistics import match_statistics, read_statistics

masks = hnp.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(st.data())
def test_agreement_counts_merge_to_the_counts_of_the_whole(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(2, 12), st.integers(1, 12)))
    a, b, known = (data.draw(hnp.arrays(bool, shape)) for _ in range(3))
    whole = count_agreement(a, b, known)
    cut = data.draw(st.integers(1, shape[0] - 1))
    parts = [count_agreement(a[rows], b[rows], known[rows]) for rows in (slice(cut), slice(cut, None))]
    assert parts[0].merge(parts[1]) == whole
    assert sum(whole) == known.sum()
    union = ((a | b) & known).sum()
    assert np.isnan(whole.iou) if union == 0 else whole.iou == ((a & b) & known).sum() / union


@given(masks)
def test_edge_density_equals_skimage(mask: np.ndarray) -> None:
    assert edge_density(mask) == find_boundaries(mask, connectivity=1, mode="inner", background=0).mean()


def test_ratios_without_cropland_are_not_known() -> None:
    empty = Agreement(0, 0, 0, 10)
    assert np.isnan([empty.iou, empty.f1, empty.precision, empty.recall]).all()
    assert empty.overall_accuracy == 1


STATISTICS = (
    "adcode,iso,name_en,name_zh,cropland_kha,source,note\n110000,x,North,北,1.0,s,n\n120000,x,South,南,2.0,s,\n"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cropland_kha", "cropland", "no column 'cropland_kha'"),
        ("2.0", '"2,0"', r"row 3 \(adcode 120000\): cropland_kha is '2,0'"),
        ("2.0", "", r"row 3 \(adcode 120000\): cropland_kha is ''"),
        ("2.0", "-3", "expected 0 or more"),
        ("120000", "110000", "name adcode 110000 twice"),
    ],
)
def test_errors_in_statistics_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "statistics.csv"
    path.write_text(STATISTICS.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        read_statistics(path)
    assert "statistics.csv" in str(caught.value)


def test_a_unit_without_statistic_is_an_error_unless_declared(tmp_path: Path) -> None:
    path = tmp_path / "statistics.csv"
    path.write_text(STATISTICS, encoding="utf-8")
    units = pd.DataFrame({"adcode": ["120000", "810000"], "name_en": ["South", "Harbour"]})
    with pytest.raises(ValueError, match=r"no row for 810000 \(Harbour\)"):
        match_statistics(units, read_statistics(path), path)
    matched = match_statistics(units, read_statistics(path), path, ("810000",))
    assert matched.cropland_kha[0] == 2.0 and np.isnan(matched.cropland_kha[1])


def test_percent_of_the_statistic_only_for_units_mapped_as_a_whole() -> None:
    units = pd.DataFrame(
        {"adcode": ["a", "b", "c"], "name_en": list("ABC"), "name_zh": list("甲乙丙"), "land_km2": 100.0}
    )
    areas = pd.DataFrame({"land": [100.0, 40.0], "ours": [10.5, 9.0]}, index=["a", "b"])
    statistics = pd.DataFrame({"cropland_kha": [1.0, 1.0, 1.0], "note": ""})
    table = unit_table(units, areas, ["ours"], statistics, 0.1)
    assert table.ours_percent[0] == pytest.approx(105)
    assert table.ours_percent[1:].isna().all()
    assert count_within(table, "ours") == (1, 1)
    assert table.mapped_share.tolist() == [1.0, 0.4, 0.0]
