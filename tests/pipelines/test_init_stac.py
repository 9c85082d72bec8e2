"""A first recipe from a real STAC API: items of an area and dates are kept, and the recipe maps what they list."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner, Result
from pyproj import Transformer
from rasterio.shutil import copy as copy_raster
from shared.commands import croplayer
from shared.range_server import FileServer, serve_files
from shared.stac_server import RUSTAC, stac_server

from croplayer.cube.whole_blocks import Cube
from croplayer.sources.raster import RasterSource
from pipelines.cli import main
from pipelines.drafting.stac import asset_keys
from pipelines.exit_codes import BAD_INPUT
from pipelines.run import open_run
from stores.grid import BlockIndex

pytestmark = pytest.mark.skipif(RUSTAC is None, reason="needs rustac")

UTM, LEFT, TOP, PX, GSD_M = "EPSG:32650", 450_000.0, 3_870_000.0, 400, 3.0
TO_DEGREES = Transformer.from_crs(UTM, 4326, always_xy=True)
BOX = "116.4540,34.9640,116.4760,34.9700"
"""Within the two scenes side by side."""


def write_cog(path: Path, pixels: np.ndarray, shift_m: float = 0.0, **how: Any) -> None:
    """A cloud-optimised GeoTIFF with tiles and overviews."""
    plain = path.with_suffix(".plain.tif")
    transform = Affine(GSD_M, 0, LEFT + shift_m, 0, -GSD_M, TOP)
    bands, height, width = pixels.shape
    with rasterio.open(
        plain,
        "w",
        driver="GTiff",
        crs=UTM,
        transform=transform,
        count=bands,
        height=height,
        width=width,
        dtype=pixels.dtype,
        **how,
    ) as file:
        file.write(pixels)
    copy_raster(plain, path, driver="COG", blocksize=128, overview_resampling="average")
    plain.unlink()


def item(name: str, when: str, collection: str, assets: dict[str, Any], shift_m: float = 0.0) -> dict[str, Any]:
    west, south = TO_DEGREES.transform(LEFT + shift_m, TOP - GSD_M * PX)
    east, north = TO_DEGREES.transform(LEFT + shift_m + GSD_M * PX, TOP)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {"datetime": when}, "links": [], "assets": assets,
    }  # fmt: skip


def collection(name: str, licence: str) -> dict[str, Any]:
    extent = {"spatial": {"bbox": [[116, 34, 117, 35]]}, "temporal": {"interval": [["2019-01-01T00:00:00Z", None]]}}
    return {
        "type": "Collection", "stac_version": "1.0.0", "id": name, "description": name, "license": licence, "extent": extent, "links": [],
    }  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileServer]:
    """Scenes of red, green and blue of two dates side by side, and bands of 16 bits in files of their own."""
    folder = tmp_path / "server"
    folder.mkdir()
    noise = np.random.default_rng(5)
    for name, shift in (("west_2019", 0.0), ("west_2020", 0.0), ("east_2020", GSD_M * PX)):
        write_cog(
            folder / f"{name}.tif", noise.integers(1, 255, (3, PX, PX)).astype(np.uint8), shift, photometric="RGB"
        )
    for colour in ("B04", "B03", "B02"):
        write_cog(folder / f"{colour}.tif", noise.integers(100, 3000, (1, PX, PX)).astype(np.uint16))
    with serve_files(folder) as server:
        yield server


@pytest.fixture
def api(tmp_path: Path, files: FileServer) -> Iterator[str]:
    def visual(name: str) -> dict[str, Any]:
        href = f"{files.url}/{name}.tif"
        return {
            "image": {
                "href": href,
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["visual"],
            }
        }

    bands = {
        key: {
            "href": f"{files.url}/{key}.tif",
            "type": "image/tiff",
            "eo:bands": [{"name": key, "common_name": colour}],
        }
        for key, colour in (("B04", "red"), ("B03", "green"), ("B02", "blue"))
    }
    items = [
        item("west-2019", "2019-07-01T10:00:00Z", "aerial", visual("west_2019")),
        item("west-2020", "2020-07-01T10:00:00Z", "aerial", visual("west_2020")),
        item("east-2020", "2020-08-01T10:00:00Z", "aerial", visual("east_2020"), GSD_M * PX),
        item("sat", "2020-06-01T10:00:00Z", "satellite", bands),
    ]
    with stac_server(
        tmp_path, [collection("aerial", "CC-BY-4.0"), collection("satellite", "proprietary")], items
    ) as address:
        yield address


def init(out: Path, *words: object) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, words), "-o", str(out)])


def test_a_recipe_from_an_api_reads_what_its_items_list(tmp_path: Path, api: str, files: FileServer) -> None:
    out = tmp_path / "north.toml"
    done = init(
        out, "--stac", api, "--collection", "aerial", "--collection", "sat=satellite", "--dates", "2020", "--bbox", BOX, "--i-have-rights"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    written = tomllib.loads(out.read_text(encoding="utf-8"))
    aerial, sat = written["sources"]
    assert aerial == {
        "name": "aerial", "kind": "stac", "items": "north_aerial_items.json", "assets": ["image"], "i_have_rights": True,
        "hosts": ["127.0.0.1"], "private_network": True, "licence": "CC-BY-4.0",
    }  # fmt: skip
    assert sat["assets"] == ["B04", "B03", "B02"] and "licence" not in sat
    low, high = sat["scale"]
    assert 100 <= low < 250 and 2850 < high <= 3000
    assert written["edition"] == "2020" and written["region"]["bounds"] == [float(v) for v in BOX.split(",")]
    kept = json.loads((tmp_path / "north_aerial_items.json").read_text(encoding="utf-8"))
    # The scene of 2019 is not of these dates, and what the server said stays as it was.
    assert sorted(each["id"] for each in kept["features"]) == ["east-2020", "west-2020"]
    assert kept["features"][0]["assets"]["image"]["href"].startswith(files.url)

    run = open_run(str(out), tmp_path / "run")
    run.check()
    grid, block = run.inputs.grid, run.inputs.blocks[0]
    read = run.inputs.sources[0].read(grid.window(block), grid)
    assert read.valid.any()
    row, col = (int(v.mean()) for v in np.nonzero(read.valid))
    west, south, east, north = grid.bounds(block)
    lon, lat = west + (col + 0.5) * (east - west) / grid.block_px, north - (row + 0.5) * (north - south) / grid.block_px
    x, y = Transformer.from_crs(4326, UTM, always_xy=True).transform(lon, lat)
    name = "west_2020" if x < LEFT + GSD_M * PX else "east_2020"
    with rasterio.open(files.folder / f"{name}.tif") as file:
        near = file.read(
            window=(
                (file.index(x, y)[0] - 1, file.index(x, y)[0] + 2),
                (file.index(x, y)[1] - 1, file.index(x, y)[1] + 2),
            )
        )
    assert (near.min((1, 2)) <= read.rgb[row, col]).all() and (read.rgb[row, col] <= near.max((1, 2))).all()


def test_a_run_reads_the_scenes_of_an_api_as_the_files_they_are(tmp_path: Path, api: str, files: FileServer) -> None:
    """Workers of a run fetch the cloud-optimised files in parts, and get the pixels of a recipe that names local ones."""
    recipe = tmp_path / "r.toml"
    words = ["--collection", "a=aerial", "--dates", "2020", "--bbox", BOX, "--i-have-rights"]
    done = init(recipe, "--stac", api, *words)
    assert done.exit_code == 0, done.output
    files.asked.clear()
    croplayer("mosaic", recipe, "-o", tmp_path / "run", models=tmp_path)
    assert {path for path, first in files.asked if first} == {"/east_2020.tif", "/west_2020.tif"}  # in parts
    cube = Cube.open(tmp_path / "run/cube.zarr")
    names = ("east_2020", "west_2020")  # the latest first
    local = RasterSource("a", tuple(str(files.folder / f"{name}.tif") for name in names))
    seen = 0
    for place in np.ndindex(cube.blocks.rows, cube.blocks.cols):
        block = BlockIndex(cube.blocks.row + place[0], cube.blocks.col + place[1])
        expected = local.read(cube.grid.window(block), cube.grid)
        valid = cube.read_block("imagery_valid", block, "a") == 1
        np.testing.assert_array_equal(valid, expected.valid)
        np.testing.assert_array_equal(cube.read_block("rgb", block, "a")[valid], expected.rgb[valid])
        seen += int(valid.sum())
    assert seen > 10_000


def test_imagery_on_a_server_needs_the_statement_of_the_rights(tmp_path: Path, api: str, files: FileServer) -> None:
    files.asked.clear()
    done = init(tmp_path / "r.toml", "--stac", api, "--collection", "aerial", "--bbox", BOX)
    assert done.exit_code == BAD_INPUT and "say --i-have-rights" in done.output and "127.0.0.1" in done.output
    assert not files.asked and not list(tmp_path.glob("r*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--collection", "ariel", "--bbox", BOX], "has no collection 'ariel'; it has aerial, satellite"),
        (["--collection", "aerial", "--bbox", BOX, "--dates", "1999"], "'aerial' has no items in .* in 1999"),
        (["--collection", "aerial", "--bbox", BOX, "--dates", "summer"], "'summer' is no time"),
        (["--collection", "aerial"], "--stac needs --collection and --bbox"),
        (["--collection", "aerial", "--bbox", BOX, "--dates", "2019", "--dates", "2020"], "2 times --dates for 1 times --collection"),
        (["--collection", "A=aerial", "--bbox", BOX], "'A' is no name"),
        (["--collection", "a=aerial", "--collection", "b=aerial", "--collection", "aerial", "--bbox", BOX], "one or two sources"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_said(tmp_path: Path, api: str, words: list[str], message: str) -> None:
    done = init(tmp_path / "r.toml", "--stac", api, *words)
    assert done.exit_code == BAD_INPUT
    assert re.search(message, done.output), done.output
    assert not list(tmp_path.glob("r*"))


def test_an_address_that_is_no_api_is_said(tmp_path: Path, files: FileServer) -> None:
    words = ("--collection", "aerial", "--bbox", BOX)
    done = init(tmp_path / "r.toml", "--stac", files.url, *words)
    assert done.exit_code == BAD_INPUT and "is not a STAC API that can be searched" in done.output
    done = init(tmp_path / "r.toml", "--stac", "http://127.0.0.1:9", *words)
    assert done.exit_code and "does not answer" in done.output
    done = init(tmp_path / "r.toml", "--collection", "aerial")
    assert done.exit_code == BAD_INPUT and "need --stac" in done.output


def test_two_dates_of_one_collection_are_two_sources(tmp_path: Path, api: str) -> None:
    done = init(
        tmp_path / "r.toml", "--stac", api, "--collection", "before=aerial", "--collection", "after=aerial", "--dates", "2019", "--dates", "2020",
        "--bbox", BOX, "--i-have-rights",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ids = [
        {each["id"] for each in json.loads((tmp_path / f"r_{name}_items.json").read_text())["features"]}
        for name in ("before", "after")
    ]
    assert ids == [{"west-2019"}, {"west-2020", "east-2020"}]
    again = init(tmp_path / "r.toml", "--stac", api, "--collection", "aerial", "--bbox", BOX)
    assert again.exit_code and "exists already" in again.output


def test_assets_of_colours_are_found_by_what_they_say() -> None:
    tif = "image/tiff; application=geotiff"

    def keys(**assets: dict[str, Any]) -> tuple[str, ...]:
        return asset_keys({"assets": assets}, "c")[0]

    three = {colour: {"type": tif, "roles": ["data"]} for colour in ("red", "green", "blue")}
    assert keys(**three) == ("red", "green", "blue")
    assert keys(visual={"type": tif}, **three) == ("visual",)
    naip = [{"name": name} for name in ("Red", "Green", "Blue", "NIR")]
    assert keys(image={"type": tif, "eo:bands": naip}, rendered_preview={"type": "image/png"}) == ("image",)
    of_1_1 = {f"B0{i}": {"bands": [{"eo:common_name": c}]} for i, c in enumerate(("blue", "green", "red"))}
    assert keys(**of_1_1) == ("B02", "B01", "B00")
    assert keys(dsm={"type": "application/json"}, map={"type": tif, "roles": ["data"]}) == ("map",)
    with pytest.raises(ValueError, match="'c' have no asset that shows red, green and blue; they have nir"):
        keys(nir={"type": tif, "eo:bands": [{"common_name": "nir"}]})
