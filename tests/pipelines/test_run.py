"""The whole job on a small synthetic country: real Dask processes, real files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import morecantile
import numpy as np
import pandas as pd
import psutil
import pytest
import rasterio
import rasterio.transform
import rasterio.warp
from pyproj import Geod
from shared.built_steps import built_step
from shared.commands import croplayer
from shared.run_files import CUBE_AND_RESULTS, digests
from soak.damage import UNFINISHED, problems_of

from croplayer.cube.opening import open_cube
from pipelines.engine.steps import BlockStep, OutputStep
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from stores.finished import MissingBlocksError
from stores.ledger import Ledger
from stores.records import BlockRecord, Status
from stores.step_memory import END_OF_RUN, StepEntry, StepMemory


@pytest.fixture
def finished(finished_small_run: Path) -> Path:
    """A finished run of the small recipe with one worker."""
    return finished_small_run


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
    for sentence in ("SYNTHETIC", "rules (no reviewed samples)", "its accuracy is not known", "Licence"):
        assert sentence in html, sentence
    assert "INCOMPLETE" not in html


def test_running_again_does_nothing(finished: Path, small_recipe: Path, models: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name != ".lock"}
    done = croplayer("run", small_recipe, "-o", finished, models=models)
    assert "nothing to do" in done.stdout
    after = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name != ".lock"}
    assert before == after


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
        croplayer("run", recipe, "-o", out, "--until", "integrate", "--workers", 1, models=models)
        alone = open_cube(out / "cube.zarr").load()
        part = whole.sel(x=alone.x, y=alone.y)
        for name in ("rgb", "imagery_valid", "cropland_probability", "cropland", "croplayer"):
            np.testing.assert_array_equal(part[name], alone[name], err_msg=name)


def test_killed_anywhere_and_run_again_gives_the_same_bytes(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "pipelines", "run", str(small_recipe), "-o", str(out), "--workers", "1"]
    environment = {**os.environ, "CROPLAYER_MODELS": str(models), "OMP_WAIT_POLICY": "PASSIVE"}
    for wait, how in ((6.0, signal.SIGKILL), (9.0, signal.SIGTERM), (12.0, signal.SIGKILL)):
        child = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            child.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            if how is signal.SIGKILL:
                os.killpg(child.pid, how)
            else:
                child.send_signal(how)
            child.wait(timeout=60)
        time.sleep(0.2)
        assert all(UNFINISHED.search(sentence) for sentence in problems_of(out))
    croplayer("run", small_recipe, "-o", out, "--workers", 1, models=models)
    assert digests(out) == digests(finished)
    assert not list(out.rglob("*.partial"))
    assert problems_of(out) == []
    assert steps_but_for_times(out) == steps_but_for_times(finished)


def steps_but_for_times(out: Path) -> dict[str, StepEntry]:
    """What a run remembers of its steps, but for their ledgers, which tell how long each block took."""
    entries = StepMemory(out / "ledger/outputs.json", out).entries()
    return {name: replace(entry, ledger=None) for name, entry in entries.items() if name != END_OF_RUN}


def test_ctrl_c_in_a_terminal_stops_a_run_with_a_sentence_and_running_again_goes_on(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    """A terminal sends it to the client, its workers and the processes of the blocks alike."""
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "pipelines", "run", str(small_recipe), "-o", str(out), "--workers", "1"]
    environment = {**os.environ, "CROPLAYER_MODELS": str(models), "OMP_WAIT_POLICY": "PASSIVE"}
    run = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # Tests that were started in the background ignore it, and their children would.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until = time.monotonic() + 300
    while not list(out.glob("ledger/assess*")) and run.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    family = psutil.Process(run.pid).children(recursive=True)
    assert [p for p in family if "croplayer.workers.block_process" in p.cmdline()]
    start = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert time.monotonic() - start < 30
    assert (run.returncode, said) == (130, "croplayer: stopped; run the same command again to go on\n")
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    croplayer("run", small_recipe, "-o", out, "--workers", 1, models=models)
    assert digests(out) == digests(finished)


def test_verify_finds_damage_and_running_again_mends_it(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "damaged"
    shutil.copytree(finished, out)
    assert "everything is as the ledger says" in croplayer("verify", out, models=models).stdout
    rng = np.random.default_rng(0)
    chunks = sorted(p for p in (out / "cube.zarr").rglob("*") if p.is_file() and re.search(r"/c/\d/\d+/", str(p)))
    flipped, truncated, removed = (chunks[i] for i in rng.choice(len(chunks), 3, replace=False))
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 4
    flipped.write_bytes(bytes(data))
    truncated.write_bytes(truncated.read_bytes()[:-3])
    removed.unlink()
    (out / "tables/units_1.csv").write_text("nonsense")
    (out / "cube.zarr/2020/croplayer/c/9").mkdir()
    (out / "cube.zarr/2020/croplayer/c/9/9").write_text("foreign")
    done = croplayer("verify", out, "--repair", models=models, check=False)
    assert done.returncode == 1
    for path in (flipped, truncated, removed, out / "tables/units_1.csv", out / "cube.zarr/2020/croplayer/c/9/9"):
        assert str(path) in done.stdout, path
    shutil.rmtree(out / "cube.zarr/2020/croplayer/c/9")
    croplayer("run", small_recipe, "-o", out, models=models)
    assert digests(out) == digests(finished)
    assert "everything is as the ledger says" in croplayer("verify", out, models=models).stdout


def test_verify_finds_what_is_missing_of_the_ledgers_and_running_again_mends_it(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "damaged"
    shutil.copytree(finished, out)
    ledgers = {name: out / f"ledger/{name}.jsonl" for name in ("assess", "mosaic", "segment")}
    sizes = {name: path.stat().st_size for name, path in ledgers.items()}
    ledgers["assess"].unlink()
    ledgers["mosaic"].write_bytes(b"".join(ledgers["mosaic"].read_bytes().splitlines(keepends=True)[:3]))
    ledgers["segment"].write_bytes(ledgers["segment"].read_bytes()[:-5])
    foreign = [out / name for name in ("tables/areas.csv", "ledger/assess.jsonl.old", "notes.txt", "notes")]
    foreign[-1].mkdir()
    for path in [*foreign[:-1], foreign[-1] / "today.txt"]:
        path.write_text("foreign")
    done = croplayer("verify", out, "--repair", models=models, check=False)
    assert f"ledger {ledgers['assess']} is missing; run the recipe again" in done.stdout
    for name in ("mosaic", "segment"):
        left = ledgers[name].stat().st_size
        assert f"ledger {ledgers[name]} has {left} of the {sizes[name]} bytes that it had" in done.stdout
    assert all(f"{path} is " in done.stdout for path in foreign)
    assert "7 problems" in done.stdout, done.stdout
    done = croplayer("verify", out, models=models, check=False)
    assert "assess: 4 of 4 blocks are not done; run the recipe again" in done.stdout
    assert "is not at its end" in done.stdout and done.returncode == 1
    for path in foreign:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    croplayer("run", small_recipe, "-o", out, models=models)
    assert digests(out) == digests(finished)
    assert problems_of(out) == []


def test_verify_finds_a_lost_record_of_finished_steps(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "damaged"
    shutil.copytree(finished, out)
    recipe = (out / "recipe.toml").read_bytes()
    (out / "recipe.toml").write_bytes(recipe.replace(b"small", b"large"))
    assert [p for p in problems_of(out) if f"head: {out}/recipe.toml has other bytes" in p] == problems_of(out)
    (out / "ledger/outputs.json").unlink()
    done = croplayer("verify", out, "--repair", models=models, check=False)
    assert f"{out}/ledger/outputs.json is missing" in done.stdout and done.returncode == 1
    croplayer("run", small_recipe, "-o", out, models=models)
    assert (out / "recipe.toml").read_bytes() == recipe
    assert (out / "ledger/outputs.json").read_bytes() == (finished / "ledger/outputs.json").read_bytes()
    assert digests(out) == digests(finished)
    assert problems_of(out) == []


def test_a_run_that_was_asked_for_a_part_is_at_its_end(
    small_recipe: Path, models: Path, finished: Path, tmp_path: Path
) -> None:
    croplayer("run", small_recipe, "-o", tmp_path / "part", "--until", "assess", "--workers", 1, models=models)
    assert problems_of(tmp_path / "part") == []


def test_a_new_mosaic_under_old_masks_is_found(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out, recipe = tmp_path / "run", tmp_path / "new.toml"
    shutil.copytree(finished, out)
    recipe.write_text(small_recipe.read_text(encoding="utf-8").replace("tiles/aster/", "tiles/borealis/"))
    croplayer("mosaic", recipe, "-o", out, "--workers", 1, models=models)
    with pytest.raises(MissingBlocksError, match=r"4 of 4 blocks of edition '2020' of .* have no finished 'segment'"):
        open_cube(out / "cube.zarr", strict=True)
    done = croplayer("verify", out, models=models, check=False)
    assert done.returncode == 1 and "is not at its end" in done.stdout
    for step in ("segment", "integrate"):
        assert f"{step}: 4 of 4 blocks are not done; run the recipe again" in done.stdout
    croplayer("run", small_recipe, "-o", out, "--workers", 1, models=models)
    assert digests(out) == digests(finished)
    assert problems_of(out) == []
    assert open_cube(out / "cube.zarr", strict=True).sizes["x"] == 256


def test_a_run_s_folder_is_of_one_edition(small_recipe: Path, models: Path, finished: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "next.toml"
    recipe.write_text(small_recipe.read_text(encoding="utf-8").replace('edition = "2020"', 'edition = "2021"'))
    before = digests(finished)
    done = croplayer("mosaic", recipe, "-o", finished, models=models, check=False)
    assert done.returncode == 2
    assert f"{finished} is the run of edition '2020', and the recipe makes edition '2021'; give it" in done.stderr
    assert digests(finished) == before


def test_files_that_are_no_longer_made_are_removed(tmp_path: Path) -> None:
    outputs = StepMemory(tmp_path / "ledger/outputs.json", tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    step = OutputStep("tables", "old", list)
    outputs.finish(step.name, step.fingerprint, [tmp_path / "a.csv", tmp_path / "b.csv"])
    outputs.finish("others", "old", [tmp_path / "b.csv"])
    outputs.begin("tables", "new")
    assert (tmp_path / "a.csv").exists() and not outputs.is_finished("tables", "old")
    outputs.finish("tables", "new", [])
    assert [p.name for p in sorted(tmp_path.glob("*.csv"))] == ["b.csv"]


def test_a_bad_block_costs_one_block(small_recipe: Path, country: Path, models: Path, tmp_path: Path) -> None:
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


def test_a_drawn_sample_says_what_it_is_expected_to_reach(finished: Path, models: Path, tmp_path: Path) -> None:
    wanted = ("--expect", 0.97, 0.6, "--standard-error", 0.015)
    plan = croplayer("area", "plan", finished, *wanted, "--json", models=models).stdout
    assert json.loads(plan)["expected_standard_error"] <= 0.015
    words = croplayer("area", "plan", finished, *wanted, models=models).stdout
    reached = next(line for line in words.splitlines() if line.startswith("standard error"))
    drawn = croplayer("area", "draw", finished, "-o", tmp_path / "s.gpkg", *wanted, models=models).stdout
    assert reached in drawn.splitlines()
    few = croplayer(
        "area", "draw", finished, "-o", tmp_path / "few.gpkg", "--units", 1, "--by-unit", "--points", 5, models=models
    )
    assert "fewer than 2 points" in few.stdout
    grid = ("--design", "systematic", "--spacing", 0.01)
    assert (
        "standard error"
        not in croplayer("area", "draw", finished, "-o", tmp_path / "g.gpkg", *grid, models=models).stdout
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


@pytest.mark.parametrize("ending", ["tif", "parquet", "shp"])
def test_query_cuts_a_region_into_a_file(finished: Path, models: Path, tmp_path: Path, ending: str) -> None:
    units = gpd.read_parquet(finished / "boundaries.parquet")
    inside = units[(units.level == 1)].cx[114.0:114.1, 34.0:34.1].iloc[0]
    out = tmp_path / f"cut.{ending}"
    croplayer("query", finished / "cube.zarr", "--admin", inside.adcode, "-o", out, models=models)
    table = pd.read_csv(finished / "tables/units_1.csv", dtype={"adcode": str}).set_index("adcode")
    expected = table.croplayer_km2[inside.adcode]
    if ending == "tif":
        with rasterio.open(out) as file:
            assert file.crs == "EPSG:4326" and file.nodata == 255
            assert (file.read(1) == 1).any() == (expected > 0)
        return
    parcels = gpd.read_parquet(out) if ending == "parquet" else gpd.read_file(out)
    assert parcels.crs == "EPSG:4326"
    assert parcels.area_ha.sum() / 100 == pytest.approx(expected, rel=1e-4)
    assert parcels.id.is_unique and parcels.is_valid.all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--admin", "Atlantis"], r"admin unit 'Atlantis' is not in .*boundaries.parquet"),
        (["--bbox", "1,2,3"], "--bbox is '1,2,3'; expected west,south,east,north"),
        (["--bbox", "1,2,3,4"], "does not overlap the cube"),
        ([], "exactly one of --bbox, --polygon and --admin"),
    ],
)
def test_bad_queries_get_one_sentence(
    finished: Path, models: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = croplayer("query", finished / "cube.zarr", *arguments, "-o", tmp_path / "x.tif", models=models, check=False)
    assert done.returncode == 2
    assert re.fullmatch(rf"croplayer: .*{message}.*\n", done.stderr), done.stderr


def test_a_stage_says_what_has_to_run_before_it(
    small_recipe: Path, models: Path, finished: Path, tmp_path: Path
) -> None:
    done = croplayer("describe", small_recipe, "-o", tmp_path / "new", models=models, check=False)
    assert done.returncode == 2
    assert "builds on 'mosaic', which has 4 of 4 blocks left; run `croplayer mosaic`" in done.stderr


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
        croplayer("run", folder / "r.toml", "-o", folder / "out", "--workers", 1, models=models)
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


def test_two_runs_cannot_hold_one_folder(finished: Path, small_recipe: Path, models: Path) -> None:
    import filelock

    with filelock.FileLock(finished / ".lock"):
        done = croplayer("run", small_recipe, "-o", finished, models=models, check=False)
    assert done.returncode == 2 and "another run holds" in done.stderr


def test_plan_says_what_a_run_takes(small_recipe: Path, models: Path, tmp_path: Path) -> None:
    done = croplayer("plan", small_recipe, "-o", tmp_path / "x", "--json", models=models)
    assert '"blocks": 4' in done.stdout and '"cells to segment": 72' in done.stdout
    assert not (tmp_path / "x").exists()
