"""Inputs of a run that are bad, incomplete or without a CRS."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import geopandas as gpd
import morecantile
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.transform
import rasterio.warp
from shared.built_steps import built_step
from shared.commands import croplayer

from croplayer.cube.opening import open_cube
from pipelines.engine.steps import BlockStep
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from stores.ledger import Ledger
from stores.records import BlockRecord, Status


@pytest.mark.usefixtures("finished")
def test_a_bad_block_costs_one_block(small_recipe: Path, country: Path, models: Path, tmp_path: Path) -> None:
    """With the models of the finished run."""
    shutil.copytree(country, tmp_path / "country")
    tile = morecantile.tms.get("WebMercatorQuad").tile(114.025, 34.075, 13)
    broken = tmp_path / f"country/tiles/aster/13/{tile.x}/{tile.y}.jpg"
    good = broken.read_bytes()
    broken.write_bytes(good[: len(good) // 2])
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(small_recipe.read_text(encoding="utf-8").replace(str(country), str(tmp_path / "country")))
    done = croplayer("mosaic", recipe, "-o", tmp_path / "out", models=models, check=False)
    assert done.returncode == 1
    assert re.search(
        r"mosaic r\d{4}c\d{4} failed: BadTileError: tile_bad: tile 13/\d+/\d+ of source 'aster'", done.stderr
    )


def test_a_failed_block_that_is_reviewed_or_overridden_costs_one_block(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(finished, tmp_path / "out")
    overrides, reviews, recipe = (tmp_path / name for name in ("overrides.csv", "reviews.csv", "recipe.toml"))
    own = f'[decisions]\noverrides = "{overrides}"\nreviews = ["{reviews}"]\n'
    recipe.write_text(small_recipe.read_text(encoding="utf-8") + own, encoding="utf-8")
    run = Run(load_recipe(recipe, tmp_path / "out"), tmp_path / "out", models)
    step = built_step(run, "describe")
    assert isinstance(step, BlockStep)
    bad, seen = step.blocks[0], step.blocks[3]
    Ledger(run.output.folder.ledger("describe")).append(
        step.fingerprint, [BlockRecord(bad, Status.FAILED, reason="memory")]
    )
    reviews.write_text(f"block,correctness_aster\n{bad.name},TP\n")
    overrides.write_text(f"block,integration,reason\n{bad.name},Only A,seen\n{seen.name},Only B,seen\n")
    built_step(run, "judge").make()
    assert caplog.messages == [f"reviews of 1 failed blocks are left out: {bad.name}"]
    built_step(run, "decide").make()
    assert f"overrides of 1 failed blocks are left out: {bad.name}" in caplog.messages
    decided = pd.read_parquet(run.output.folder.table("integration.parquet")).set_index("block")
    assert len(decided) == 3 and decided.integration_label[seen.name] == "Only B"
    overrides.write_text("block,integration,reason\nr1117c5880,Only A,seen\n")
    with pytest.raises(ValueError, match="r1117c5880 of the reviews or overrides is none of the run's 4 blocks"):
        built_step(run, "decide").make()


def test_statistics_without_a_province_stop_the_run(
    small_recipe: Path, country: Path, models: Path, finished: Path, tmp_path: Path
) -> None:
    lines = (country / "statistics.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "statistics.csv").write_text("\n".join([lines[0], *lines[2:]]), encoding="utf-8")
    shutil.copytree(finished, tmp_path / "out")
    recipe = tmp_path / "recipe.toml"
    text = small_recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace(f"{country}/statistics.csv", str(tmp_path / "statistics.csv")), encoding="utf-8")
    done = croplayer("run", recipe, "-o", tmp_path / "out", models=models, check=False)
    assert done.returncode == 2
    assert re.search(r"statistics .*statistics.csv have no row for 110000", done.stderr), done.stderr


ASSUMED = """
name = "assumed"
title = "A synthetic country in rasters"

[region]
bounds = [114.0, 34.0, 114.1, 34.1]

[grid]
block_px = 128
cell_px = 64
blend_px = 16

[[sources]]
name = "aster"
kind = "raster"
paths = ["$FOLDER/scene.tif"]
$ASSUMED

[terrain]
path = "$FOLDER/dem.tif"
$ASSUMED

[segmentation]
model = "small_segmentation"
recipe = "$RECIPE"

[[products]]
name = "coarse"
title = "synthetic 30 m product"
path = "$FOLDER/coarse.tif"
crop_codes = [10]
known_codes = [0, 10, 20]
nodata = [0]
$ASSUMED
"""


def in_utm(source: Path, path: Path, crs: str | None, transform: rasterio.Affine, side: int) -> None:
    """A raster warped to UTM zone 50, with its CRS or without."""
    with rasterio.open(source) as file:
        pixels = np.zeros((file.count, side, side), file.dtypes[0])
        rasterio.warp.reproject(
            file.read(), pixels, src_transform=file.transform, src_crs=file.crs, dst_transform=transform,
            dst_crs="EPSG:32650",
        )  # fmt: skip
        shape = {"count": file.count, "dtype": file.dtypes[0], "height": side, "width": side}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **shape) as sink:
        sink.write(pixels)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_an_assumed_crs_gives_the_run_of_files_that_carry_it(
    finished: Path, small_recipe: Path, country: Path, models: Path, tmp_path: Path
) -> None:
    """Imagery, elevation and a product in UTM without a CRS, which the recipe then states."""
    cut = open_cube(finished / "cube.zarr")
    with rasterio.open(
        tmp_path / "scene.tif", "w", driver="GTiff", crs="EPSG:4326", count=3, dtype="uint8", height=256, width=256,
        transform=cut.rio.transform(),
    ) as sink:  # fmt: skip
        sink.write(cut.rgb.sel(source="aster").transpose("band", "y", "x").to_numpy())
    west, _, _, north = rasterio.warp.transform_bounds("EPSG:4326", "EPSG:32650", 114.0, 34.0, 114.1, 34.1)
    place = rasterio.transform.from_origin(west - 200, north + 200, 40, 40)
    for name, crs, assumed in (("tagged", "EPSG:32650", ""), ("bare", None, 'assume_crs = "EPSG:32650"')):
        folder = tmp_path / name
        folder.mkdir()
        for source in (tmp_path / "scene.tif", country / "dem.tif", country / "products/coarse.tif"):
            in_utm(source, folder / source.name, crs, place, 320)
        text = ASSUMED.replace("$FOLDER", str(folder)).replace("$RECIPE", str(small_recipe))
        (folder / "r.toml").write_text(text.replace("$ASSUMED", assumed), encoding="utf-8")
        croplayer("run", folder / "r.toml", "-o", folder / "out", "--until", "aggregate", "--workers", 1, models=models)
    one, two = (gpd.read_parquet(tmp_path / name / "out/blocks.parquet") for name in ("tagged", "bare"))
    pd.testing.assert_frame_equal(one, two)
    assert one.area_fraction_aster.notna().all() and one.area_km2_coarse.notna().all()
    assert (one.elevation_void_fraction == 0).all()
    for name in ("rgb", "croplayer"):
        pair = [open_cube(tmp_path / folder / "out/cube.zarr")[name].to_numpy() for folder in ("tagged", "bare")]
        np.testing.assert_array_equal(*pair)
    text = (tmp_path / "bare/r.toml").read_text(encoding="utf-8").replace('assume_crs = "EPSG:32650"', "", 1)
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")
    done = croplayer("run", tmp_path / "r.toml", "-o", tmp_path / "none", models=models, check=False)
    assert done.returncode == 2
    assert re.search(r"raster .*bare/scene\.tif has no CRS; add it to the file or set assume_crs", done.stderr)
