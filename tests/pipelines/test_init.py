"""A first recipe from files: what they tell is written, what is guessed is named, and the recipe passes its check."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import geopandas as gpd
import jsonschema
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner, Result
from pyproj import Transformer

from croplayer.evaluation.statistics import translated
from pipelines.cli import main
from pipelines.drafting.first_recipe import FirstRecipe, Given, first_recipe
from pipelines.engine.expected import pixel_sizes
from pipelines.exit_codes import BAD_INPUT, UNFINISHED
from pipelines.recipe_files import SCHEMA
from pipelines.run import open_run
from stores.grid import Bounds

UTM = "EPSG:32650"
LEFT, TOP, PX = 450_000.0, 3_870_000.0, 200
"""Corner of the imagery in UTM, metres, and its pixels of 3 m along an edge."""


def write_raster(
    path: Path, shift_m: float = 0.0, gsd_m: float = 3.0, bands: int = 3, dtype: str = "uint8", **how: Any
) -> Path:
    """Noise of known values, shifted eastwards."""
    rng = np.random.default_rng(len(path.stem))
    top = 255 if dtype == "uint8" else 3000
    pixels = rng.integers(1, top, (bands, PX, PX)).astype(dtype)
    transform = Affine(gsd_m, 0, LEFT + shift_m, 0, -gsd_m, TOP)
    path.parent.mkdir(parents=True, exist_ok=True)
    how = {"crs": UTM, "photometric": "RGB" if bands == 3 and dtype == "uint8" else "MINISBLACK"} | how
    with rasterio.open(
        path, "w", driver="GTiff", transform=transform, count=bands, height=PX, width=PX, dtype=dtype, **how
    ) as f:
        f.write(pixels)
    return path


def degrees(x: float, y: float) -> tuple[float, float]:
    lon, lat = Transformer.from_crs(UTM, 4326, always_xy=True).transform(LEFT + x, TOP - y)
    return lon, lat


def write_units(path: Path, count: int = 2, layer: str | None = None, **columns: list[Any]) -> Path:
    """Units side by side that cover the imagery."""
    west, south = degrees(0, 600)
    east, north = degrees(600, 0)
    edges = np.linspace(west - 0.05, east + 0.05, count + 1)
    boxes = [shapely.box(edges[i], south - 0.05, edges[i + 1], north + 0.05) for i in range(count)]
    gpd.GeoDataFrame(columns, geometry=boxes, crs=4326).to_file(
        path, driver="GPKG", **({"layer": layer} if layer else {})
    )
    return path


CHINESE = {
    "代码": ["110101", "110102"],
    "名称": ["东城区", "西城区"],
    "Name": ["Dongcheng", "Xicheng"],
    "人口": [70, 110],
}


@pytest.fixture
def imagery(tmp_path: Path) -> tuple[Path, Path]:
    return write_raster(tmp_path / "spring_20190501.tif"), write_raster(tmp_path / "summer_20200801.tif", shift_m=150)


def draft(
    out: Path,
    *sources: object,
    admin: tuple[Path, ...] = (),
    statistics: Path | None = None,
    bounds: Bounds | None = None,
) -> FirstRecipe:
    return first_recipe(Given(tuple(map(str, sources)), admin, statistics, bounds), out)


def values(found: FirstRecipe) -> dict[str, Any]:
    return tomllib.loads(found.text)


def init(out: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, words), "-o", str(out)])


def test_a_recipe_from_imagery_units_and_a_table(tmp_path: Path, imagery: tuple[Path, Path]) -> None:
    units = write_units(tmp_path / "县.gpkg", **CHINESE)
    table = tmp_path / "统计.csv"
    table.write_text(
        "\ufeff年份;区划代码;地区;耕地面积(公顷)\n2019;110101;东城区;1.234,5\n2019;110102;西城区;950,25\n",
        encoding="utf-8",
    )
    done = init(
        tmp_path / "north.toml", "--source", imagery[0], "--source", imagery[1], "--admin", units, "--statistics", table
    )
    assert done.exit_code == 0, done.output
    text = (tmp_path / "north.toml").read_text(encoding="utf-8")
    written = tomllib.loads(text)
    assert not list(jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).iter_errors(written))
    assert text.startswith(f"#:schema {SCHEMA.as_uri()}\n")
    assert written["edition"] == "2020" and written["name"] == "north"
    assert [s["name"] for s in written["sources"]] == ["spring_20190501", "summer_20200801"]
    assert [s["paths"] for s in written["sources"]] == [["spring_20190501.tif"], ["summer_20200801.tif"]]
    # The ground of both: 450 m x 600 m.
    (west, north), (east, south) = degrees(150, 0), degrees(600, 600)
    assert written["region"]["bounds"] == pytest.approx([west, south, east, north], abs=5e-5)
    assert written["admin"] == [{"level": 1, "path": "县.gpkg", "adcode": "代码", "name_en": "Name", "name_zh": "名称"}]
    assert written["statistics"] == {
        "path": "统计.csv", "adcode": "区划代码", "name_en": "地区", "area": "耕地面积(公顷)", "unit": "ha", "year": 2019,
    }  # fmt: skip
    run = open_run(str(tmp_path / "north.toml"), tmp_path / "run")
    run.check()
    matched, rest = run.inputs.statistics
    assert matched.cropland_kha.tolist() == pytest.approx([1.2345, 0.95025]) and rest.empty
    assert run.inputs.units.name_zh.tolist() == ["东城区", "西城区"]
    pixel_m = 1000 * run.inputs.grid.block_km2(run.inputs.blocks[0].row) ** 0.5 / run.inputs.grid.block_px
    assert 2.6 < pixel_m < 3.4


@pytest.mark.parametrize(
    ("name", "head", "rows", "year"),
    [
        ("areas_2018.csv", "adcode,name_en,cropland_ha", "1,A,10", 2018),
        ("areas.csv", "adcode,name_en,cropland_2017_ha", "1,A,10", 2017),
        ("areas_2018.csv", "adcode,name_en,cropland_ha,Year", "1,A,10,2019", 2019),
        ("areas_2018.csv", "adcode,name_en,cropland_2017_ha", "1,A,10", None),
        ("areas_20180701.csv", "adcode,name_en,cropland_ha", "1,A,10", None),
        ("areas.csv", "adcode,name_en,cropland_ha", "1,A,10", None),
    ],
)
def test_the_year_of_statistics_is_guessed_where_one_is_named(
    tmp_path: Path, imagery: tuple[Path, Path], name: str, head: str, rows: str, year: int | None
) -> None:
    (tmp_path / name).write_text(f"{head}\n{rows}\n", encoding="utf-8")
    units = write_units(tmp_path / "u.gpkg", adcode=["1", "2"], name_en=["A", "B"])
    found = draft(tmp_path / "r.toml", imagery[0], admin=(units,), statistics=tmp_path / name)
    assert values(found)["statistics"].get("year") == year


def test_guesses_are_named_in_the_recipe_and_on_the_terminal(tmp_path: Path, imagery: tuple[Path, Path]) -> None:
    done = init(
        tmp_path / "r.toml",
        "--source",
        imagery[0],
        "--source",
        imagery[1],
        "--admin",
        write_units(tmp_path / "u.gpkg", **CHINESE),
    )
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "r.toml").read_text(encoding="utf-8").splitlines()
    guessed = [lines[i + 1] for i, line in enumerate(lines) if line.startswith("# guess: ")]
    told = [line.removeprefix("guess: ") for line in done.output.splitlines() if line.startswith("guess: ")]
    assert len(guessed) == len(told) > 5
    for line, words in zip(guessed, told, strict=True):
        assert f"{line}: " in words
    assert any(line.startswith("to decide: [decisions]") for line in done.output.splitlines())
    assert any(line.startswith("to decide: [statistics]") for line in done.output.splitlines())
    assert done.output.splitlines()[-1] == f"the recipe is complete; next: croplayer plan {tmp_path / 'r.toml'}"


def test_what_comes_behind_the_tables_is_a_recipe_when_uncommented(tmp_path: Path, imagery: tuple[Path, Path]) -> None:
    text = draft(tmp_path / "r.toml", imagery[0]).text
    end = text[text.index("# [terrain]") :]
    more = tomllib.loads("\n".join(line[2:] for line in end.splitlines()))
    assert set(more) == {"terrain", "decisions", "products", "fields"}
    schema = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert not list(schema.iter_errors(values(draft(tmp_path / "r.toml", imagery[0])) | more))


@pytest.mark.parametrize("kind", ["file", "link"])
def test_no_file_is_overwritten(tmp_path: Path, imagery: tuple[Path, Path], kind: str) -> None:
    out = tmp_path / "r.toml"
    if kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(tmp_path / "nowhere")
    done = init(out, "--source", imagery[0])
    assert done.exit_code == BAD_INPUT and len(done.stderr.splitlines()) == 1 and "exists already" in done.stderr
    assert out.read_text() == "mine" if kind == "file" else not (tmp_path / "nowhere").exists()


def test_values_that_are_no_colours_get_a_scale(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "deep.tif", dtype="uint16", bands=4)
    with rasterio.open(path) as file:
        low, high = np.percentile(file.read([1, 2, 3]), (2, 98))
    (source,) = values(draft(tmp_path / "r.toml", path))["sources"]
    assert source["bands"] == [1, 2, 3]
    assert source["scale"] == pytest.approx([low, high], rel=0.02)
    assert 'edition = "1"' in draft(tmp_path / "r.toml", path).text


def test_bands_that_the_file_names_are_not_guessed(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "named.tif", dtype="uint16", bands=4)
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("blue", "green", "red", "nir")
        whole = file.read([3, 2, 1])
    (source,) = values(draft(tmp_path / "r.toml", path))["sources"]
    assert "bands" not in source
    assert source["scale"] == pytest.approx(np.percentile(whole, (2, 98)), rel=0.02)


def test_grey_imagery_is_read_as_grey(tmp_path: Path) -> None:
    (source,) = values(draft(tmp_path / "r.toml", write_raster(tmp_path / "grey.tif", bands=1)))["sources"]
    assert source["bands"] == [1, 1, 1] and "scale" not in source


@pytest.mark.parametrize(
    ("stems", "taken"),
    [
        (["summer_20180716"], "2018-07-16"),
        (["n_20180716", "s_20180801"], "2018-07-16/2018-08-01"),
        (["summer"], None),
        (["summer_2018"], None),
        (["tile_20180631"], None),
        (["from_20180701_to_20180801"], None),
        (["n_20180716", "south"], None),
    ],
)
def test_dates_in_names_are_guessed_and_what_tells_none_is_left_to_decide(
    tmp_path: Path, stems: list[str], taken: str | None
) -> None:
    for stem in stems:
        write_raster(tmp_path / "imagery" / f"{stem}.tif")
    found = draft(tmp_path / "r.toml", tmp_path / "imagery")
    assert values(found)["sources"][0].get("taken") == taken
    assert any("[[sources]] taken: nothing tells" in line for line in found.left) == (taken is None)


def test_imagery_that_says_when_it_was_taken_needs_no_date(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a_20180716.tif")
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="IMAGERY", ACQUISITIONDATETIME="2018-07-15T10:00:00+00:00")
    found = draft(tmp_path / "r.toml", path)
    assert "taken" not in values(found)["sources"][0] and not any("taken" in line for line in found.left)


@pytest.mark.parametrize("gsd_m", [0.5, 2.4, 5.0, 12.0])
def test_the_size_of_blocks_is_about_the_one_that_plan_recommends(tmp_path: Path, gsd_m: float) -> None:
    out = tmp_path / "r.toml"
    out.write_text(draft(out, write_raster(tmp_path / "a.tif", gsd_m=gsd_m)).text, encoding="utf-8")
    inputs = open_run(str(out), tmp_path / "run").inputs
    assert pixel_sizes(inputs).recommended_block_px == pytest.approx(inputs.grid.block_px, rel=0.1)


@pytest.mark.parametrize(("gsd_m", "expected_m"), [(0.5, 1.8), (2.4, 2.4), (5.0, 4.0), (12.0, 12.0), (30.0, 30.0)])
def test_pixels_follow_the_imagery_as_far_as_the_model_knows_them(
    tmp_path: Path, gsd_m: float, expected_m: float
) -> None:
    """Finer imagery is made coarser, imagery a little coarser than the model knows finer; others stay as they are."""
    out = tmp_path / "r.toml"
    found = draft(out, write_raster(tmp_path / "a.tif", gsd_m=gsd_m))
    out.write_text(found.text, encoding="utf-8")
    inputs = open_run(str(out), tmp_path / "run").inputs
    pixel_m = 1000 * inputs.grid.block_km2(inputs.blocks[0].row) ** 0.5 / inputs.grid.block_px
    assert pixel_m == pytest.approx(expected_m, rel=0.15)
    assert inputs.grid.block_px % values(found)["grid"].get("cell_px", 512) == 0


def test_gaps_between_files_raise_the_threshold(tmp_path: Path) -> None:
    """Two strips in a block with a third of the region between them."""
    for i in range(2):
        write_raster(tmp_path / f"strips/{i}.tif", shift_m=1000 + i * 800.0, gsd_m=2.0)
    found = draft(tmp_path / "r.toml", tmp_path / "strips")
    (source,) = values(found)["sources"]
    assert source["name"] == "strips" and source["paths"] == ["strips/0.tif", "strips/1.tif"]
    assert values(found)["coverage"]["nodata_above"] > 0.1
    assert any(line.startswith("[coverage] nodata_above") for line in found.guesses)
    assert values(draft(tmp_path / "r.toml", tmp_path / "strips/0.tif"))["coverage"]["nodata_above"] == 0.1


def test_names_of_sources_are_free_and_fit(tmp_path: Path) -> None:
    first, second = write_raster(tmp_path / "甲/影像.tif"), write_raster(tmp_path / "乙/影像.tif")
    names = [s["name"] for s in values(draft(tmp_path / "r.toml", first, second))["sources"]]
    assert names == ["source", "source_2"]
    assert values(draft(tmp_path / "地图.toml", first))["name"] == "recipe"
    dated = [write_raster(tmp_path / f"m_4709963_se_{day}.tif") for day in (20150926, 20160816)]
    names = [s["name"] for s in values(draft(tmp_path / "r.toml", *dated))["sources"]]
    assert names == ["source_20150926", "source_20160816"]
    given = draft(tmp_path / "r.toml", f"autumn={first}", second)
    assert next(s["name"] for s in values(given)["sources"]) == "autumn"
    assert not any("[[sources]] 1 name" in line for line in given.guesses)


def test_paths_begin_at_the_recipe_and_may_hold_anything(tmp_path: Path) -> None:
    path = write_raster(tmp_path / 'im $HOME "x"/a.tif')
    out = tmp_path / "recipes/r.toml"
    out.parent.mkdir()
    found = draft(out, path)
    assert values(found)["sources"][0]["paths"] == ['../im $$HOME "x"/a.tif']
    out.write_text(found.text, encoding="utf-8")
    run = open_run(str(out), tmp_path / "run")
    run.check()
    assert Path(run.recipe.sources[0].paths[0]).resolve() == path.resolve()  # type: ignore[union-attr]


def test_levels_are_in_the_order_of_the_numbers_of_units(tmp_path: Path, imagery: tuple[Path, Path]) -> None:
    many = write_units(tmp_path / "many.gpkg", 4, code=list("abcd"))
    few = write_units(tmp_path / "few.gpkg", 2, code=list("xy"))
    found = draft(tmp_path / "r.toml", imagery[0], admin=(many, few))
    assert [(a["level"], a["path"], a["adcode"]) for a in values(found)["admin"]] == [
        (1, "few.gpkg", "code"),
        (2, "many.gpkg", "code"),
    ]
    assert values(found)["export"] == {"level": 1}


def test_statistics_are_of_the_units_whose_codes_they_hold(tmp_path: Path, imagery: tuple[Path, Path]) -> None:
    country = write_units(tmp_path / "country.gpkg", 1, adcode=["x"])
    units = write_units(tmp_path / "units.gpkg", 2, adcode=["1", "2"])
    given = table(tmp_path / "s.csv", "adcode,name_en,cropland_km2\n1,A,1\n2,B,2\n")
    found = draft(tmp_path / "r.toml", imagery[0], admin=(country, units), statistics=given)
    assert [(a["level"], a["path"]) for a in values(found)["admin"]] == [(0, "country.gpkg"), (1, "units.gpkg")]
    (tmp_path / "r.toml").write_text(found.text, encoding="utf-8")
    assert open_run(str(tmp_path / "r.toml"), tmp_path / "run").inputs.statistics[0].cropland_kha.tolist() == [0.1, 0.2]


def test_of_several_layers_the_first_of_polygons_is_guessed(tmp_path: Path, imagery: tuple[Path, Path]) -> None:
    path = tmp_path / "u.gpkg"
    gpd.GeoDataFrame({"n": [1]}, geometry=[shapely.Point(116, 35)], crs=4326).to_file(path, layer="points")
    write_units(path, 2, layer="units", adcode=["1", "2"])
    found = draft(tmp_path / "r.toml", imagery[0], admin=(path,))
    assert values(found)["admin"][0]["layer"] == "units"
    assert any("points" in line for line in found.guesses)


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_codes_of_units_are_made_those_of_the_table(tmp_path: Path, imagery: tuple[Path, Path]) -> None:
    units = write_units(tmp_path / "u.gpkg", 3, ADM1_PCODE=["CN011", "CN012", "CN013"], ADM1_EN=["A", "B", "C"])
    given = table(tmp_path / "s.csv", "adcode,name_en,cropland_km2\n110000,A,1\n120000,B,2\n999999,sum,3\n")
    found = draft(tmp_path / "r.toml", imagery[0], admin=(units,), statistics=given)
    part = values(found)["statistics"]
    assert set(part) == {"path", "adcode_pattern", "without"} and part["without"] == ["130000"]
    assert translated("CN011", part["adcode_pattern"]) == "110000"
    assert any("130000" in line for line in found.left) and any("1 of 3 rows" in line for line in found.left)
    (tmp_path / "r.toml").write_text(found.text, encoding="utf-8")
    matched, rest = open_run(str(tmp_path / "r.toml"), tmp_path / "run").inputs.statistics
    assert matched.cropland_kha.tolist()[:2] == [0.1, 0.2] and rest.adcode.tolist() == ["999999"]


@pytest.mark.parametrize(
    ("header", "areas", "unit"),
    [
        ("cultivated (1000 ha)", (1, 2), "kha"),
        ("arable land, sq km", (10, 20), "km2"),
        ("耕地(亩)", (15000, 30000), "mu"),
        ("crop", (3000, 4000), "ha"),
        ("crop", (3, 4), "kha"),
    ],
)
def test_the_unit_of_areas_is_read_or_is_the_largest_that_fits(
    tmp_path: Path, imagery: tuple[Path, Path], header: str, areas: tuple[int, int], unit: str
) -> None:
    units = write_units(tmp_path / "u.gpkg", 2, adcode=["1", "2"])
    given = table(tmp_path / "s.csv", f'id,place,forest,"{header}"\n1,A,7,{areas[0]}\n2,B,8,{areas[1]}\n')
    part = values(draft(tmp_path / "r.toml", imagery[0], admin=(units,), statistics=given))["statistics"]
    assert (part["area"], part["unit"], part["adcode"], part["name_en"]) == (header, unit, "id", "place")


def wrong_inputs(folder: Path) -> dict[str, tuple[list[object], str]]:
    a, far = write_raster(folder / "a.tif"), write_raster(folder / "far.tif", shift_m=90_000)
    units = write_units(folder / "u.gpkg", 2, adcode=["1", "2"])
    same = write_units(folder / "same.gpkg", 2, kind=["city", "city"])
    text = table(folder / "text.tif", "no raster")
    nowhere = write_raster(folder / "nowhere.tif", crs=None)
    (folder / "empty").mkdir()
    other = table(folder / "other.csv", "adcode,name_en,cropland_km2\n71,A,1\n72,B,2\n")
    wan = table(folder / "wan.csv", "adcode,name_en,耕地面积(万亩)\n1,A,1\n2,B,2\n")
    words = table(folder / "words.csv", "adcode,name_en\n1,A\n2,B\n")
    hole = table(folder / "hole.csv", "adcode,name_en,cropland_km2,forest\n1,A,,4\n2,B,2,5\n")
    years = table(folder / "years.csv", "adcode,year,cropland_km2\n1,2019,1\n2,2019,2\n1,2020,1\n2,2020,2\n")
    acres = table(folder / "acres.csv", "adcode,name_en,crop_acres\n1,A,1\n2,B,2\n")
    unread = table(folder / "unread.csv", "adcode,name_en,area_ha\n1,A,n/a\n2,B,2\n")
    huge = table(folder / "huge.csv", "adcode,name_en,crop\n1,A,1e12\n2,B,1e12\n")
    return {
        "no file": (["--source", folder / "no.tif"], "does not exist; expected a GeoTIFF"),
        "no raster": (["--source", text], "text.tif cannot be opened as GeoTIFF"),
        "no CRS": (["--source", nowhere], "has no CRS"),
        "no GeoTIFF in a folder": (["--source", folder / "empty"], "is a folder without GeoTIFFs"),
        "three sources": (["--source", a, "--source", a, "--source", a], "3 times --source or --collection; a recipe has one or two sources"),
        "names": (["--source", f"land={a}"], "[[sources]] 1: name 'land' is a name that croplayer uses itself"),
        "no common ground": (["--source", a, "--source", far], "the sources share no ground: 'a' covers"),
        "bbox": (["--source", a, "--bbox", "1,2,3"], "expected west,south,east,north in degrees"),
        "bbox exchanged": (["--source", a, "--bbox", "34.9,116.4,35.0,116.5"], "with latitudes before longitudes"),
        "statistics alone": (["--source", a, "--statistics", other], "--statistics needs --admin"),
        "no units file": (["--source", a, "--admin", folder / "no.gpkg"], "no.gpkg do not exist"),
        "no code": (["--source", a, "--admin", same], "have no column that tells the 2 units apart; they have kind"),
        "other codes": (["--source", a, "--admin", units, "--statistics", other], "no column with codes of the units, such as 1, 2"),
        "unknown unit": (["--source", a, "--admin", units, "--statistics", wan], "the unit of '耕地面积(万亩)' is none of"),
        "acres": (["--source", a, "--admin", units, "--statistics", acres], "the unit of 'crop_acres' is none of"),
        "an area that is no number": (["--source", a, "--admin", units, "--statistics", unread], "row 2: area_ha is 'n/a'"),
        "no numbers": (["--source", a, "--admin", units, "--statistics", words], "have no column of numbers"),
        "a hole": (["--source", a, "--admin", units, "--statistics", hole], "row 2: cropland_km2 is ''"),
        "two years": (["--source", a, "--admin", units, "--statistics", years], "'adcode' holds codes several times"),
        "an address": (["--source", "https://example.org/a.tif"], "--source is an address"),
        "no name": (["--source", f"A={a}"], "'A' is no name; expected lower-case letters"),
        "too large": (["--source", a, "--admin", units, "--statistics", huge], "'crop' does not say its unit"),
    }  # fmt: skip


def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path: Path) -> None:
    for name, (words, sentence) in wrong_inputs(tmp_path).items():
        done = init(tmp_path / "r.toml", *words)
        assert done.exit_code == BAD_INPUT, (name, done.output)
        assert len(done.stderr.splitlines()) == 1 and sentence in done.stderr, (name, done.stderr)
        assert not (tmp_path / "r.toml").exists(), name


def test_a_recipe_whose_check_finds_a_problem_is_written_and_says_so(tmp_path: Path) -> None:
    done = init(tmp_path / "r.toml", "--source", write_raster(tmp_path / "a.tif"), "--bbox", "10,50,10.1,50.1")
    assert done.exit_code == UNFINISHED
    assert (tmp_path / "r.toml").exists()
    assert any(
        line.startswith("to decide: ") and "does not overlap the region" in line for line in done.output.splitlines()
    )
