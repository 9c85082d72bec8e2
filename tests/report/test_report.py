"""The report from made-up tables: what is there is shown, what is not is a gap that says so."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from croplayer.report.answers import answers, cautions, steps
from croplayer.report.charts import Bar, bar_figure, bar_panels
from croplayer.report.page import Column, Gap, Picture, Report, Section, Table, column_cells, table_of
from croplayer.report.sections_dates import age_section, with_times
from croplayer.report.sections_decisions import correctness_section, integration_section, sample_section
from croplayer.report.sections_map import area_section
from croplayer.report.sections_products import products_section
from croplayer.report.sections_proof import levels_section, recovered_section, statistics_section
from croplayer.report.tables import ReportTables
from stores.legends import INTEGRATED, MERGE_BOTH


def made_up_blocks(seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 12
    table = pd.DataFrame({"block": [f"r{r:04d}c5900" for r in range(n)], "row": range(n), "col": 5900})
    for name in ("a", "b", MERGE_BOTH, INTEGRATED):
        table[f"area_km2_{name}"] = rng.uniform(1, 20, n)
        table[f"area_fraction_{name}"] = rng.uniform(0, 1, n)
        table[f"solidity_mean_{name}"] = rng.uniform(0.8, 1, n)
        table[f"euler_mean_{name}"] = rng.uniform(-2, 1, n)
    for source in ("a", "b"):
        table[f"correctness_{source}"] = rng.choice(["TP", "TN", "Noise"], n)
    table["integration"] = rng.integers(0, 4, n)
    table["integration_label"] = table.integration.map({0: "Neither", 1: "Only A", 2: "Only B", 3: "Merge both"})
    table["override"] = ""
    return table


def results(**changes: object) -> ReportTables:
    """A run with two sources and nothing to prove it."""
    method = pd.DataFrame([{"method": "rules (no reviewed samples)", "accuracy": np.nan}])
    levels = pd.DataFrame(
        {"map": ["a", "b", MERGE_BOTH, INTEGRATED], "correct_share": [0.5, 0.6, 0.4, 0.75], "correct_blocks": 12,
         "correct_design_effect": 2.0, "solidity_mean": 0.9, "euler_mean": -1.0}
    )  # fmt: skip
    given: dict[str, object] = {
        "sources": ("a", "b"), "products": (), "product_titles": {}, "reference": None, "blocks": made_up_blocks(),
        "tables": {"correctness_method": method, "integration_method": method, "levels": levels},
        "classes": ("TP", "TN", "FP", "Noise", "Artifacts"), "correct": ("TP", "TN"),
    }  # fmt: skip
    return ReportTables(**(given | changes))  # type: ignore[arg-type]


def gaps(section: Section) -> list[Gap]:
    return [part for part in section.parts if isinstance(part, Gap)]


def test_what_a_run_has_not_is_a_gap() -> None:
    run = results()
    sections = [statistics_section(run), products_section(run, []), integration_section(run), levels_section(run)]
    wanted = ["No statistics of provinces", "No other product", "nor which features tell most", "No reference parcels"]
    for words, section in zip(wanted, sections, strict=True):
        assert any(words in gap.text for gap in gaps(section)), words
    assert recovered_section(run) is None and sample_section(run) is None
    html = re.sub(r"base64,[^\"]*", "", Report("t", [], [], sections).to_html())
    assert "nan" not in html.lower()
    # The figures and tables of the paper, with their numbers, are those of the appendix.
    assert not re.search(r"Fig\. ?\d|Table \d|paper", html)


def test_the_first_screen_says_what_is_not_known() -> None:
    run = results()
    found = {answer.question: answer.value for answer in answers(run)}
    unknown = ("Accuracy of the pixels", "True area of cropland", "Agreement with the statistics")
    assert [found[question] for question in unknown] == ["not known"] * 3
    assert found["Blocks with a map"] == "12 of 12"
    assert any("have no interval" in line for line in cautions(run))
    assert any("croplayer area draw" in line for line in steps(run))
    # Rules decide, and nobody reviewed a block.
    judged = "The masks were judged and the source of each block was chosen by rules (no reviewed samples)."
    assert f"{judged} What is called correct is therefore what the rules assume." in cautions(run)
    assert any("croplayer judge sample" in line for line in steps(run))
    assert any("from when the imagery is" in line for line in cautions(run)) and any("`taken`" in s for s in steps(run))
    method = pd.DataFrame(
        [{"method": "rules (XGBoost on 4 samples reviewed by Li is not shown to be better: 75.0 %)", "accuracy": None}]
    )
    few = results(blocks=made_up_blocks().assign(correctness_reviewed_a=["TP"] * 4 + [None] * 8),
                  tables={f"{name}_method": method for name in ("correctness", "integration")})  # fmt: skip
    assert any(
        "chosen by rules, because the reviews show no classifier to be better." in line for line in cautions(few)
    )
    assert any(line.startswith("Review more blocks") for line in steps(few))
    dated = results(blocks=made_up_blocks().assign(taken_from_a=pd.Timestamp("2020-06-01", tz="UTC")))
    assert not any("from when" in line for line in cautions(dated)) and not any("`taken`" in s for s in steps(dated))


def test_the_first_screen_says_how_much_of_the_ground_is_known() -> None:
    """Blocks reach beyond imagery, so all of them may have a map that knows a part of their ground only."""
    levels = results().tables["levels"]
    notes = []
    for known in (0.242, 0.99, 1.0, np.nan):
        found = answers(results(tables={"levels": levels.assign(known=known)}))
        notes += [answer.note for answer in found if answer.question == "Blocks with a map"]
    assert notes == [
        "each has some map; of the ground of all blocks the map knows 24.2 %",
        "each has some map; of the ground of all blocks the map knows 99.0 %",
        "all of the region",
        "all of the region",
    ]


def test_a_second_name_has_a_column_where_a_unit_has_one() -> None:
    units = pd.DataFrame({"adcode": ["1", "2"], "name_en": ["North", "South"], "name_zh": ["", None], "land_km2": 1.0})
    for table, wanted in ((units, False), (units.assign(name_zh=["", "南"]), True)):
        (areas,) = (part for part in area_section(results(units={1: table})).parts if isinstance(part, Table))
        assert ("名称" in areas.header) == wanted


def test_what_the_first_screen_says_stands_in_no_chapter_again() -> None:
    run = results()
    sections = [area_section(run), levels_section(run), statistics_section(run), correctness_section(run)]
    texts = [part.text if isinstance(part, Gap) else str(part) for section in sections for part in section.parts]
    first = {sentence for line in (*cautions(run), *steps(run)) for sentence in line.split(". ")}
    assert not first & {sentence for text in texts for sentence in text.split(". ")}
    assert not any("croplayer area draw" in text or "croplayer judge sample" in text for text in texts)
    assert sum("no block of this run was reviewed" in text for text in texts) == 1


def test_the_first_screen_counts_what_has_no_map_and_looks_foreign() -> None:
    blocks = made_up_blocks()
    blocks.loc[0, "area_km2_croplayer"] = np.nan
    blocks["no_usable_imagery"] = pd.Series([None, True] + [False] * 10, dtype=object)
    blocks["familiarity_a"] = [0.01, 0.04, 0.05, np.nan] + [0.5] * 8
    run = results(blocks=blocks)
    assert {a.question: a.value for a in answers(run)}["Blocks with a map"] == "10 of 12"
    assert any(line.startswith("2 of 12 blocks have no map") for line in cautions(run))
    blocks["area_km2_croplayer"] = np.nan
    assert answers(results(blocks=blocks))[0].value == "not known"  # not 0 km²
    assert any(line.startswith("In 2 of 11 blocks the imagery of a looks") for line in cautions(run))


def test_the_first_screen_says_when_pixels_or_years_do_not_fit() -> None:
    assert not any("learned from pixels" in line or "statistics are of" in line for line in cautions(results()))
    strange = "the model 'm' learned from pixels of 2 to 4 m, but the finest imagery has pixels of 10 m"
    (line,) = [line for line in cautions(results(strange_pixels=strange)) if "learned from pixels" in line]
    assert line == f"T{strange[1:]}, so what is known of its accuracy says nothing about this map."
    for edition, is_apart in (
        ("2020", True),
        ("2020-summer", True),
        ("2019", False),
        ("2018-2019", False),
        ("first", False),
    ):
        run = results(edition=edition, statistics_year=2019)
        assert any(f"are of 2019 and the map is of {edition}," in line for line in cautions(run)) == is_apart
    assert not any("are of" in line for line in cautions(results(edition="2020")))


def test_the_first_screen_names_the_province_that_deviates_most() -> None:
    units = pd.DataFrame(
        {"adcode": ["1", "2"], "name_en": ["North", "South"], "name_zh": "", "croplayer_percent": [104.0, 70.0],
         "croplayer_within": pd.array([True, False], dtype="boolean")}
    )  # fmt: skip
    run = results(units={1: units}, within=0.1)
    assert any(line.startswith("Look at South first: its mapped area is 70 %") for line in steps(run))
    assert not any("Look at" in line for line in steps(results(units={1: units}, within=0.4)))


def test_provinces_within_the_limit_are_counted_with_their_interval() -> None:
    units = pd.DataFrame(
        {"adcode": list("12345"), "name_en": list("ABCDE"), "name_zh": "", "land_km2": 10.0, "in_run": 1.0,
         "statistic_km2": 5.0, "statistic_note": ""}
    )  # fmt: skip
    for name in ("a", "b", MERGE_BOTH, INTEGRATED):
        units[f"{name}_percent"] = [95.0, 104.0, 130.0, 60.0, np.nan]
        units[f"{name}_within"] = pd.array([True, True, False, False, None], dtype="boolean")
        units[f"{name}_km2"] = 5.0
    section = statistics_section(results(units={1: units}, within=0.1, stopped_training=True))
    rows = next(p for p in section.parts if isinstance(p, Table) and "Wilson" in p.caption).rows
    assert list(rows[-1]) == ["integrated map", "2 of 4 (50 %)", "15 to 85 %"]
    assert any("leave one province out" in gap.text for gap in gaps(section))
    assert any(isinstance(p, Picture) and p.name == "statistics" for p in section.parts)


@pytest.mark.parametrize(
    "reviewer", ["people", "the reference 'truth' (labels computed from it, not seen by a person)"]
)
def test_the_report_says_once_who_reviewed_blocks(reviewer: str) -> None:
    method = pd.DataFrame([{"method": f"XGBoost on 24 samples reviewed by {reviewer}", "accuracy": 0.9}])
    run = results(
        blocks=made_up_blocks().assign(correctness_reviewed_a=["TP"] * 5 + [None] * 7),
        tables={"correctness_method": method},
    )
    section = sample_section(run)
    assert section is not None
    picture = section.parts[0]
    assert isinstance(picture, Picture)
    assert picture.caption.startswith("5 of 12 blocks have a review.")
    words = f"Correctness was decided by XGBoost on 24 samples reviewed by {reviewer}."
    texts = [picture.caption, *(part for part in correctness_section(run).parts if isinstance(part, str))]
    assert sum(words in text for text in texts) == 1


@pytest.mark.parametrize(("counted", "words"), [(310.0, "9% more"), (250.0, "12% less"), (290.0, "")])
def test_the_first_screen_says_where_the_count_lies_beyond_the_interval(counted: float, words: str) -> None:
    areas = pd.DataFrame(
        [{"adcode": "", "mapped_km2": counted, "estimate_km2": 284.2, "low_km2": 273.8, "high_km2": 294.6}]
    )
    lines = [line for line in cautions(results(tables={"sample_areas": areas})) if line.startswith("The map counts")]
    assert [words in line.replace(" %", "%") for line in lines] == ([True] if words else [])
    unsure = areas.assign(low_km2=np.nan, high_km2=np.nan)
    assert not any("The map counts" in line for line in cautions(results(tables={"sample_areas": unsure})))


def quality_tables(square_blocks: int, beside: float) -> dict[str, pd.DataFrame]:
    """Held-out quality of a classifier of correctness under both splits."""
    accuracy = pd.DataFrame(
        {"split": ["stratified", "spatial"], "samples": 40, "accuracy": [0.9, 0.8], "accuracy_low": 0.7, "accuracy_high": 0.95,
         "square_blocks": [0, square_blocks], "beside_share": [1.0, beside], "commonest_share": 0.5, "brier": 0.2,
         "calibration_error": 0.1}
    )  # fmt: skip
    confusion = pd.DataFrame(
        {"split": ["stratified", "spatial"], "reviewed": "TP", "predicted": "TP", "samples": [36, 32]}
    )
    calibration = pd.DataFrame(
        {"split": ["stratified", "spatial"], "confidence_from": 0.8, "confidence_to": 0.9, "samples": 40,
         "confidence": 0.85, "accuracy": [0.9, 0.8]}
    )  # fmt: skip
    return {
        "correctness_accuracy": accuracy,
        "correctness_confusion": confusion,
        "correctness_calibration": calibration,
    }


def quality_of(square_blocks: int, beside: float) -> list[Table]:
    run = results()
    section = correctness_section(results(tables={**run.tables, **quality_tables(square_blocks, beside)}))
    return [part for part in section.parts if isinstance(part, Table)]


def test_by_place_is_the_figure_for_new_land_only_where_it_lay_apart() -> None:
    apart, near = quality_of(5, 0.43)[0], quality_of(1, 1.0)[0]
    assert "Squares of 5 x 5 blocks were held out whole; 43 % of their samples lie next to" in apart.caption
    assert "by squares is the better estimate" in apart.caption
    assert "Squares of 1 x 1 blocks were held out whole; 100 % of their samples lie next to" in near.caption
    assert "neither accuracy" in near.caption and "better estimate" not in near.caption
    edge, beside = apart.header.index("edge of the squares, blocks"), apart.header.index("next to training blocks")
    assert [(row[edge], row[beside]) for row in apart.rows] == [("–", "100.0 %"), ("5", "43.0 %")]


def test_calibration_is_that_of_the_split_which_reviewed_blocks_get_their_confidence_from() -> None:
    table = quality_of(5, 0.43)[-1]
    assert table.caption.startswith("Calibration on held-out reviews (a fifth of the squares of land)")
    assert [row[table.header.index("correct")] for row in table.rows] == ["80.0 %"]


def test_shares_of_blocks_take_squares_of_land_as_clusters() -> None:
    """All sources are right in one half of the land and wrong in the other: 16 squares, not 800 masks."""
    row, col = (a.ravel() for a in np.meshgrid(np.arange(20) + 1100, np.arange(20) + 5900, indexing="ij"))
    blocks = pd.DataFrame({"block": [f"r{r}c{c}" for r, c in zip(row, col, strict=True)], "row": row, "col": col})
    good = col < 5915
    for name in ("a", "b"):
        blocks[f"correctness_{name}"] = np.where(good, "TP", "FP")
    blocks["integration_label"] = np.where(good, "Only A", "Only B")
    evaluated = blocks[["block", "row", "col"]].assign(best_integration="Only A")
    for name in ("a", "b", INTEGRATED):
        evaluated[f"true_correctness_{name}"] = "TP"
    agreement = pd.DataFrame({"map": [INTEGRATED], "against": "t", "iou": 0.8})
    for name in (INTEGRATED, "a", "b", MERGE_BOTH):
        blocks = blocks.assign(**{f"tp_{name}_t": 5 + row % 3, f"fp_{name}_t": 1, f"fn_{name}_t": 1, f"tn_{name}_t": 3})
    section = recovered_section(
        results(
            reference="t", product_titles={"t": "the truth"}, blocks=blocks,
            tables={"evaluated_blocks": evaluated, "agreement": agreement},
        )
    )  # fmt: skip
    assert section is not None
    masks, choices = [part.caption for part in section.parts if isinstance(part, Table)][:2]
    assert "600 of 800 (75 %), 95 % interval 50 to 90 % with squares of land as clusters" in masks
    assert "300 of 400 (75 %), 95 % interval 50 to 90 % with squares of land as clusters" in choices


def test_texts_and_figures_call_maps_by_their_titles() -> None:
    report = Report("t", [], [], [levels_section(results())])
    text = re.sub(r"base64,[^\"]*", "", report.to_html())
    assert "both merged" in text and "integrated map" in text
    assert MERGE_BOTH not in text and INTEGRATED not in text


@pytest.mark.parametrize(
    ("values", "style", "cells"),
    [
        ([0.5, 12.25, 30.0], "", ["0.5", "12.2", "30.0"]),
        ([0.00012, 0.5, np.nan], "", ["0.000", "0.500", "–"]),
        ([1200.0, 34567.8], "", ["1,200", "34,568"]),
        ([0.99991, 1.0], "share", ["100.0 %", "100.0 %"]),
        ([3, 1200], "", ["3", "1,200"]),
        (["x", None], "", ["x", "–"]),
        ([True, False], "", ["yes", "no"]),
    ],
)
def test_a_column_has_one_precision(values: list[object], style: str, cells: list[str]) -> None:
    assert column_cells(pd.Series(values), style) == cells


def test_columns_alike_share_their_precision() -> None:
    frame = pd.DataFrame({"x": [0.2, 0.3], "y": [20.0, 30.0], "z": [1.23456, 2.0]})
    table = table_of(
        frame, "", [Column("x", "x", "same"), Column("y", "y", "same"), Column("z", "z"), Column("q", "q")]
    )
    assert table.header == ["x", "y", "z"]
    assert [list(row) for row in table.rows] == [["0.2", "20.0", "1.23"], ["0.3", "30.0", "2.00"]]


def test_figures_are_the_same_bytes_again_and_take_what_is_missing() -> None:
    rows = [Bar("one", 0.5, "#0072b2", 0.4, 0.6), Bar("two", np.nan, "#009e73"), Bar("three", -0.2, "#d55e00")]
    pictures = [Picture.of("x", "t", "c", bar_figure(rows, "IoU")) for _ in range(2)]
    assert pictures[0].png == pictures[1].png and pictures[0].pdf == pictures[1].pdf
    assert pictures[0].pdf.startswith(b"%PDF")
    nothing = [Bar("one", np.nan, "#0072b2")]
    assert Picture.of("x", "t", "c", bar_panels({"a": nothing, "b": nothing}, [("g", 2)])).png


def test_values_beside_bars_have_one_precision() -> None:
    values = [0.763, 0.77, 87.5, 100.0, 1234.0, 0.0, -1.9]
    figure = bar_figure([Bar(str(i), value, "#000000") for i, value in enumerate(values)], "x")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["0.763", "0.770", "87.5", "100", "1,234", "0", "-1.90"]


def test_the_age_of_the_imagery_is_told_by_source_and_unit() -> None:
    blocks = made_up_blocks()
    first = pd.to_datetime(["2020-06-01"] * 6 + ["2020-06-11"] * 5 + [None], utc=True)
    blocks["taken_from_a"], blocks["taken_to_a"] = first, first + pd.Timedelta(days=2)
    blocks["adcode_1"] = ["1"] * 5 + ["border"] + ["2"] * 6
    units = pd.DataFrame({"adcode": ["1", "2"], "name_en": ["North", ""], "name_zh": ["", "南"]})
    section = age_section(results(blocks=blocks, units={1: units}))
    assert section is not None
    by_source, by_unit = (part for part in section.parts if isinstance(part, Table))
    assert list(by_source.rows) == [["a", "11 of 12", "2020-06-01", "2020-06-02", "2020-06-13"]]
    assert list(by_unit.rows) == [
        ["North, a", "5 of 5", "2020-06-01", "2020-06-02", "2020-06-03"],
        ["南, a", "5 of 6", "2020-06-11", "2020-06-12", "2020-06-13"],
    ]
    assert [with_times(name, blocks) for name in "ab"] == ["a (2020-06-01 to 2020-06-13)", "b"]
    assert section.parts[-1] == "Of b nothing tells when the imagery was taken."
    assert age_section(results()) is None


def test_the_last_change_of_tiles_is_told_apart_from_when_imagery_was_taken() -> None:
    blocks = made_up_blocks()
    blocks["renewed_b"] = pd.to_datetime(["2021-03-01"] * 6 + ["2022-05-01"] * 5 + [None], utc=True)
    section = age_section(results(blocks=blocks))
    assert section is not None
    (renewed,) = (part for part in section.parts if isinstance(part, Table))
    assert list(renewed.rows) == [["b", "11 of 12", "2021-03-01", "2021-03-01", "2022-05-01"]]
    assert "no date of imagery" in str(section.parts[0])
    assert section.parts[-1] == "Of a and b nothing tells when the imagery was taken."
    assert with_times("b", blocks) == "b"


def test_a_page_shows_code_and_nothing_else_as_markup() -> None:
    section = Section("g", "t", ["Run `croplayer plan` <b>first</b>", Gap("one ` alone & more")])
    html = Report("t", [], [], [section]).to_html()
    assert "<p>Run <code>croplayer plan</code> &lt;b&gt;first&lt;/b&gt;</p>" in html
    assert "one ` alone &amp; more" in html
