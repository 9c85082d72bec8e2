"""The end of a run: one line that sums up, and a loud one where the map is empty."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from shared.commands import croplayer

from croplayer.cube.opening import open_cube
from croplayer.landscape.country import Country
from pipelines.summary import Summary
from stores.grid import BlockGrid

RECIPE = """
name = "x"
title = "A scene that covers a part of one block (SYNTHETIC)"
[region]
bounds = [114.0, 34.0, 114.05, 34.05]
[grid]
block_px = 512
cell_px = 256
[[sources]]
name = "scene"
kind = "raster"
paths = ["scene.tif"]
[segmentation]
model = "landscape"
[cluster]
workers = 1
"""


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        (Summary(4, 4, 0, 0, 0, 3.5), None),
        (Summary(4, 4, 0, 0, 2, 3.5), None),
        (Summary(4, 4, 0, 0, 3, 3.5), "empty in 3 of the 4 blocks with imagery"),
        (Summary(4, 4, 0, 0, 0, 0.0), "no cropland at all"),
        (Summary(4, 0, 0, 4, 0, 0.0), "no block has imagery"),
        (Summary(4, 4, 0, 0, 0, None), None),
    ],
)
def test_a_map_is_empty_by_blocks_or_by_cropland(summary: Summary, words: str | None) -> None:
    told = summary.emptiness()
    assert told is None if words is None else words in str(told)


def test_the_line_says_blocks_and_cropland() -> None:
    assert (
        Summary(5, 3, 1, 1, 0, 1234.5).line()
        == "5 blocks: 3 done, 1 failed, 1 without imagery; 1,234.5 km2 of cropland"
    )
    assert Summary(1, 1, 0, 0, 0, None).line() == "1 block: 1 done, 0 failed, 0 without imagery"
    assert Summary(5, 4, 0, 1, 0, None).line() == "5 blocks: 4 done, 0 failed, 1 without imagery"


def write_scene(path: Path, known: np.ndarray) -> None:
    """Imagery of the synthetic country in the block of the recipe, with an alpha band that says where it is known."""
    n = len(known)
    grid, block = BlockGrid(n), BlockGrid(n).block_at(114.025, 34.025)
    window = grid.window(block)
    country = Country(7)
    rgb = country.render("aster", grid.longitudes(window.col, n), grid.latitudes(window.row, n))
    rgb = rgb[0] if isinstance(rgb, tuple) else rgb
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:4326", count=4, dtype="uint8", height=n, width=n, transform=grid.transform(window),
        photometric="RGB", alpha="YES",
    ) as sink:  # fmt: skip
        sink.write(np.concatenate([rgb.transpose(2, 0, 1), 255 * known[None].astype(np.uint8)]))


ROWS, COLS = np.mgrid[0:512, 0:512]


def test_a_scene_of_a_part_of_a_block_is_mapped(tmp_path: Path, models: Path) -> None:
    known = 2 * ROWS + COLS < 600
    write_scene(tmp_path / "scene.tif", known)
    (tmp_path / "r.toml").write_text(RECIPE, encoding="utf-8")
    done = croplayer("run", tmp_path / "r.toml", "-o", tmp_path / "run", "--until", "integrate", models=models)
    found = re.fullmatch(
        r"1 block: 1 done, 0 failed, 0 without imagery; ([\d.]+) km2 of cropland", done.stdout.splitlines()[-1]
    )
    assert found, done.stdout
    cube = open_cube(tmp_path / "run/cube.zarr")
    mapped = cube.croplayer.to_numpy()
    assert ((mapped == 254) == ~cube.imagery_valid.to_numpy()[0]).all()
    grid = BlockGrid(512)
    row_km2 = grid.pixel_area_m2(grid.block_at(114.025, 34.025).row * 512, 512) / 1e6
    area = float(((mapped == 1) * row_km2[:, None]).sum())
    assert area > 0.5 and float(found[1]) == pytest.approx(area, rel=1e-4)


def test_an_empty_map_is_loud(tmp_path: Path, models: Path) -> None:
    """Every second strip of the scene is missing, so its block is Nodata, and a person takes no mask."""
    write_scene(tmp_path / "scene.tif", COLS // 32 % 2 == 0)
    block = BlockGrid(512).block_at(114.025, 34.025).name
    (tmp_path / "o.csv").write_text(f"block,integration,reason\n{block},Neither,strips\n", encoding="utf-8")
    (tmp_path / "r.toml").write_text(f'{RECIPE}\n[decisions]\noverrides = "o.csv"\n', encoding="utf-8")
    out = tmp_path / "run"
    for _ in range(2):
        done = croplayer("run", tmp_path / "r.toml", "-o", out, "--until", "integrate", models=models, check=False)
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith("croplayer: EMPTY MAP: the map is empty in 1 of the 1 blocks with imagery"), done.stderr
    assert "nothing to do" in done.stdout
