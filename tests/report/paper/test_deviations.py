"""Deviations of the products from our map: values, maps and histograms (paper Figs. 14 and 15)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from croplayer.report.page import Gap, Picture
from croplayer.report.paper.deviations import (
    DEVIATION_EDGES,
    deviation_figure,
    deviation_parts,
    deviations_of,
    histogram,
    slope_edges,
    slope_parts,
)
from croplayer.report.paper.evidence import Evidence


def test_the_deviation_is_that_of_the_product_from_ours(evidence: Evidence) -> None:
    found = deviations_of(evidence)
    assert list(found) == ["esa", "esri"]  # IoU 0.5 both, in the order of the recipe
    has_cropland = evidence.results.blocks.area_fraction_croplayer > 0
    for name, expected in (("esa", 1.0), ("esri", -0.5)):
        for measure in ("area_fraction", "edge_density"):
            values = found[name][measure]
            assert values[has_cropland].to_numpy() == pytest.approx(expected)
            assert values[~has_cropland].isna().all()  # (product - 0) / 0 is not known


def test_maps_show_measures_below_each_other_in_red_above_and_blue_below(evidence: Evidence) -> None:
    (picture,) = deviation_parts(evidence)
    assert isinstance(picture, Picture)
    images = [i for i in picture.figure.axes[0].images if i.get_array().shape == (2, 4)]  # type: ignore[union-attr]
    assert [np.nanmax(np.asarray(i.get_array(), float)) for i in images] == [100, -50, 100, -50]
    red, blue = (i.cmap(i.norm(value)) for i, value in ((images[0], 80), (images[0], -80)))
    assert red[0] > red[2] and blue[2] > blue[0]
    assert images[0].get_clim() == (-100, 100)


def test_histograms_count_blocks_with_more_than_a_tenth_of_cropland(evidence: Evidence) -> None:
    (picture,) = slope_parts(evidence)
    assert isinstance(picture, Picture)
    shape = (len(DEVIATION_EDGES) - 1, 20)
    counts = [
        np.asarray(i.get_array().filled(np.nan), float)
        for i in picture.figure.axes[0].images
        if i.get_array().shape == shape
    ]  # type: ignore[union-attr]
    # 40, 20, 30, 40 and 20 of 100 pixels are more than a tenth; 10, 4 and 0 are not.
    assert [np.nansum(c) for c in counts] == [5] * 4
    top_to_bottom = [DEVIATION_EDGES[::-1][np.flatnonzero(np.nansum(c, axis=1))[0]] for c in counts]
    assert top_to_bottom == [110, -40, 110, -40]  # upper edges of the bins of 100 % and -50 %


def test_a_block_is_counted_in_the_bin_of_its_slope_and_deviation() -> None:
    edges = slope_edges(17.0)
    assert edges[-1] == 20 and len(edges) == 21
    counts = histogram(np.array([0.0, 19.9, 20.0]), np.array([-100.0, 5.0, 999.0]), edges)
    assert counts.sum() == 3 and counts[-1, 0] == 1 and counts[0, -1] == 1
    assert counts[DEVIATION_EDGES[::-1][1:].tolist().index(0.0), -1] == 1


def test_what_is_missing_is_said_with_the_key_that_gives_it(evidence: Evidence, bare: Evidence) -> None:
    no_terrain = replace(
        evidence, results=replace(evidence.results, blocks=evidence.results.blocks.drop(columns="slope_deg"))
    )
    (gap,) = slope_parts(no_terrain)
    assert isinstance(gap, Gap) and "[terrain]" in gap.text
    no_products = replace(evidence, results=replace(evidence.results, tables={}))
    (gap,) = deviation_parts(no_products)
    assert isinstance(gap, Gap) and "[[products]]" in gap.text
    (gap,) = deviation_parts(bare)
    assert isinstance(gap, Gap) and "[[sources]]" in gap.text


def test_one_product_has_one_column(evidence: Evidence) -> None:
    found = deviations_of(evidence)["esa"]
    columns = {(measure, "esa"): 100 * found[measure] for measure in ("area_fraction", "edge_density")}
    figure = deviation_figure(evidence.results.blocks, columns, {})
    panels = [i.get_extent() for i in figure.axes[0].images if i.get_array().shape == (2, 4)]  # type: ignore[union-attr]
    assert panels[0][:2] == pytest.approx(panels[1][:2]) and panels[0][2] > panels[1][3]
