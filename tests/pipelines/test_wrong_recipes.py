"""Everything that a recipe can get wrong is said before work begins: the file, the key, what was found and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import rasterio.transform
import shapely
from click.testing import CliRunner
from shared.wrong_recipes import GOOD, REGION, WRONG

from croplayer.sources.xyz import tile_ranges
from pipelines.cli import main
from pipelines.exit_codes import BAD_INPUT
from stores.grid import Bounds


def write_scene(path: Path, bounds: tuple[float, float, float, float], bands: int = 3, px: int = 128) -> None:
    pixels = np.full((bands, px, px), 10 if bands == 1 else 90, np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:4326", transform=rasterio.transform.from_bounds(*bounds, px, px), count=bands,
        height=px, width=px, dtype="uint8",
    ) as sink:  # fmt: skip
        sink.write(pixels)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that the good recipe names, beside it."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("inputs")
    write_scene(folder / "scene.tif", REGION)
    write_scene(folder / "far.tif", (20.0, 34.0, 20.1, 34.1))
    write_scene(folder / "exchanged.tif", (50.0, 34.0, 50.1, 34.1))
    write_scene(folder / "codes.tif", REGION, bands=1)
    cols, rows = tile_ranges(Bounds(*REGION), 10)
    rng = np.random.default_rng(1)
    for x in cols:
        for y in rows:
            (folder / f"tiles/10/{x}").mkdir(parents=True, exist_ok=True)
            noise = rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)
            Image.fromarray(noise).save(folder / f"tiles/10/{x}/{y}.png")
    box = shapely.box(*REGION)
    units = gpd.GeoDataFrame({"adcode": ["1"], "name_en": ["A"], "name_zh": ["A"]}, geometry=[box], crs="EPSG:4326")
    units.to_file(folder / "units.gpkg")
    (folder / "statistics.csv").write_text("adcode,name_en,cropland_km2\n1,A,10\n")
    (folder / "others.csv").write_text("adcode,name_en,cropland_km2\n7,B,10\n")
    (folder / "overrides.csv").write_text("block,integration,reason\nr1119c5880,Only C,seen\n")
    (folder / "text.gpkg").write_text("no vector file")
    return folder


@pytest.fixture
def plan(inputs: Path) -> Callable[[str | bytes], tuple[int, list[str]]]:
    """Exit code and lines on standard error of ``croplayer plan`` for a recipe."""

    def told(text: str | bytes) -> tuple[int, list[str]]:
        path = inputs / "r.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = CliRunner().invoke(main, ["plan", str(path), "-o", str(inputs / "run")])
        return done.exit_code, done.stderr.splitlines()

    return told


def test_the_good_recipe_is_good(plan: Callable[[str], tuple[int, list[str]]]) -> None:
    assert plan(GOOD)[0] == 0


@pytest.mark.parametrize(("old", "new", "sentence"), WRONG, ids=[f"{i}: {c[2][:40]}" for i, c in enumerate(WRONG)])
def test_one_thing_wrong_is_one_sentence(
    plan: Callable[[str], tuple[int, list[str]]], inputs: Path, old: str, new: str, sentence: str
) -> None:
    assert old in GOOD
    code, lines = plan(GOOD.replace(old, new, 1))
    assert code == BAD_INPUT
    assert len(lines) == 1 and sentence in lines[0], lines
    assert str(inputs / "r.toml") in lines[0]
    for word in ("Input should", "validation", "pydantic", "valid tuple", "Traceback"):
        assert word not in lines[0]
    assert not (inputs / "run").exists()


def test_all_that_is_wrong_is_said_at_once(plan: Callable[[str], tuple[int, list[str]]]) -> None:
    broken = (
        GOOD.replace('"scene.tif"', '"no.tif"').replace('"codes.tif"', '"no.tif"').replace('"units.gpkg"', '"no.gpkg"')
    )
    code, lines = plan(broken.replace('model = "landscape"', 'model = "no"'))
    assert code == BAD_INPUT and len(lines) == 4
    for place in ("[[sources]] 1", "[[products]] 1", "[[admin]] 1", "[segmentation]"):
        assert sum(f"r.toml: {place}: " in line for line in lines) == 1
    code, lines = plan(GOOD.replace("512", '"a"').replace("zoom = 10", "zoom = true").replace('title = "A map"\n', ""))
    assert code == BAD_INPUT and len(lines) == 3


def test_columns_of_two_maps_cannot_have_one_name(plan: Callable[[str], tuple[int, list[str]]]) -> None:
    """tp_MAP_OTHER of map a against b_c would be that of a_b against c."""
    more = '[[products]]\nname = "second_esa"\ntitle = "T"\npath = "codes.tif"\nlegend = "ESA"\n'
    text = GOOD.replace('name = "second"', 'name = "first_second"').replace("[[admin]]", more + "[[admin]]")
    code, lines = plan(text)
    assert code == BAD_INPUT and len(lines) == 1
    assert "[[products]] 1: name 'esa' would give the table of blocks the column 'tp_first_second_esa'" in lines[0] or (
        "[[products]] 2: name 'second_esa' would give the table of blocks the column 'tp_first_second_esa'" in lines[0]
    )


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_and_windows_lines_are_read(
    plan: Callable[[bytes], tuple[int, list[str]]], mark: bytes
) -> None:
    assert plan(mark + GOOD.replace("\n", "\r\n").encode())[0] == 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf_16_is_said(plan: Callable[[bytes], tuple[int, list[str]]], encoding: str) -> None:
    code, lines = plan(GOOD.encode(encoding))
    assert code == BAD_INPUT and "is text in UTF-16; save it as UTF-8" in lines[0]


def test_bytes_of_another_encoding_are_said_with_their_line(plan: Callable[[bytes], tuple[int, list[str]]]) -> None:
    code, lines = plan(GOOD.replace("A map", "Karte für A").encode("latin-1"))
    assert code == BAD_INPUT and "is not text in UTF-8 (line 2); save it as UTF-8" in lines[0]


def test_bounds_that_are_exchanged_but_possible_are_told_by_the_imagery(
    plan: Callable[[str], tuple[int, list[str]]],
) -> None:
    text = GOOD.replace('"scene.tif"', '"exchanged.tif"').replace(
        "[114.0, 34.0, 114.1, 34.05]", "[34.0, 50.0, 34.1, 50.1]"
    )
    code, lines = plan(text)
    assert code == BAD_INPUT
    told = next(line for line in lines if "[[sources]] 1: " in line)
    assert "exchange latitudes and longitudes in the bounds of [region]" in told


def test_paths_begin_at_the_recipe_wherever_one_stands(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (inputs / "here.toml").write_text(GOOD)
    relative = os.path.relpath(inputs / "here.toml")
    assert CliRunner().invoke(main, ["plan", relative]).exit_code == 0
    # A recipe elsewhere, whose paths would only do in the working folder.
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/r.toml").write_text(GOOD.replace("legend", "#"))
    (tmp_path / "scene.tif").write_bytes((inputs / "scene.tif").read_bytes())
    told = CliRunner().invoke(main, ["plan", "sub/r.toml"])
    assert told.exit_code == BAD_INPUT
    assert (
        "'scene.tif' does not exist beside the recipe, but it does in the working folder; relative paths begin at the "
        "folder of the recipe, so write '../scene.tif'"
    ) in told.stderr


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["pln", "x"], "did you mean 'plan'?"),
        (["plan", "dmo"], "did you mean 'demo'?"),
        (["run", "demo", "--until", "integrat"], "did you mean 'integrate'?"),
    ],
)
def test_a_name_that_is_almost_one_is_asked_after(
    arguments: list[str], meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(main, arguments)
    assert told.exit_code == BAD_INPUT and meant in told.stderr


def test_plan_says_coverage_pixels_and_what_to_be_warned_of(
    plan: Callable[[str], tuple[int, list[str]]], inputs: Path
) -> None:
    write_scene(inputs / "half.tif", (114.0, 34.0, 114.05, 34.05))
    (inputs / "half.toml").write_text(GOOD.replace('"scene.tif"', '"half.tif"'))
    told = CliRunner().invoke(main, ["plan", str(inputs / "half.toml"), "-o", str(inputs / "run")])
    facts = {line[:28].strip(): line[28:].strip() for line in told.stdout.splitlines()}
    assert facts["coverage of first"] == "50.0% of the region"
    assert facts["coverage of second"] == "100.0% of the region"
    assert facts["coverage of both"] == "50.0% of the region"
    assert facts["expected Nodata of first"] == "0 of 1 blocks with imagery, by gaps between files"
    # 0.05 degrees in 128 pixels at 34 N: 5.55 km by 4.62 km.
    assert facts["pixel of first"] == "about 39.6 m"
    assert facts["pixels of the model"] == "7 to 11 m"
    assert "warning: [segmentation]: the model 'landscape' learned from pixels of 7 to 11 m" in told.stderr


def test_statistics_of_another_year_than_the_edition_are_told(inputs: Path) -> None:
    for year, is_told in ((2020, False), (2017, True)):
        text = GOOD.replace('path = "statistics.csv"', f'path = "statistics.csv"\nyear = {year}')
        (inputs / "year.toml").write_text(text)
        told = CliRunner().invoke(main, ["plan", str(inputs / "year.toml"), "-o", str(inputs / "run")])
        assert told.exit_code == 0
        assert ("[statistics]: The statistics are of 2017 and the map is of 2020" in told.stderr) == is_told


def test_sources_without_common_ground_are_told(inputs: Path) -> None:
    write_scene(inputs / "west.tif", (114.0, 34.0, 114.05, 34.05))
    write_scene(inputs / "east.tif", (114.05, 34.0, 114.1, 34.05))
    text = GOOD.replace('"scene.tif"', '"west.tif"').replace(
        'kind = "tiles"\ntemplate = "tiles/{z}/{x}/{y}.png"\nzoom = 10', 'kind = "raster"\npaths = ["east.tif"]'
    )
    (inputs / "apart.toml").write_text(text)
    told = CliRunner().invoke(main, ["plan", str(inputs / "apart.toml"), "-o", str(inputs / "run")])
    assert told.exit_code == 0
    assert "'first' and 'second' share no ground in the 2 blocks that were looked at" in told.stderr


def test_a_scene_with_strips_missing_is_expected_to_be_nodata(inputs: Path) -> None:
    paths = []
    for i in range(5):
        west = 114.0 + 0.02 * i
        write_scene(inputs / f"strip{i}.tif", (west, 34.0, west + 0.012, 34.05))
        paths.append(f'"strip{i}.tif"')
    (inputs / "strips.toml").write_text(GOOD.replace('"scene.tif"', ", ".join(paths)))
    told = CliRunner().invoke(main, ["plan", str(inputs / "strips.toml"), "-o", str(inputs / "run")])
    assert told.exit_code == 0, told.stderr
    assert "'first' has gaps of more than [coverage] nodata_above in 2 of the 2 blocks with imagery" in told.stderr
