"""What a run of a small synthetic country leaves, and the same bytes however it was made."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from pyproj import Geod
from shared.commands import croplayer
from shared.run_files import CUBE_AND_RESULTS, digests

from croplayer.cube.opening import open_cube
from croplayer.cube.overviews import ARRAYS as OVERVIEWS
from croplayer.cube.overviews import level_cubes
from croplayer.cube.whole_blocks import Cube
from stores.run_log import read_run_log


def test_a_run_leaves_everything_it_promises(finished: Path) -> None:
    for name in (*CUBE_AND_RESULTS, "recipe.toml", "provenance.json"):
        assert (finished / name).exists(), name
    cube = open_cube(finished / "cube.zarr")
    assert cube.rio.crs == "EPSG:4326"
    for name in ("cropland", "croplayer", "cropland_probability"):
        assert not (cube[name] == 255).any(), name
    assert set(np.unique(cube.croplayer)) <= {0, 1, 254}
    invalid = ~cube.imagery_valid
    assert ((cube.cropland == 254) == invalid).all()


def test_the_block_table_holds_every_block_and_feature(finished: Path) -> None:
    from croplayer.measures.features import integration_columns

    blocks = gpd.read_parquet(finished / "blocks.parquet")
    assert len(blocks) == 4
    for _, column in integration_columns(("aster", "borealis")):
        assert column in blocks.columns, column
    familiar = blocks[["familiarity_aster", "familiarity_borealis"]]
    assert (familiar.dtypes == "float64").all() and familiar.notna().any(axis=None)
    assert ((familiar >= 0) & (familiar <= 1) | familiar.isna()).all(axis=None)
    assert blocks.crs == "EPSG:4326"
    assert (blocks.status_integrate == "done").all()
    pixels = open_cube(finished / "cube.zarr").croplayer == 1
    block_km2 = abs(Geod(ellps="WGS84").geometry_area_perimeter(blocks.geometry[0])[0]) / 1e6
    assert blocks.area_km2_croplayer.sum() == pytest.approx(float(pixels.sum()) * block_km2 / 128**2, rel=0.01)


def test_areas_by_province_equal_those_of_the_notebook_accessor(finished: Path) -> None:
    units = gpd.read_parquet(finished / "tables/units_1.parquet")
    table = pd.read_csv(finished / "tables/units_1.csv", dtype={"adcode": str})
    areas = open_cube(finished / "cube.zarr").crop.area(by=units)
    np.testing.assert_allclose(table.croplayer_km2, areas.area_km2, rtol=1e-6, atol=1e-9)
    blocks = gpd.read_parquet(finished / "blocks.parquet")
    assert table.croplayer_km2.sum() == pytest.approx(blocks.area_km2_croplayer.sum(), rel=1e-6)


def test_agreement_with_the_truth_equals_a_plain_count(finished: Path, country: Path) -> None:
    """The reference raster lies on the same lattice, so numpy alone can count."""
    table = pd.read_csv(finished / "tables/agreement.csv").set_index(["map", "against"])
    cube = open_cube(finished / "cube.zarr").load()
    with rasterio.open(country / "truth.tif") as file:
        truth = np.isin(file.read(1), range(1, 8))
    mask = cube.croplayer.to_numpy()
    assert truth.shape == mask.shape
    known = mask != 254
    row = table.loc[("croplayer", "truth")]
    assert row.tp == ((mask == 1) & truth & known).sum()
    assert row.fn == ((mask == 0) & truth & known).sum()


def test_the_report_shows_pictures_and_says_what_is_not_known(finished: Path) -> None:
    html = (finished / "report.html").read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") >= 9
    for sentence in ("SYNTHETIC", "was decided by plain rules: no block of this run was reviewed", "Licence"):
        assert sentence in html, sentence
    assert "INCOMPLETE" not in html


def test_running_again_does_nothing(finished: Path, small_recipe: Path, models: Path) -> None:
    """But for the lock and the log, which tells that it was run again and that nothing was begun."""

    def times() -> dict[Path, int]:
        return {
            p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name not in (".lock", "run.log")
        }

    before, lines = times(), len(list(read_run_log(finished / "run.log")))
    done = croplayer("run", small_recipe, "-o", finished, models=models)
    assert "nothing to do" in done.stdout
    assert times() == before
    told = list(read_run_log(finished / "run.log"))[lines:]
    assert [(line.step, line.event) for line in told] == [("run", "began"), ("run", "ended")]


def test_two_workers_give_the_same_bytes(finished: Path, small_recipe: Path, models: Path, tmp_path: Path) -> None:
    croplayer("run", small_recipe, "-o", tmp_path / "two", "--workers", 2, models=models)
    assert digests(tmp_path / "two") == digests(finished)


def test_block_by_block_gives_the_same_pixels(finished: Path, small_recipe: Path, models: Path, tmp_path: Path) -> None:
    """Each block mapped as a region of its own: its context comes from the source instead of the cube."""
    whole = open_cube(finished / "cube.zarr").load()
    text = small_recipe.read_text(encoding="utf-8")
    for west, south in ((114.0, 34.05), (114.05, 34.0)):
        recipe = tmp_path / f"{west}-{south}.toml"
        bounds = f"bounds = [{west}, {south}, {west + 0.05:.2f}, {south + 0.05:.2f}]"
        recipe.write_text(text.replace("bounds = [114.0, 34.0, 114.1, 34.1]", bounds), encoding="utf-8")
        out = tmp_path / recipe.stem
        croplayer("run", recipe, "-o", out, "--until", "overviews", "--workers", 1, models=models)
        alone = open_cube(out / "cube.zarr").load()
        part = whole.sel(x=alone.x, y=alone.y)
        for name in ("rgb", "imagery_valid", "cropland_probability", "cropland", "croplayer"):
            np.testing.assert_array_equal(part[name], alone[name], err_msg=name)
        for of_all, of_one in zip(*(level_cubes(Cube.open(run / "cube.zarr")) for run in (finished, out)), strict=True):
            if of_one.level.part_blocks == 1:  # a square holds other blocks, too
                window = of_one.level.blocks.window(of_one.level.grid)
                for name in OVERVIEWS:
                    np.testing.assert_array_equal(of_all.read(name, window), of_one.read(name, window), err_msg=name)


def test_a_stage_says_what_has_to_run_before_it(
    small_recipe: Path, models: Path, finished: Path, tmp_path: Path
) -> None:
    done = croplayer("describe", small_recipe, "-o", tmp_path / "new", models=models, check=False)
    assert done.returncode == 2
    assert "builds on 'mosaic', which has 4 of 4 blocks left; run `croplayer mosaic`" in done.stderr


def test_two_runs_cannot_hold_one_folder(finished: Path, small_recipe: Path, models: Path) -> None:
    import filelock

    with filelock.FileLock(finished / ".lock"):
        done = croplayer("run", small_recipe, "-o", finished, models=models, check=False)
    assert done.returncode == 2 and "another run holds" in done.stderr


def test_plan_says_what_a_run_takes(small_recipe: Path, models: Path, tmp_path: Path) -> None:
    done = croplayer("plan", small_recipe, "-o", tmp_path / "x", "--json", models=models)
    assert '"blocks": 4' in done.stdout and '"cells to segment": 72' in done.stdout
    assert not (tmp_path / "x").exists()
