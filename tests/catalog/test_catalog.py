"""The catalog of a run: valid, with links that lead somewhere, and every number read back from the files.

The core schemas of STAC come with pystac, so they are checked without a network. Those of extensions do not; here pystac's classes
of extensions read the fields back, and each file is compared with what its item says.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pystac
import pytest
import rasterio
import zarr
from click.testing import CliRunner
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.datacube import DatacubeExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.mlm import MLMExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.table import TableExtension
from pystac.stac_object import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from shapely.geometry import shape
from shared.handed_out import OPEN, OTHER, handed_out_run

from croplayer.catalog.items import block_item, period_of
from croplayer.changes.editions import open_edition
from croplayer.cube.cuts import cut_polygon
from croplayer.files.tables import write_csv
from croplayer.models.bundles.catalogue import shipped_folder
from croplayer.models.networks.manifest import bundle_digest
from croplayer.sources.time_spans import parse_span
from croplayer.vector.files import write_geotiff
from pipelines.cli import main
from pipelines.publishing import columns_without
from stores.run_folder import RunFolder

KINDS = {"Feature": STACObjectType.ITEM, "Collection": STACObjectType.COLLECTION, "Catalog": STACObjectType.CATALOG}
MODEL = "default_fast"


def published_run(root: Path) -> Path:
    """A run with an exported map, a table and an included model."""
    run = handed_out_run(root)
    folder = RunFolder(run)
    text = folder.recipe.read_text(encoding="utf-8").replace('model = "none"', f'model = "{MODEL}"')
    folder.recipe.write_text(text, encoding="utf-8")
    provenance = json.loads(folder.provenance.read_text(encoding="utf-8"))
    provenance["models"] = {"segmentation": bundle_digest(shipped_folder(MODEL))}
    folder.provenance.write_text(json.dumps(provenance), encoding="utf-8")
    edition = open_edition(str(run))
    units = pd.read_parquet(folder.boundaries)
    outline = gpd.read_parquet(folder.boundaries).geometry.iloc[0]
    assert len(units) == 9
    path = write_geotiff(folder.export / "cf_11_西省.tif", *cut_polygon(edition.cube, outline, edition.finished))
    noted(folder, "export_11", path)
    levels = pd.DataFrame({"map": ["one", "two"], "known": [0.5, 1.0], "iou": [np.nan, 0.25]})
    noted(folder, "levels", write_csv(folder.table("levels.csv"), levels))
    return run


def noted(folder: RunFolder, step: str, path: Path) -> None:
    folder.memory.begin(step, "f" * 64)
    folder.memory.finish(step, "f" * 64, [path])


def publish(run: Path, out: Path, *options: str) -> Any:
    return CliRunner().invoke(main, ["publish", str(run), "-o", str(out), "--models", str(run / "no_models"), *options])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def catalog(run: Path) -> Path:
    """A catalog beside its run; tests must leave it as it is."""
    out = run.parent / "catalog"
    done = publish(run, out)
    assert done.exit_code == 0, done.output
    return out


def parts_of(catalog: Path) -> dict[Path, dict[str, Any]]:
    files = [path for path in sorted(catalog.rglob("*.json")) if "models" not in path.relative_to(catalog).parts]
    return {path: json.loads(path.read_text(encoding="utf-8")) for path in files}


def item_of(catalog: Path, name: str) -> pystac.Item:
    return pystac.Item.from_file(str(catalog / "items" / f"{name}.json"))


def file_of(catalog: Path, item: pystac.Item, asset: str) -> Path:
    return (
        (catalog / "items" / item.assets[asset].href).resolve()
        if item.assets[asset].href.startswith(".")
        else Path(item.assets[asset].href)
    )


def test_all_parts_are_valid_and_all_links_lead_somewhere(catalog: Path) -> None:
    parts = parts_of(catalog)
    validator = JsonSchemaSTACValidator()
    for path, part in parts.items():
        validator.validate_core(part, KINDS[part["type"]], "1.1.0", str(path))
        assert part["stac_version"] == "1.1.0"
        hrefs = [link["href"] for link in part["links"]] + [asset["href"] for asset in part.get("assets", {}).values()]
        for href in hrefs:
            assert href.startswith("https://") or (path.parent / href).exists(), (path, href)
        assert not [link for link in part["links"] if link["rel"] == "self"]
    assert sum(part["type"] == "Feature" for part in parts.values()) == 6 + 6


def test_pystac_walks_the_whole_tree(catalog: Path) -> None:
    root = pystac.Collection.from_file(str(catalog / "collection.json"))
    items = list(root.get_items(recursive=True))
    assert {item.id for item in items} >= {
        "cube",
        "cf_11_西省",
        "fields-cf_11_西省",
        "blocks",
        "boundaries",
        "model-segmentation",
        "r1115c5880",
    }
    assert root.id == "north-2020" and root.license == "CC-BY-4.0"
    (interval,) = root.extent.temporal.to_dict()["interval"]
    assert interval == ["2020-01-01T00:00:00Z", "2020-12-31T23:59:59.999000Z"]
    np.testing.assert_allclose(root.extent.spatial.bboxes[0], [114.0, 34.15, 114.15, 34.25])


def test_blocks_with_cloud_is_a_query(catalog: Path, run: Path) -> None:
    root = pystac.Collection.from_file(str(catalog / "collection.json"))
    blocks = root.get_child("north-2020-blocks")
    assert isinstance(blocks, pystac.Collection)
    found = [
        item.id
        for item in blocks.get_items(recursive=True)
        if item.properties["croplayer:coverage_type_one"] == "Cloudy"
    ]
    assert found == ["r1115c5880"]
    assert blocks.summaries.get_list("croplayer:coverage_type_one") == ["Cloudy", "Planting"]
    table = gpd.read_parquet(run / "blocks.parquet").set_index("block")
    for item in blocks.get_items(recursive=True):
        told = {
            name.removeprefix("croplayer:"): value
            for name, value in item.properties.items()
            if name.startswith("croplayer:")
        }
        row = table.loc[item.id].drop(["geometry", "bbox"], errors="ignore").dropna().to_dict()
        assert told == row
        outline = table.loc[item.id].geometry
        assert item.bbox == pytest.approx(outline.bounds) and shape(item.geometry).equals(outline)


def test_what_is_said_of_the_cube_is_in_the_cube(catalog: Path, run: Path) -> None:
    item = item_of(catalog, "cube")
    group = zarr.open_group(run / "cube.zarr" / "2020", mode="r", use_consolidated=False)
    cube = DatacubeExtension.ext(item)
    said = {name: variable.to_dict() for name, variable in cube.variables.items()}
    arrays = {
        name: array
        for name, array in group.arrays()
        if tuple(array.metadata.dimension_names or ()) not in ((), (name,))
    }  # type: ignore[union-attr]
    assert said.keys() == arrays.keys() >= {"rgb", "croplayer", "cropland_probability"}
    for name, array in arrays.items():
        told = said[name]
        assert (told["shape"], told["chunks"], told["data_type"]) == (
            list(array.shape),
            list(array.chunks),
            str(array.dtype),
        )
        assert tuple(told["dimensions"]) == array.metadata.dimension_names  # type: ignore[union-attr]
        assert told.get("nodata") == (None if array.fill_value is None else float(array.fill_value))
    x, y = (np.asarray(group[name]) for name in ("x", "y"))
    for name, places in (("x", x), ("y", y)):
        dimension = cube.dimensions[name].to_dict()
        step = places[1] - places[0]
        assert dimension["step"] == pytest.approx(step)
        assert dimension["extent"] == pytest.approx([places.min() - abs(step) / 2, places.max() + abs(step) / 2])
    assert cube.dimensions["source"].to_dict()["values"] == ["one", "two"]
    projection, (dx, dy) = ProjectionExtension.ext(item), (x[1] - x[0], y[1] - y[0])
    assert projection.shape == [len(y), len(x)]
    assert projection.transform == pytest.approx([dx, 0, x[0] - dx / 2, 0, dy, y[0] - dy / 2])
    west, north, east, south = x[0] - dx / 2, y[0] - dy / 2, x[-1] + dx / 2, y[-1] + dy / 2
    assert projection.bbox == pytest.approx([west, south, east, north])
    assert item.bbox == pytest.approx([114.0, 34.15, 114.15, 34.25])


def test_what_is_said_of_a_map_is_in_the_map(catalog: Path) -> None:
    item = item_of(catalog, "cf_11_西省")
    path, asset = file_of(catalog, item, "map"), item.assets["map"]
    projection = ProjectionExtension.ext(item)
    with rasterio.open(path) as file:
        assert item.bbox == list(file.bounds) == projection.bbox
        assert (projection.code, projection.shape) == ("EPSG:4326", [file.height, file.width])
        assert projection.transform == list(file.transform)[:6]
        (band,) = asset.extra_fields["bands"]
        assert (band["data_type"], band["nodata"]) == (file.dtypes[0], file.nodata)
        pixels = file.read(1)
        assert asset.extra_fields["raster:spatial_resolution"] == pytest.approx(file.res[0] * 111_195)
    for each in ClassificationExtension.ext(asset).classes:
        assert each.count == (pixels == each.value).sum() and each.percentage == pytest.approx(
            100 * each.count / pixels.size, abs=1e-6
        )
        assert re.fullmatch(r"[\w-]+", str(each.name)) and re.fullmatch("[0-9A-F]{6}", str(each.color_hint))
    assert band["statistics"]["valid_percent"] == pytest.approx(100 * (pixels != 255).mean(), abs=1e-6)
    same_file(item, "map", path)


def same_file(item: pystac.Item, asset: str, path: Path) -> None:
    told, data = FileExtension.ext(item.assets[asset]), path.read_bytes()
    assert told.size == len(data) and told.checksum == "1220" + hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["fields-cf_11_西省", "blocks", "boundaries"])
def test_what_is_said_of_a_table_is_in_the_table(catalog: Path, name: str) -> None:
    item = item_of(catalog, name)
    path = file_of(catalog, item, "data")
    schema, told = pq.read_schema(path), TableExtension.ext(item)
    assert [column.name for column in told.columns] == schema.names
    assert [column.col_type for column in told.columns] == [str(kind) for kind in schema.types]
    assert told.row_count == pq.read_metadata(path).num_rows and told.primary_geometry == "geometry"
    if name.startswith("fields"):
        about = {column.name: column.description for column in told.columns}
        assert "match a drawn field" in str(about["confidence"])
    same_file(item, "data", path)


def test_what_is_said_of_tables_without_geometry(catalog: Path, run: Path) -> None:
    root = pystac.Collection.from_file(str(catalog / "collection.json"))
    fields = root.assets["levels"].extra_fields
    assert [column["name"] for column in fields["table:columns"]] == ["map", "known", "iou"]
    assert fields["table:columns"][2]["description"].startswith("intersection over union")
    assert fields["table:row_count"] == 2
    data = (run / "tables" / "levels.csv").read_bytes()
    assert (fields["file:size"], fields["file:checksum"]) == (len(data), "1220" + hashlib.sha256(data).hexdigest())


def test_the_model_is_an_item_with_its_weights(catalog: Path) -> None:
    item = item_of(catalog, "model-segmentation")
    model, folder = MLMExtension.ext(item), shipped_folder(MODEL)
    stored = json.loads((folder / "stac_mlm.json").read_text(encoding="utf-8"))
    assert re.fullmatch("[a-zA-Z][a-zA-Z0-9_.-]+[a-zA-Z0-9]", model.mlm_name)
    assert (model.architecture, model.total_parameters) == (stored["mlm:architecture"], stored["mlm:total_parameters"])
    assert [c["name"] for c in item.properties["mlm:output"][0]["classification:classes"]] == [
        c["name"].replace(" ", "_") for c in stored["mlm:output"][0]["classification:classes"]
    ]
    weights = item.assets["weights"]
    assert "mlm:model" in (weights.roles or []) and weights.extra_fields["mlm:artifact_type"] == "safetensors"
    same_file(item, "weights", folder / "model.safetensors")
    assert bundle_digest(catalog / "models" / "segmentation") == bundle_digest(folder)


def test_licences_are_links_and_words(catalog: Path) -> None:
    root = parts_of(catalog)[catalog / "collection.json"]
    links = {link["title"]: link["href"] for link in root["links"] if link["rel"] == "license"}
    assert links == {
        "Licence of the map: CC-BY-4.0": "https://spdx.org/licenses/CC-BY-4.0.html",
        "imagery 'one': CC-BY-4.0": "https://example.org/one",
        "imagery 'two': CC0-1.0": "https://spdx.org/licenses/CC0-1.0.html",
    }
    assert [each["demands"] for each in root["croplayer:licences"]] == [["attribution"], []]


def test_the_same_run_gives_the_same_bytes(run: Path, catalog: Path, tmp_path: Path) -> None:
    again = run.parent / "again"
    assert publish(run, again).exit_code == 0
    assert {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()} == {
        p.relative_to(catalog): p.read_bytes() for p in catalog.rglob("*") if p.is_file()
    }
    shutil.rmtree(again)


def test_absolute_links(run: Path, tmp_path: Path) -> None:
    done = publish(
        run, tmp_path, "--address", "https://maps.example.org/stac/", "--data", "https://data.example.org/north"
    )
    assert done.exit_code == 0, done.output
    validator = JsonSchemaSTACValidator()
    for path, part in parts_of(tmp_path).items():
        validator.validate_core(part, KINDS[part["type"]], "1.1.0", str(path))
        links = {link["rel"]: link["href"] for link in part["links"]}
        assert links["self"] == f"https://maps.example.org/stac/{path.relative_to(tmp_path).as_posix()}"
        assert all(link["href"].startswith("https://") for link in part["links"])
    cube = item_of(tmp_path, "cube").assets["cube"].href
    assert cube == "https://data.example.org/north/cube.zarr/2020"
    weights = item_of(tmp_path, "model-segmentation").assets["weights"].href
    assert weights == "https://maps.example.org/stac/models/segmentation/model.safetensors"


CLOSED = {"role": "imagery", "name": "one", "licence": "Provider terms, all rights reserved"}
NO_DERIVATIVES = {"role": "units", "name": "level 1", "licence": "CC-BY-ND-4.0"}


@pytest.mark.parametrize(
    ("inputs", "options", "code", "sentence"),
    [
        ((CLOSED, OTHER), [], 2, "not published: nothing lets pictures of the imagery 'one'"),
        ((CLOSED, OTHER), ["--no-imagery"], 0, "warning: what the imagery 'one' .* demands is not known"),
        ((CLOSED | {"may_publish": ["results", "pictures"]}, OTHER), [], 0, "collection.json"),
        ((OPEN, NO_DERIVATIVES), [], 2, "not published: the units 'level 1' .CC-BY-ND-4.0. forbids to share what is made of it"),
        ((OPEN, NO_DERIVATIVES), ["--despite-licences"], 0, "warning: the units 'level 1'"),
        ((OPEN | {"licence": "CC-BY-SA-4.0"}, OTHER), [], 2, "demands its own licence .* the map's is 'CC-BY-4.0'"),
    ],
)  # fmt: skip
def test_what_must_not_be_shared_is_refused(
    tmp_path: Path, inputs: tuple[dict[str, Any], ...], options: list[str], code: int, sentence: str
) -> None:
    run, out = handed_out_run(tmp_path / "run", inputs, with_fields=False), tmp_path / "out"
    done = publish(run, out, *options)
    assert done.exit_code == code, done.output
    assert re.search(sentence, done.output), done.output
    assert out.exists() is (code == 0)
    if "--no-imagery" in options:
        names = {path.stem for path in (out / "items").glob("*.json")}
        assert names == {"blocks", "boundaries"}
        assert "cube.zarr" not in "".join(path.read_text(encoding="utf-8") for path in out.rglob("*.json"))


def test_packages_that_must_not_be_shared_say_so(tmp_path: Path) -> None:
    run = handed_out_run(tmp_path / "run", (OPEN, NO_DERIVATIVES), with_fields=False)
    done = CliRunner().invoke(main, ["package", str(run), "-o", str(tmp_path / "out"), "--plan"])
    assert "warning: these packages must not be shared: the units 'level 1'" in done.output


def test_a_catalog_in_the_folder_of_its_run_is_refused(tmp_path: Path) -> None:
    run = handed_out_run(tmp_path / "run", with_fields=False)
    for out in (run, run / "catalog"):
        done = publish(run, out)
        assert done.exit_code == 2 and "holds nothing but the run" in done.output
    assert not (run / "collection.json").exists() and not (run / "catalog").exists()


def test_columns_of_a_source_whose_name_ends_like_that_of_a_product_stay() -> None:
    columns = ["block", "known_winter_esa", "iou_esa", "iou_my_winter_esa", "coverage_type_winter_esa", "slope_deg"]
    kept = columns_without(["esa", "my_winter_esa"], ["winter_esa", "croplayer"], columns)
    assert kept == ["block", "known_winter_esa", "coverage_type_winter_esa", "slope_deg"]
    assert columns_without([], ["winter_esa"], columns) == columns


def test_a_run_of_an_earlier_version_is_run_again(tmp_path: Path) -> None:
    run = handed_out_run(tmp_path / "run", with_fields=False)
    (run / "provenance.json").write_text(json.dumps({"croplayer": "0.1.0", "models": {}}), encoding="utf-8")
    done = publish(run, tmp_path / "out")
    assert done.exit_code == 2 and "names no licences" in done.output


def test_the_time_of_a_map_is_that_of_its_imagery_or_named_by_its_edition(tmp_path: Path) -> None:
    day = parse_span("2020").start
    unknown = pd.DataFrame({"taken_from_one": [pd.NaT], "taken_to_one": [pd.NaT]}, dtype="datetime64[ms, UTC]")
    for blocks in (None, unknown, pd.DataFrame({"block": ["r1115c5880"]})):
        assert period_of("2020", blocks) == parse_span("2020")
        with pytest.raises(ValueError, match="nothing says when the imagery of edition 'second' was taken"):
            period_of("second", blocks)
    times = pd.to_datetime([day, day + pd.Timedelta(days=40)])
    known = pd.DataFrame(
        {
            "taken_from_one": times,
            "taken_to_one": times,
            "taken_from_two": [pd.NaT, times[0]],
            "taken_to_two": [pd.NaT, times[0]],
        }
    )
    assert period_of("second", known) == (times[0].to_pydatetime(), times[1].to_pydatetime())
    row = {"block": "r1115c5880"} | known.iloc[1].to_dict()
    item = block_item(row, parse_span("1999"), None)
    assert item.properties["start_datetime"] == "2020-01-01T00:00:00Z"
    assert item.properties["end_datetime"] == item.properties["croplayer:taken_from_one"] == "2020-02-10T00:00:00Z"
    assert (
        block_item({"block": "r1115c5880"}, parse_span("1999"), None).properties["start_datetime"]
        == "1999-01-01T00:00:00Z"
    )


def test_times_before_those_that_count_in_nanoseconds_since_1970() -> None:
    old = parse_span("1500/1937-08")
    known = pd.DataFrame({"taken_from_one": [old.start], "taken_to_one": [old.end]}, dtype="datetime64[ms, UTC]")
    assert period_of("2020", known) == old
    item = block_item({"block": "r1115c5880"} | known.iloc[0].to_dict(), parse_span("1999"), None)
    assert item.properties["start_datetime"] == "1500-01-01T00:00:00Z"
    assert item.properties["end_datetime"] == "1937-08-31T23:59:59.999000Z"
