"""The sections on fields from hand-made tables: what is known is shown, what is not is a gap."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from croplayer.evaluation.field_objects import count_fields, field_figures
from croplayer.evaluation.field_units import unit_figures, unit_table
from croplayer.evaluation.reliability import reliability
from croplayer.report.field_pictures import DRAWN_COLOUR, FOUND_COLOUR, FieldView, field_figure, outlined
from croplayer.report.page import Gap, Picture, Report, Section, Table
from croplayer.report.sections_fields import MOST_BARS, field_quality_section, fields_section


def unit(
    code: str, areas: list[float], confidence: list[float] | None = None, filtered: float = np.nan
) -> dict[str, object]:
    fields = pd.DataFrame({"area_ha": areas})
    if confidence is not None:
        fields["confidence"] = confidence
    return unit_figures(code, f"Unit {code}", fields, float(np.sum(areas)), filtered)


def two_units(**more: object) -> pd.DataFrame:
    small = unit("01", [0.05, 0.06, 0.3, 0.39], [0.55, 0.05, np.nan, 1.0], 0.2)
    return unit_table([small, unit("02", [0.5, 2.0, 20.0], [0.9, 0.95, 0.7], 1.0)]).assign(**more)


def of_kind(section: Section, kind: type) -> list:
    return [part for part in section.parts if isinstance(part, kind)]


def words(section: Section) -> str:
    """The page without its pictures."""
    return re.sub(r"base64,[^\"]*", "", Report("t", [], [], [section]).to_html())


def test_a_unit_is_summed_up() -> None:
    row = two_units().set_index("adcode").loc["01"]
    assert (row.fields, row.under_mu, row.area_ha, row.median_ha) == (4, 2, pytest.approx(0.8), pytest.approx(0.18))
    assert [row[f"confidence_{k}"] for k in (0, 5, 9)] == [1, 1, 1] and row.mean_confidence == pytest.approx(1.6 / 3)
    large = two_units().set_index("adcode").loc["02"]
    sizes = ["under_0_5", "0_5_to_2", "2_to_5", "5_to_15", "from_15"]
    assert [large[f"area_ha_{key}"] for key in sizes] == [0, 0.5, 2, 0, 20], (
        "a field of exactly 2 ha is in the larger class"
    )
    empty = unit("03", [], [])
    assert (
        empty["fields"] == empty["area_ha"] == 0 and np.isnan(empty["median_ha"]) and np.isnan(empty["mean_confidence"])
    )


def test_fields_are_counted_and_told_by_unit() -> None:
    section = fields_section(two_units(), "province")
    text, (table,) = section.parts[0], of_kind(section, Table)
    assert text == (
        "7 fields with 23.3 ha; on average 3.33 ha. 28.6 % of them are smaller than 1 mu (1/15 ha). Filters took 1.2 ha of mapped "
        "cropland, 4.9 % of it, which belongs to no field."
    )
    assert [p.name for p in of_kind(section, Picture)] == ["field_sizes", "field_confidence"]
    assert table.header[:6] == ["province", "code", "fields", "area, ha", "median, ha", "under 1 mu"]
    assert list(table.rows[0][:6]) == ["Unit 02", "02", "3", "22.5", "2.00", "0.0 %"]
    assert list(table.rows[1][:7]) == ["Unit 01", "01", "4", "0.8", "0.18", "50.0 %", "100.0 %"]


def test_what_is_not_known_of_fields_is_not_shown_as_a_number() -> None:
    section = fields_section(unit_table([unit("01", [0.5, 3.0]), unit("02", [])]))
    assert [gap.text for gap in of_kind(section, Gap)] == ["Nothing tells how sure the fields are."]
    assert "Filters took" not in section.parts[0]
    html = words(section)
    assert "nan" not in html.lower() and "–" in html
    nothing = fields_section(unit_table([unit("01", [])]))
    assert list(nothing.parts) == [Gap("No field was found.")]
    assert list(fields_section(pd.DataFrame()).parts) == [Gap("No field was found.")]


def test_of_many_units_the_largest_are_shown() -> None:
    units = unit_table([unit(f"{k:02}", [k + 1.0]) for k in range(50)])
    section = fields_section(units)
    assert f"The {MOST_BARS} units with the most area are shown." in of_kind(section, Picture)[0].caption
    (table,) = of_kind(section, Table)
    assert len(table.rows) == 40 and "of 50" in table.caption and table.rows[0][1] == "49"


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Found and drawn fields of 0.01 to 8 ha."""
    rng = np.random.default_rng(seed)
    drawn = np.zeros((60, 60), int)
    for k in range(1, 9):
        top, left = divmod(k - 1, 3)
        drawn[2 + 19 * top :, 2 + 19 * left :][: rng.integers(2, 17), : rng.integers(2, 17)] = k
    return np.where(rng.random(drawn.shape) < 0.2, 0, drawn), drawn


def figures() -> pd.DataFrame:
    known, km2 = np.ones((60, 60), bool), np.full(60, 4e-4)
    return field_figures([count_fields(*scene(k), known, km2, (20.0, 20.0)) for k in range(5)])


def test_the_evaluation_has_intervals_by_size() -> None:
    table = figures()
    section = field_quality_section(table)
    (shown,) = of_kind(section, Table)
    assert shown.header[:3] == ["measure", "all", "under 0.5 ha"]
    f1 = table.query("measure == 'f1' and size == 'all'").iloc[0]
    rows = {row[0]: row for row in shown.rows}
    assert rows["F1 at IoU 0.5"][1] == f"{f1.value:.3f} [{f1.low:.2f}, {f1.high:.2f}]"
    assert (
        rows["drawn fields"][1]
        == f"{int(table.query('measure == @name and size == @all', local_dict={'name': 'drawn', 'all': 'all'}).value.iloc[0])}"
    )
    assert rows["F1 of the outlines"][2] == "" and rows["F1 at IoU 0.5"][-1] == "–", "no field has 15 ha"
    assert "nan" not in words(section).lower()


def test_confidence_is_told_beside_what_came_true() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.random(400)
    table = reliability(confidence, rng.random(400) < confidence)
    section = field_quality_section(figures(), table, [view(20)])
    assert [p.name for p in of_kind(section, Picture)] == ["field_quality", "field_reliability", "field_worst"]
    assert [p.name for p in of_kind(field_quality_section(figures(), table.head(0)), Picture)] == ["field_quality"]
    assert "expected calibration error" in of_kind(section, Picture)[1].caption


def test_without_drawn_fields_there_is_a_gap() -> None:
    assert [type(part) for part in field_quality_section(None).parts] == [Gap]


def view(size: int, title: str = "a <field>") -> FieldView:
    found, drawn = scene(2)
    return FieldView(np.full((size, size, 3), 90, np.uint8), found[:size, :size], drawn[:size, :size], title)


def test_outlines_are_drawn_over_the_imagery() -> None:
    drawn, found = np.zeros((2, 500, 500), int)
    drawn[100:200, 100:200], found[300:400, 300:400] = 1, 1
    picture = outlined(FieldView(np.full((500, 500, 3), 90, np.uint8), found, drawn, ""))
    colours = {tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in (DRAWN_COLOUR, FOUND_COLOUR)}
    seen, counts = np.unique(picture.reshape(-1, 3), axis=0, return_counts=True)
    assert dict(zip(map(tuple, seen.tolist()), counts.tolist(), strict=True)) == {
        (90, 90, 90): 250_000 - 2 * 784, **dict.fromkeys(colours, 396 + 388),
    }  # fmt: skip
    wide = FieldView(np.zeros((10, 40, 3), np.uint8), *np.zeros((2, 10, 40), int), "")
    assert outlined(wide).shape == (125, 500, 3), "a small view is enlarged, so that its outlines stay thin"
    with pytest.raises(ValueError, match="no field to draw"):
        field_figure([])
