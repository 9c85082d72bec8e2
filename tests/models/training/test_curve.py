"""The picture of a curve says which steps it shows."""

from __future__ import annotations

import matplotlib.figure
import pytest

from croplayer.models.training.curve import curve_picture


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (range(1, 101), ("each step", "mean of 25 steps")),
        (range(1, 802, 20), ("one step in 20", "mean of 25 of these")),
        ([1, 2, 5, 40], ("4 of 40 steps", "mean of 4 of these")),
        ([1], ("each step", "mean of 1 steps")),
    ],
)
def test_the_legend_says_which_steps_there_are(steps, words, monkeypatch):
    figures = []
    plain = matplotlib.figure.Figure.__init__

    def kept(self, *args, **options):
        plain(self, *args, **options)
        figures.append(self)

    monkeypatch.setattr(matplotlib.figure.Figure, "__init__", kept)
    picture = curve_picture([{"step": step, "loss": 1 / step} for step in steps])
    assert picture.startswith(b"\x89PNG")
    (axes,) = figures[0].axes
    assert tuple(text.get_text() for text in axes.get_legend().get_texts()) == words
