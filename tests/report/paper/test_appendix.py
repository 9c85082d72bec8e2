"""The page names every figure and table of the paper, and each stands where it belongs."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from croplayer.evaluation.by_unit import levels_by_unit, units_of_centres
from croplayer.products.legend import read_legend
from croplayer.report.page import Gap, Picture, Table
from croplayer.report.paper.appendix import Appendix, appendix_of, texts_of
from croplayer.report.paper.block_maps import median_colours
from croplayer.report.paper.catalogue import EXHIBITS
from croplayer.report.paper.definitions import (
    coverage_table,
    definition_parts,
    integration_table,
    major_regions,
    product_table,
)
from croplayer.report.paper.evidence import Evidence, Example
from croplayer.report.paper.examples import chosen_windows, filled_windows, kinds_of, surest_blocks
from croplayer.report.paper.flow import stations
from stores.legends import INTEGRATED

NUMBERS = [f"Table {n}" for n in range(1, 7)] + [f"Fig. {n}" for n in range(1, 18)]


def there(page: Appendix) -> set[str]:
    return {shown.exhibit.number for shown in page.shown if shown.is_there}


def test_the_index_names_all_figures_and_tables_of_the_paper(evidence: Evidence, bare: Evidence) -> None:
    assert [exhibit.number for exhibit in EXHIBITS] == NUMBERS
    for given in (evidence, bare):
        page = appendix_of(given, "A run", [("recipe", "r")])
        html = re.sub(r"base64,[^\"]*", "", page.to_html())
        rows = re.findall(r'<tr><td class="short"><a href="#([a-z0-9-]+)">([^<]+)</a>', html)
        assert [number for _, number in rows] == NUMBERS
        assert all(f'<h2 id="{anchor}">' in html for anchor, _ in rows)
        assert "nan" not in html.lower()
        for shown in page.shown:
            assert shown.is_there or shown.reason, shown.exhibit


def test_what_a_run_has_is_there_and_the_rest_is_missing(evidence: Evidence, bare: Evidence) -> None:
    page = appendix_of(evidence, "A run", [])
    missing = {"Table 2", "Table 6", "Fig. 2", "Fig. 3", "Fig. 8", "Fig. 11"}
    assert there(page) == set(NUMBERS) - missing
    assert there(appendix_of(bare, "A run", [])) == set()
    with_legend = replace(bare, legends=evidence.legends)
    assert there(appendix_of(with_legend, "A run", [])) == {"Table 3", "Fig. 4"}


def test_files_are_named_by_the_papers_number_and_each_name_stands_once(evidence: Evidence) -> None:
    names = [name for name, _ in appendix_of(evidence, "A run", []).files]
    assert len(names) == len(set(names)) and "fig_14_deviation_maps" in names


def test_coverage_types_have_their_shares_and_thresholds(evidence: Evidence) -> None:
    (table,) = coverage_table(evidence)
    assert isinstance(table, Table)
    shares = {row[0]: row[3] for row in table.rows}
    assert shares == {
        "Planting": "75.0 %",
        "Non-planting": "0.0 %",
        "Cloudy": "12.5 %",
        "Snow/Ice": "0.0 %",
        "Nodata": "12.5 %",
    }
    meanings = {row[0]: row[2] for row in table.rows}
    assert "10 %" in meanings["Cloudy"] and "20 %" in meanings["Snow/Ice"] and "10 %" in meanings["Nodata"]


def test_products_have_resolution_definition_and_declared_accuracy(evidence: Evidence) -> None:
    (table,) = product_table(evidence)
    assert isinstance(table, Table)
    esa = dict(zip(table.header, table.rows[0], strict=True))
    assert esa["resolution"] == "10 m" and esa["declared accuracy"].startswith("74.4 %")
    assert esa["cropland"] == "included: annual herbaceous; excluded: greenhouse, perennial woody"
    (picture,) = definition_parts(evidence)
    assert isinstance(picture, Picture)
    texts = [t.get_text() for t in picture.figure.axes[0].texts]
    assert texts[:4] == ["included", "excluded", "excluded", "not specified"]
    assert texts[4:8] == ["included", "not specified", "excluded", "included"]
    assert texts[8:] == ["included", "included", "excluded", "included"]  # the paper's own map


def test_options_have_their_share_and_the_regions_where_they_prevail(evidence: Evidence) -> None:
    (table,) = integration_table(evidence)
    assert isinstance(table, Table)
    rows = {row[0]: row[3:] for row in table.rows}
    assert rows["Merge both"] == ["2", "25.0 %", "West (50 %)"]
    assert rows["Only A"] == ["2", "25.0 %", "East (50 %)"]
    assert major_regions(None, pd.Series([True])) == "–"


def test_a_block_belongs_to_the_unit_that_holds_its_centre() -> None:
    import geopandas as gpd
    import shapely

    # The block r1100c5900 lies from 115.00 to 115.05 east and from 34.95 to 35.00 north.
    blocks = pd.DataFrame({"row": [1100, 1100, 1100], "col": [5900, 5901, 5902]})
    shapes = [shapely.box(115.0, 34.9, 115.03, 35.0), shapely.box(115.03, 34.9, 115.08, 35.0)]
    units = gpd.GeoDataFrame({"adcode": ["1", "2"]}, geometry=shapes, crs="EPSG:4326")
    assert units_of_centres(blocks, units).tolist() == ["1", "2", ""]


def test_levels_are_those_of_the_blocks_of_each_unit(evidence: Evidence) -> None:
    assert evidence.units is not None and evidence.unit_codes is not None

    def levels(own: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame({"map": ["a", INTEGRATED], "iou": [len(own) / 10, own[0] / 10]})

    table = levels_by_unit(evidence.unit_codes, evidence.units, ["a", INTEGRATED], levels)
    assert table.adcode.tolist() == ["110000"] * 2 + ["120000"] * 2 and table.blocks.tolist() == [4] * 4
    assert table.iou.tolist() == [0.4, 0.0, 0.4, 0.2]
    assert table.percent.tolist() == [100.0, 95.0, 105.0, 102.0] and table.is_within.all()
    page = appendix_of(replace(evidence, unit_levels=table.assign(known=1.0)), "A run", [])
    picture, rows = page.beside
    assert isinstance(picture, Picture) and isinstance(rows, Table)
    assert [t.get_text() for t in picture.figure.axes[0].texts][:3] == ["0.40", "–", "–"]
    assert [row[0] for row in rows.rows] == ["West", "East"]
    assert "judged" not in rows.caption and "truly" not in rows.caption  # neither is known here
    judged = appendix_of(replace(evidence, unit_levels=table.assign(correct_share=0.5)), "A run", []).beside[1]
    assert isinstance(judged, Table) and "(share judged correct, mean" in judged.caption
    assert isinstance(appendix_of(evidence, "A run", []).beside[0], Gap)


def test_the_flow_counts_the_blocks_of_every_option(evidence: Evidence) -> None:
    (found,) = [station.found for station in stations(evidence) if station.name == "Integration"]
    numbers = [int(number) for number in re.findall(r": (\d+)", found)]
    assert sum(numbers) == len(evidence.results.blocks) and len(numbers) == 4


def test_the_example_of_a_type_is_the_surest_block(evidence: Evidence) -> None:
    found = surest_blocks(evidence.results.blocks, ("a", "b"))
    assert found == [("Planting", "b", "r1101c5901"), ("Cloudy", "b", "r1101c5902"), ("Nodata", "b", "r1101c5903")]
    picture = np.zeros((4, 4, 3), np.uint8)
    given = replace(evidence, coverage_examples=[Example(kind, name, picture) for kind, _, name in found])
    (part,) = next(s for s in appendix_of(given, "A run", []).shown if s.exhibit.number == "Fig. 2").parts
    assert isinstance(part, Picture) and "No block of this run is Non-planting or Snow/Ice." in part.caption


def test_examples_of_land_are_the_fullest_windows_of_different_regions() -> None:
    codes = np.full((8, 8), 10)
    codes[:4, 4:] = 20
    codes[4:, :4] = [[30, 30, 20, 20]] * 4
    windows = filled_windows(codes, {10: "rainfed", 20: "irrigated", 30: "forest"}, 4)
    assert windows.to_dict("list") == {"code": [10, 20, 10], "row": [0, 0, 1], "col": [0, 1, 1], "share": [1.0] * 3}
    found = pd.DataFrame(
        {"code": [20, 10, 10, 10, 10, 10], "share": [0.6, 0.7, 0.9, 0.8, 0.95, 0.6], "unit": list("aaabcd")}
    )
    chosen = chosen_windows(found, {10: "rainfed", 20: "irrigated"})
    assert list(zip(chosen.code, chosen.unit, chosen.share, strict=True)) == [
        (10, "c", 0.95), (10, "a", 0.9), (10, "b", 0.8), (20, "a", 0.6),
    ]  # fmt: skip


@pytest.mark.parametrize(("legend", "farmed"), [("FCS30", [10, 11, 12, 20]), ("ESA", [])])
def test_only_a_legend_of_several_kinds_of_farmed_land_gives_examples(legend: str, farmed: list[int]) -> None:
    kinds = kinds_of(read_legend(legend).file)
    assert list(kinds)[: len(farmed)] == farmed and bool(kinds) == bool(farmed)
    assert 250 not in kinds and 0 not in kinds


def test_a_block_of_a_large_region_has_its_median_colour(evidence: Evidence) -> None:
    blocks = evidence.results.blocks.iloc[:5].assign(hue_a=1 / 3, lightness_a=0.5, saturation_a=1.0)
    blocks.loc[1, "hue_a"] = np.nan
    image = median_colours(blocks, "a")
    assert image.shape == (2, 4, 3) and image[0, 0].tolist() == [0, 255, 0]
    assert image[0, 1].tolist() == [255] * 3 and image[1, 3].tolist() == [255] * 3  # not known, and no block


def test_columns_of_numbers_with_units_are_no_texts() -> None:
    table = Table(
        "", ["a", "b", "c", "d"], [["30 m", "-1,234.5", "doi:10.5/7", "12.5 %"], ["–", "", "3", "not stated"]]
    )
    assert texts_of(table) == [False, False, True, True]
