"""Panels drawn on one pair of axes look like axes of their own."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from croplayer.report.panels import Panel, Sheet, norm_of, ticks_of
from croplayer.report.style import figure_style, png_bytes

PLACE, SIZE = Panel(0.6, 0.4, 2.0, 1.5, (115.1, 115.4, 34.9, 35.1)), (3.6, 2.3)
VIEWS = [(115.1, 115.3), (-0.03, 1.03), (0.0, 7.0), (-588.2, -141.0), (1e-9, 3.1e-8)]


def own_axes() -> tuple[Figure, Axes]:
    """The place as axes of their own."""
    figure = Figure(figsize=SIZE)
    ax = figure.add_axes((PLACE.x / SIZE[0], PLACE.y / SIZE[1], PLACE.width / SIZE[0], PLACE.height / SIZE[1]))
    ax.tick_params(labelsize=7)
    ax.set(xlim=PLACE.view[:2], ylim=PLACE.view[2:])
    return figure, ax


@pytest.mark.parametrize(("low", "high"), VIEWS)
@pytest.mark.parametrize("is_plain", [True, False])
def test_ticks_are_those_of_axes(low: float, high: float, is_plain: bool) -> None:
    with figure_style():
        figure, ax = own_axes()
        ax.set_xlim(low, high)
        ax.locator_params(axis="x", nbins=4)
        if is_plain:
            ax.ticklabel_format(axis="x", useOffset=False)
        figure.draw_without_rendering()
        shown = [(t.get_loc(), t.label1.get_text()) for t in ax.xaxis.get_major_ticks() if low <= t.get_loc() <= high]
        ticks = ticks_of(low, high, 4, is_plain)
        assert list(zip(ticks.values.tolist(), ticks.labels, strict=True)) == shown
        assert ticks.factor == ax.xaxis.get_offset_text().get_text()


def test_numbers_that_are_not_plain_share_a_factor() -> None:
    with figure_style():
        assert ticks_of(2e7, 8e7, 4).factor == "1e7" and ticks_of(2e7, 8e7, 4).labels[0] == "2"
        assert ticks_of(1e6, 1e6 + 3, 4, is_plain=False).factor == "+1e6"
        assert ticks_of(1e6, 1e6 + 3, 4).factor in ("", "1e6")


def test_a_panel_looks_like_axes_of_its_own() -> None:
    image = np.random.default_rng(0).random((6, 9))
    image[2, 3] = np.nan
    with figure_style():
        figure, own = own_axes()
        drawn = own.imshow(image, cmap="cividis", extent=PLACE.view, aspect="auto", interpolation="nearest")
        own.locator_params(nbins=4)
        own.set_title("title")
        bar = figure.colorbar(drawn, cax=own.inset_axes((1.03, 0, 0.16 / PLACE.width, 1)))
        bar.ax.tick_params(labelsize=7)
        bar.set_label("km²", fontsize=7)
        sheet = Sheet(*SIZE)
        shown = sheet.image(PLACE, image, cmap="cividis", norm=norm_of(image))
        view = PLACE.view
        sheet.frame(PLACE, ticks_of(*view[:2], 4), ticks_of(*view[2:], 4))
        sheet.title(PLACE, "title")
        sheet.colour_bar(PLACE, shown, "km²")
        expected, found = (imread(io.BytesIO(png_bytes(f))) for f in (figure, sheet.figure))
    assert expected.shape == found.shape
    unlike = np.abs(expected - found).max(axis=2) > 0.25
    assert unlike.mean() < 0.002


def test_one_value_is_in_the_middle_of_its_colours() -> None:
    norm = norm_of(np.array([np.nan, 3.0, 3.0]))
    assert norm(3.0) == pytest.approx(0.5)
    assert norm_of(np.array([1.0, np.inf, 4.0, np.nan]))(4.0) == 1


sizes = st.floats(0.1, 20)


@given(sizes, sizes, st.floats(0.05, 10))
def test_a_fitted_panel_is_the_largest_of_its_shape_in_the_middle(width: float, height: float, ratio: float) -> None:
    place = Panel(1, 2, width, height)
    panel = place.fitted(ratio)
    assert panel.height / panel.width == pytest.approx(ratio)
    assert panel.width == pytest.approx(width) or panel.height == pytest.approx(height)
    assert panel.width <= width * (1 + 1e-9) and panel.height <= height * (1 + 1e-9)
    assert panel.x + panel.right == pytest.approx(place.x + place.right)
    assert panel.y + panel.top == pytest.approx(place.y + place.top)


def test_values_lie_in_a_panel_and_in_a_part_of_it_at_the_same_place() -> None:
    part = PLACE.part(115.2, 115.3, 34.9, 35.0)
    assert part.view == (115.2, 115.3, 34.9, 35.0) and part.y == pytest.approx(PLACE.y)
    for values in ([115.2, 115.3], [115.25]):
        np.testing.assert_allclose(part.across(values), PLACE.across(values))
    np.testing.assert_allclose(part.up([34.9, 35.0]), PLACE.up([34.9, 35.0]))
    assert PLACE.across(115.1) == pytest.approx(PLACE.x) and PLACE.across(115.4) == pytest.approx(PLACE.right)
