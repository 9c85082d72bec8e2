"""Figures draw names as they are."""

from __future__ import annotations

from matplotlib.figure import Figure

from croplayer.report.style import figure_style, png_bytes


def test_two_dollar_signs_in_a_name_are_no_formula() -> None:
    with figure_style():
        figure = Figure()
        text = figure.text(0, 0, r"cost $\nosuch{$ of A")
        assert png_bytes(figure).startswith(b"\x89PNG")
        assert text.get_parse_math() is False
