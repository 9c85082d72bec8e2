"""The included recipe that reads imagery by STAC, as a stranger gets its data and runs it, with scenes on this machine."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from pyproj import Transformer
from rasterio.shutil import copy as copy_raster
from shared.commands import croplayer
from shared.range_server import FileServer, serve_files
from shared.stac_server import RUSTAC, stac_server

from croplayer.cube.opening import open_cube
from pipelines.cli import main
from pipelines.public_data import PUBLIC_DATA
from pipelines.recipe_files import RECIPES

pytestmark = pytest.mark.skipif(RUSTAC is None, reason="needs rustac")

NAME, COLLECTION = "cbers_bahia", "CB4A-WPM-PCA-FUSED-1"
UTM, LEFT, TOP, PX, GSD_M = "EPSG:32723", 406_000.0, 8_669_000.0, 600, 24.0
"""A square around the recipe's region, of coarser pixels than the real scenes."""
SEASONS = {"growing": "2024-03-12", "harvested": "2024-08-20"}
OTHER_YEAR = "2023-08-20"


def write_scene(path: Path, seed: int) -> None:
    """Fields in greens and browns as the collection has them: 1 to 255, and 0 where the scene is cut."""
    drawn = np.random.default_rng(seed)
    colours = np.array([[70, 100, 60], [120, 95, 70], [60, 80, 55], [140, 120, 85]])[drawn.integers(0, 4, (40, 40))]
    pixels = np.kron(colours.transpose(2, 0, 1), np.ones((1, 15, 15))) + drawn.normal(0, 4, (3, PX, PX))
    pixels = pixels.clip(1, 255).astype(np.uint8)
    pixels[:, :, :8] = 0
    plain = path.with_suffix(".plain.tif")
    profile = {"crs": UTM, "transform": Affine(GSD_M, 0, LEFT, 0, -GSD_M, TOP), "nodata": 0, "photometric": "RGB"}
    with rasterio.open(plain, "w", "GTiff", PX, PX, 3, dtype="uint8", **profile) as file:
        file.write(pixels)
    copy_raster(plain, path, driver="COG", blocksize=128)
    plain.unlink()


def item(day: str, address: str) -> dict[str, Any]:
    to_degrees = Transformer.from_crs(UTM, 4326, always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(LEFT, TOP - GSD_M * PX, LEFT + GSD_M * PX, TOP)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    scene = {"href": f"{address}/{day}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
    picture = {"href": f"{address}/{day}.png", "type": "image/png", "roles": ["thumbnail"]}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": f"scene-{day}", "collection": COLLECTION, "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {"datetime": f"{day}T13:40:00Z"}, "links": [],
        "assets": {"tci": scene, "thumbnail": picture},
    }  # fmt: skip


def collection() -> dict[str, Any]:
    extent = {"spatial": {"bbox": [[-74, -34, -34, 6]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}}
    return {
        "type": "Collection", "stac_version": "1.0.0", "id": COLLECTION, "description": "scenes", "license": "CC-BY-4.0",
        "extent": extent, "links": [],
    }  # fmt: skip


def told_command() -> list[str]:
    """The command by which `croplayer data list` says the items are found."""
    (line,) = re.findall(r"`croplayer (init .+?)`", PUBLIC_DATA[NAME].preparation)
    return shlex.split(line)


def items_are_kept(api: str, data: Path) -> None:
    """Do what `croplayer data list` says, with the API of this machine."""
    words = [word.replace("$CROPLAYER_DATA", str(data)) for word in told_command()]
    words[words.index("--stac") + 1] = api
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output


@pytest.fixture
def scenes(tmp_path: Path) -> Any:
    folder = tmp_path / "server"
    folder.mkdir()
    for seed, day in enumerate((*SEASONS.values(), OTHER_YEAR)):
        write_scene(folder / f"{day}.tif", seed)
    with serve_files(folder) as server:
        yield server


def test_a_stranger_finds_the_items_and_maps_them(
    tmp_path: Path, scenes: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    monkeypatch.setenv("CROPLAYER_DATA", str(data))
    before = CliRunner().invoke(main, ["data", "check", NAME])
    assert before.exit_code == 1 and "2 of 2 are missing" in before.output and "https://data.inpe.br" in before.output
    with stac_server(
        tmp_path, [collection()], [item(path.stem, scenes.url) for path in scenes.folder.glob("*.tif")]
    ) as api:
        items_are_kept(api, data)
    assert CliRunner().invoke(main, ["data", "check", NAME]).exit_code == 0
    for season, day in SEASONS.items():
        kept = json.loads((data / NAME / f"cbers_{season}_items.json").read_text(encoding="utf-8"))
        assert [each["id"] for each in kept["features"]] == [f"scene-{day}"]

    # The API is gone, as it may be for a run. Only the host and the number of pixels differ from the recipe as it comes along.
    text = (RECIPES / f"{NAME}.toml").read_text(encoding="utf-8")
    text = text.replace('hosts = ["data.inpe.br"]', 'hosts = ["127.0.0.1"]\nprivate_network = true')
    text = text.replace("block_px = 2560", "block_px = 256\ncell_px = 128\nblend_px = 16")
    recipe = tmp_path / f"{NAME}.toml"
    recipe.write_text(text, encoding="utf-8")
    scenes.asked.clear()
    croplayer("run", recipe, "-o", out, models=tmp_path)
    assert {path for path, first in scenes.asked if first} == {f"/{day}.tif" for day in SEASONS.values()}, "in parts"

    cube = open_cube(out / "cube.zarr").load()
    assert list(cube.source.to_numpy()) == list(SEASONS)
    assert float(cube.imagery_valid.mean()) > 0.9
    blocks = pd.read_parquet(out / "blocks.parquet")
    assert len(blocks) == 4 and blocks.area_km2_croplayer.notna().any()
    for season, day in SEASONS.items():
        assert (blocks[f"taken_from_{season}"].astype(str).str[:10] == day).all()
    known = json.loads((out / "provenance.json").read_text(encoding="utf-8"))["licences"]
    assert {each["name"]: each["licence"] for each in known if each["role"] == "imagery"} == dict.fromkeys(
        SEASONS, "CC-BY-4.0"
    )
