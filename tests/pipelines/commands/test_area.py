"""`croplayer area` plans and draws a sample."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
from shared.commands import croplayer

from stores.run_folder import RunFolder


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


def test_no_sample_is_of_a_map_that_is_not_whole(finished: Path, models: Path, tmp_path: Path) -> None:
    """Neither drawn from it nor estimated against it; the folder of a run serves as well as its cube."""
    out = tmp_path / "s.gpkg"
    croplayer("area", "draw", finished / "cube.zarr", "-o", out, "--points", 8, models=models)
    points = pd.read_csv(out.with_suffix(".csv"), dtype=str, keep_default_na=False)
    points.assign(label="cropland").to_csv(out.with_suffix(".csv"), index=False)
    estimate = ("area", "estimate", out.with_suffix(".csv"), "--run")
    assert "8 points" in croplayer(*estimate, finished, models=models).stdout
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    key = run / "cube.zarr/2020/croplayer/c/0/0"
    pixels, name = key.read_bytes(), pd.read_parquet(run / "blocks.parquet").block[0]
    key.write_bytes(b"")
    draw = ("area", "draw", run, "-o", tmp_path / "no.gpkg")
    refused = croplayer(*draw, models=models, check=False)
    assert refused.returncode == 2 and not (tmp_path / "no.gpkg").exists()
    assert f"blocks of edition '2020' of {run}/cube.zarr have no finished 'integrate': {name}; finish" in refused.stderr
    key.write_bytes(pixels)
    memory = RunFolder(run).memory
    memory.begin("mosaic", "of other imagery", blocks=4)
    for command in (draw, (*estimate, run)):
        refused = croplayer(*command, models=models, check=False)
        assert refused.returncode == 2
        assert (
            f"the map of {run} is not finished: the step 'mosaic' is still to be done; finish the run" in refused.stderr
        )
