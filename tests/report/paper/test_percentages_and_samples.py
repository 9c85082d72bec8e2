"""Percentages of the statistic over the units, labelled blocks and their density (paper Figs. 3, 8, 12 and 16)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from croplayer.report.page import Gap, Picture
from croplayer.report.paper.evidence import NEGATIVE, POSITIVE, Evidence
from croplayer.report.paper.percentages import Box, distribution_parts, percentage_parts
from croplayer.report.paper.samples import density_parts, labelled_parts, sampling_density


def only(parts: object) -> Picture | Gap:
    (part,) = parts  # type: ignore[misc]
    assert isinstance(part, Picture | Gap)
    return part


def test_a_box_is_that_of_the_textbook() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    assert Box.of(values) == Box(1.0, 2.0, 3.0, 4.0, 4.0)
    assert Box.of(np.array([7.0])) == Box(7.0, 7.0, 7.0, 7.0, 7.0)


def test_all_maps_and_products_have_a_box_with_the_band(evidence: Evidence) -> None:
    picture = only(distribution_parts(evidence))
    assert isinstance(picture, Picture)
    ax = picture.figure.axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == [
        "a",
        "b",
        "both merged",
        "integrated map",
        "ESA map",
        "Esri map",
    ]
    band, *boxes = ax.patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((90, 110))  # type: ignore[attr-defined]
    ends = [(box.get_x(), box.get_x() + box.get_width()) for box in boxes]  # type: ignore[attr-defined]
    assert ends[1] == pytest.approx((92.5, 117.5))  # quartiles of 80 and 130
    assert "the largest is 400 %" in picture.caption and "90 to 110 %" in picture.caption
    points = [line.get_xdata() for line in ax.lines if line.get_marker() == "o"]
    assert [len(p) for p in points] == [2, 2, 2, 2, 2, 1]  # Esri's map knows no percentage of East
    assert max(points[4]) == 250  # drawn at the edge


def test_percentages_are_those_of_all_scenarios(evidence: Evidence) -> None:
    picture = only(percentage_parts(evidence))
    assert isinstance(picture, Picture)
    texts = [t.get_text() for t in picture.figure.axes[0].texts]
    assert texts == ["100", "80", "110", "95", "200", "50", "105", "130", "140", "102", "400", "not known"]
    other = only(percentage_parts(replace(evidence, level=2)))
    assert isinstance(other, Picture) and "level-2 units are sorted" in other.caption


def test_without_a_statistic_the_sentence_names_the_way_to_one(evidence: Evidence, bare: Evidence) -> None:
    assert evidence.units is not None
    counties = replace(evidence, level=2, units=evidence.units.drop(columns="statistic_km2"))
    for parts in (percentage_parts, distribution_parts):
        gap = only(parts(counties))
        assert isinstance(gap, Gap) and "--statistics" in gap.text
        assert "[statistics]" in only(parts(replace(counties, level=1))).text  # type: ignore[union-attr]
        assert "[[admin]]" in only(parts(bare)).text  # type: ignore[union-attr]


def test_the_density_is_sampled_blocks_over_all_blocks_of_the_unit(evidence: Evidence) -> None:
    table = sampling_density(pd.Series(["N", "N", "N", "S", None]), [True, False, False, False, True])
    assert table.to_dict("list") == {
        "unit": ["N", "S"], "blocks": [3, 1], "sampled": [1, 0], "percent": [pytest.approx(100 / 3), 0.0],
    }  # fmt: skip
    labels = np.array([POSITIVE, NEGATIVE, None, None, POSITIVE, None, None, None], dtype=object)
    picture = only(density_parts(replace(evidence, labels=labels)))
    assert isinstance(picture, Picture)
    ax = picture.figure.axes[0]
    assert [bar.get_width() for bar in ax.patches] == [75.0, 0.0]  # type: ignore[attr-defined]
    assert [t.get_text() for t in ax.texts] == ["75 % (3 of 4)", "0 % (0 of 4)"]
    assert ax.lines[-1].get_xdata()[0] == pytest.approx(37.5)  # type: ignore[index]
    mapped = only(labelled_parts(replace(evidence, labels=labels)))
    assert isinstance(mapped, Picture)
    assert mapped.caption.startswith("Of 8 blocks, people drew cropland in 2 and found none in 1.")


def test_without_labels_the_sentence_names_the_command(evidence: Evidence) -> None:
    for parts in (labelled_parts, density_parts):
        assert "croplayer label init" in only(parts(evidence)).text  # type: ignore[union-attr]
        nothing = replace(evidence, labels=np.full(8, None, dtype=object))
        assert "No task" in only(parts(nothing)).text  # type: ignore[union-attr]
