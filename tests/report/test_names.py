"""Figures draw names as they are, and none of them leaves its figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from croplayer.report.charts import (
    Bar,
    bar_figure,
    bar_panels,
    fraction_figure,
    interval_figure,
    paired_figure,
    share_figure,
    slope_figure,
    unit_heatmap,
)
from croplayer.report.maps import class_figure, value_figure
from croplayer.report.names import shortened, wrapped
from croplayer.report.style import figure_style, png_bytes


def test_two_dollar_signs_in_a_name_are_no_formula() -> None:
    with figure_style():
        figure = Figure()
        text = figure.text(0, 0, r"cost $\nosuch{$ of A")
        assert png_bytes(figure).startswith(b"\x89PNG")
        assert text.get_parse_math() is False


WORD, WORDS = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", "a product with a very long name " * 4
NAMES = [WORD, WORDS, "新疆维吾尔自治区伊犁哈萨克自治州察布查尔锡伯自治县" * 2]


def drawn_with_long_names() -> dict[str, Figure]:
    titles = dict(zip("abc", NAMES, strict=True))
    colours = dict(zip("abc", ("#0072b2", "#d55e00", "#009e73"), strict=True))
    bars = [Bar(name, 0.5, "#0072b2", 0.4, 0.6) for name in NAMES]
    units = pd.DataFrame({"name_en": NAMES, "label": NAMES, "statistic_km2": [3.0, 2.0, 1.0]})
    for name in "abc":
        units[f"{name}_percent"], units[f"{name}_km2"] = [90.0, 120.0, 30.0], [1.0, 2.0, 3.0]
    units = units.assign(mapped_km2=1.0, estimate_km2=1.2, low_km2=1.0, high_km2=1.4)
    slopes = pd.DataFrame(
        [
            {"product": p, "slope_from_deg": s, "slope_to_deg": s + 2, "blocks": 5, "deviation": 0.1}
            for p in "abc"
            for s in (0, 2)
        ]
    )
    row, col = (a.ravel() for a in np.meshgrid(np.arange(4) + 1100, np.arange(6) + 5900, indexing="ij"))
    blocks = pd.DataFrame({"row": row, "col": col, "label": "x"})
    for i, name in enumerate("abc"):
        blocks[f"area_fraction_{name}"] = np.linspace(0, 1, len(blocks)) ** (i + 1)
    columns = {f"area_fraction_{name}": title for name, title in titles.items()}
    heatmap = unit_heatmap(units, list("abc"), titles, 0.1)
    assert heatmap is not None
    return {
        "bars": bar_figure(bars, "IoU"),
        "panels": bar_panels(dict.fromkeys((WORD, "IoU"), bars), [("pixels", 2)]),
        "heatmap": heatmap,
        "slopes": slope_figure(slopes, titles, colours),
        "intervals": interval_figure(units),
        "pairs": paired_figure(units, ["b", "c"], titles, colours, "a"),
        "shares": share_figure(pd.DataFrame({"x": [0.4, 0.5, 0.1]}, index=NAMES), {"x": "#0072b2"}),
        "fractions": fraction_figure(blocks, "a", {"b": NAMES[1], "c": NAMES[0]}, colours),
        "values": value_figure(blocks, columns, {}),
        "classes": class_figure(blocks, {"label": WORDS}, {"x": "#0072b2"}),
    }


@pytest.mark.filterwarnings("ignore:Glyph")
def test_no_name_leaves_its_figure() -> None:
    for kind, figure in drawn_with_long_names().items():
        png_bytes(figure)  # lays it out
        renderer = FigureCanvasAgg(figure).get_renderer()
        width, height = figure.bbox.width, figure.bbox.height
        found = figure.findobj(match=lambda artist: hasattr(artist, "get_text") and artist.get_visible())
        # Ticks beyond the axes are texts, too, but not drawn.
        texts = [text for text in found if any(letter.isalpha() for letter in text.get_text())]
        assert any("…" in text.get_text() or "\n" in text.get_text() for text in texts), kind
        for text in texts:
            box = text.get_window_extent(renderer)
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            assert inside, (kind, text.get_text(), box, (width, height))


def test_long_names_are_broken_and_shortened() -> None:
    assert wrapped("cropland of both merged", 13) == "cropland of\nboth merged"
    assert wrapped(WORD, 10).split("\n") == ["Llanfairpw", "llgwyngyll", "gogerychw…"]
    assert wrapped("") == "" and shortened("short") == "short"
    assert len(shortened(WORDS, 20)) <= 20 and shortened(WORDS, 20).endswith("…")
