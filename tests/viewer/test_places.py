"""What the page says of a place or a name is what the run's tables say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from shared.small_cubes import make_cube
from viewer.conftest import BORDER

from croplayer.viewer import blocks
from croplayer.viewer.mercator import Tile
from croplayer.viewer.run_view import RunView, pixels_from_zoom
from croplayer.viewer.units import Units
from stores.grid import BlockIndex
from stores.run_folder import RunFolder


@pytest.fixture
def view(run: Path) -> RunView:
    return RunView.of(run)


def test_units_are_listed_from_large_to_small(view: RunView) -> None:
    listed = view.units.listed()
    assert [(unit["level"], unit["adcode"]) for unit in listed] == [(1, "110000"), (2, "110101"), (2, "110102")]
    assert (listed[0]["name_en"], listed[0]["name_zh"], listed[1]["name_zh"]) == ("Westland", "", "青安县")
    assert listed[1]["bounds"] == [114.0, 34.9, 114.1, 35.0]


def test_outlines_of_a_level_still_meet_when_they_are_simplified(view: RunView) -> None:
    border = np.column_stack([BORDER + 0.002 * np.sin(np.linspace(0, 60, 500)), np.linspace(34.9, 35.0, 500)])
    west = shapely.Polygon([(114.0, 34.9), *border, (114.0, 35.0)])
    frame = view.units.frame.copy()
    frame.loc[frame["level"] == 2, "geometry"] = [west, shapely.box(114.0, 34.9, 114.15, 35.0) - west]
    found = Units(frame, {}, pd.DataFrame()).outlines(2)
    first, second = (shapely.from_geojson(json.dumps(one["geometry"])) for one in found["features"])
    assert len(first.exterior.coords) < 250
    assert first.intersection(second).area < 1e-12 and first.union(second).area == pytest.approx(0.015, rel=1e-9)
    assert view.units.outlines(7) == {"type": "FeatureCollection", "features": []}


def test_a_unit_tells_its_areas_and_the_interval_of_the_estimate(view: RunView) -> None:
    unit = view.units.about(2, "110101")
    assert unit["areas"][0] == {"map": "croplayer", "km2": 41.25, "known": 1.0, "percent": None}
    assert [one["map"] for one in unit["areas"]] == ["croplayer", "aster"]
    assert (unit["land_km2"], unit["estimate"]["low_km2"], unit["estimate"]["high_km2"]) == (101.5, 39.5, 48.5)
    assert unit["outline"]["type"] == "Polygon"
    assert "estimate" not in view.units.about(2, "110102")
    assert "areas" not in view.units.about(1, "110000")
    with pytest.raises(KeyError, match="no unit 999"):
        view.units.about(2, "999")


def test_the_licences_of_the_map_and_its_inputs_are_told(run: Path) -> None:
    (run / "recipe.toml").write_text('edition = "2020"\n[publication]\nlicence = "CC0-1.0"\n')
    assert RunView.of(run).about()["licences"] == [
        {"of": "this map", "licence": "CC0-1.0", "terms": ""},
        {"of": "imagery aster", "licence": "CC-BY-4.0", "terms": "https://example.org/aster"},
        {"of": "imagery borealis", "licence": "© <b>Borealis</b>", "terms": "javascript:alert(1)"},
    ]
    (run / "provenance.json").unlink()
    (run / "recipe.toml").unlink()
    assert RunView.of(run).about()["licences"] == []


def test_a_block_says_who_reviewed_it_where_and_why(run: Path) -> None:
    table = pd.read_parquet(run / "blocks.parquet")
    first, second = table.block[:2]
    table["integration_reviewed"] = ["Only A", *[None] * (len(table) - 1)]
    table.to_parquet(run / "blocks.parquet")
    judged = run.parent / "judged.csv"
    text = f"block,integration,reviewer,note\n{second},,Bo,not sure\n{first},Only A,Li,<b>haze</b> in B\n"
    judged.write_text(text, encoding="utf-8")
    (run / "recipe.toml").write_text(f'edition = "2020"\n[decisions]\nreviews = ["{judged}", "{run}/gone.gpkg"]\n')
    shown = RunView.of(run).edition
    facts = {facts["name"]: facts for _, facts in shown.blocks.each(shown.pixels.cube.grid)}
    assert facts[first]["review"] == "reviewed by Li in judged.csv row 3: <b>haze</b> in B"
    assert facts[second]["review"] is None
    judged.unlink()
    (run / "recipe.toml").write_text('edition = "2020"\n[decisions]\nreview_from_reference = true\n')
    (run / "tables/reviews.csv").write_text(f"block,integration,reviewer\n{first},Only A,reference truth\n")
    shown = RunView.of(run).edition
    assert (
        shown.blocks.at(shown.pixels.cube.grid, 114.02, 34.98)["review"]
        == "reviewed by reference truth in reviews.csv row 2"
    )


def test_other_maps_have_the_titles_of_the_recipe(run: Path) -> None:
    def deviation() -> str:
        return next(layer["title"] for layer in RunView.of(run).about()["layers"] if layer["key"] == "deviation-0")

    assert deviation() == "esa"
    for table in ("[[products]]", "[reference]"):
        (run / "recipe.toml").write_text(f'edition = "2020"\n{table}\nname = "esa"\ntitle = "WorldCover"\n')
        assert deviation() == "WorldCover"


def test_a_unit_whose_code_is_a_word_for_missing_values_has_its_areas(run: Path) -> None:
    path = run / "tables" / "units_2.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("110101", "NA"), encoding="utf-8")
    found = Units.of(RunFolder(run)).areas[2]
    assert list(found.index) == ["NA", "110102"] and found.loc["NA", "croplayer_km2"] == 41.25


def test_a_click_opens_the_block_table_a_few_times_alone(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = view.at(114.07, 34.97)["block"]
    opened, read = [], blocks.parquet.read_table

    def counted(*args: Any, **given: Any) -> Any:
        opened.append(given["columns"])
        return read(*args, **given)

    monkeypatch.setattr(blocks.parquet, "read_table", counted)
    assert view.at(114.07, 34.97)["block"] == expected and len(opened) == 1
    # A table of many blocks is read in parts.
    monkeypatch.setattr(blocks, "MOST_CELLS", 2 * 6)
    assert view.at(114.07, 34.97)["block"] == expected
    assert len(opened) > 2 and {len(columns) for columns in opened[1:]} <= {1, 2}


def test_a_place_tells_its_units_and_its_block(view: RunView) -> None:
    found = view.at(114.07, 34.97)
    assert [unit["adcode"] for unit in found["units"]] == ["110000", "110101"]
    block = found["block"]
    assert (found["block_name"], block["bounds"]) == (block["name"], [114.05, 34.95, 114.1, 35.0])
    correctness, taken = block["decisions"]
    assert (correctness["title"], correctness["answer"]) == ("Correctness of aster", "FP")
    assert (taken["answer"], taken["override"]) == ("Neither", "checked in the field")
    assert taken["method"] == "rules (no reviewed samples)"
    assert taken["reason"] == "no mask is judged correct"
    assert correctness["method"] is correctness["reason"] is None  # nothing tells how it was made
    features = view.about()["features"]
    slope = next(i for i, feature in enumerate(features) if feature["column"] == "slope_deg")
    assert (features[slope]["meaning"], features[slope]["unit"]) == ("median slope (Horn)", "degree")
    assert block["values"][slope] == 1.0 and len(block["values"]) == len(features)
    assert block["taken"] == [{"source": "borealis", "from": "2020-05-01", "to": "2020-06-03"}]
    third = view.at(114.12, 34.97)["block"]
    assert [decision["title"] for decision in third["decisions"]] == ["Source taken"]  # it was not judged
    assert third["decisions"][0]["override"] is None and third["taken"] == []
    assert view.at(-60.0, 3.0) == {"units": [], "block": None, "block_name": "r1740c2400"}
    with pytest.raises(ValueError, match="not a longitude"):
        view.at(200.0, 3.0)


def test_all_blocks_at_once_tell_what_each_tells_alone(view: RunView) -> None:
    told, grid = view.edition.blocks, view.edition.pixels.cube.grid
    assert told is not None
    together = dict(told.each(grid))
    assert list(together) == sorted(together) and len(together) == 6
    for block, facts in together.items():
        west, south, east, north = grid.bounds(block)
        assert told.at(grid, (west + east) / 2, (south + north) / 2) == facts


def test_what_is_said_is_json_without_missing_numbers(view: RunView) -> None:
    for said in (view.about(), view.at(114.07, 34.97), view.units.about(2, "110102")):
        json.dumps(said, allow_nan=False)


def test_a_cube_alone_has_a_map_too(run: Path) -> None:
    for path in (run / "blocks.parquet", run / "boundaries.parquet"):
        path.unlink()
    view = RunView.of(run / "cube.zarr")
    assert view.about()["layers"][0]["key"] == "map"
    assert not any(layer["everywhere"] for layer in view.about()["layers"])
    assert view.at(114.07, 34.97)["block"] is None and view.units.listed() == [] and view.about()["levels"] == []


def test_other_editions_of_a_run_are_layers_to_compare(run: Path) -> None:
    (run / "recipe.toml").write_text('edition = "2020"\n')
    later = make_cube(run / "editions/2021/cube.zarr", edition="2021")
    later.write_block("croplayer", BlockIndex(1100, 5880), np.ones((64, 64), np.uint8))
    (run / "editions/2021/recipe.toml").write_text('edition = "2021"\n')
    (run / "editions/2021/ledger").mkdir()
    RunFolder(run / "editions/2021").memory.begin("mosaic", "begun", blocks=6)
    view = RunView.of(run, "2020")
    (other,) = (layer for layer in view.about()["layers"] if layer["key"] == "e1-map")
    assert (other["title"], other["group"]) == ("Cropland map, 2021", "Edition 2021")
    tile = Tile(12, 3345, 1623)
    assert len(view.tile("map", tile)) > len(view.tile("e1-map", tile))  # nothing of the later one is finished
    assert RunView.of(run).about()["edition"] == "2021"
    assert RunView.of(f"{run}@2020").about()["edition"] == "2020"


def test_the_page_is_told_from_which_zoom_every_tile_is_drawn(view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pixels_from_zoom(view.edition.pixels.cube) == 0  # six blocks are few
    monkeypatch.setattr("croplayer.viewer.pixels.MOST_FILES", 4)
    first = pixels_from_zoom(view.edition.pixels.cube)
    assert 0 < first <= view.own_zoom
