"""What the true land cover plays the person for in the demo: a sample of the finished map, and a label project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from shared.commands import croplayer

from croplayer.active.judgements import read_judgements
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_tasks
from croplayer.cube.whole_blocks import Cube
from croplayer.evaluation.area_estimates import estimate_areas
from croplayer.evaluation.sample_files import read_sample
from pipelines.demo import REVIEWER, TASKS, is_of_map, label_sample, make_demo_country, make_labels, with_sample
from pipelines.recipe_files import load_resolved_recipe
from stores.grid import BlockIndex
from stores.legends import INTEGRATED
from stores.run_folder import RunFolder


def test_the_sample_says_what_the_land_is_and_belongs_to_the_map(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    recipe, sample = load_resolved_recipe(RunFolder(run)), tmp_path / "sample.gpkg"
    points = label_sample(run, recipe, sample)
    table = gpd.read_file(sample)
    assert len(table) == points
    with rasterio.open(recipe.reference.path) as truth:
        cover = truth.read(1)
        rows, cols = rasterio.transform.rowcol(truth.transform, table.lon, table.lat)
    is_crop = np.isin(cover[rows, cols], range(1, 8))
    assert (np.where(is_crop, "cropland", "not cropland") == table.label).all()
    assert is_of_map(sample, run)

    reviewed = read_sample(sample)
    assert reviewed.flaw == ""
    true = pd.read_csv(finished / "tables/units_1.csv").truth_km2.sum()
    whole = estimate_areas(reviewed, confidence=0.999).areas.iloc[0]
    assert whole.low_km2 < true < whole.high_km2

    first = reviewed.points.iloc[0]
    cube = Cube.open(RunFolder(run).cube, "2020")
    block = BlockIndex.parse(first.block)
    pixels = cube.read_block(INTEGRATED, block)
    cube.write_block(INTEGRATED, block, np.where(pixels < 2, 1 - pixels, pixels).astype(np.uint8))
    assert not is_of_map(sample, run)
    assert label_sample(run, recipe, sample) == points
    assert is_of_map(sample, run)


def test_a_demo_of_other_ground_is_left_as_it_is(tmp_path: Path) -> None:
    country = tmp_path / "country"
    (country / "labels").mkdir(parents=True)
    (country / "labels" / "judgements.jsonl").write_text("of a person")
    (country / "made_by.json").write_text(
        json.dumps({"code": "old", "seed": 1, "bounds": [115.1, 34.95, 115.4, 35.15], "zoom": 14})
    )
    with pytest.raises(
        ValueError, match=r"holds the country of an earlier demo, of other ground .* give another folder with --out"
    ):
        make_demo_country(country)
    assert (country / "labels" / "judgements.jsonl").read_text() == "of a person" and len(list(country.iterdir())) == 2


def test_a_recipe_with_the_sample_gives_intervals(finished: Path, models: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    recipe, sample = load_resolved_recipe(RunFolder(run)), tmp_path / "sample.gpkg"
    label_sample(run, recipe, sample)
    text = (run / "recipe.toml").read_text(encoding="utf-8")
    assert with_sample(recipe, sample).evaluation.sample == str(sample)
    text = text.replace("[evaluation]\n", f'[evaluation]\nsample = "{sample}"\n')
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    croplayer("run", tmp_path / "recipe.toml", "-o", run, "--workers", 1, models=models)
    areas = pd.read_csv(run / "tables/sample_areas.csv")
    assert (areas.low_km2 < areas.estimate_km2).all() and (areas.estimate_km2 < areas.high_km2).all()


def test_the_label_project_holds_the_reviews_of_the_run_and_open_tasks(finished: Path, tmp_path: Path) -> None:
    run, labels = tmp_path / "run", tmp_path / "labels"
    shutil.copytree(finished, run)
    blocks = pd.read_parquet(run / "blocks.parquet", columns=["block"]).block[:2]
    reviews = pd.DataFrame(
        {
            "block": blocks,
            "correctness_aster": ["FP", "TN"],
            "correctness_borealis": ["TP", None],
            "integration": ["Only B", "Neither"],
        }
    ).set_index("block")
    reviews.assign(reviewer="reference 'truth'").to_csv(run / "tables/reviews.csv")
    assert make_labels(run, load_resolved_recipe(RunFolder(run)), labels) == 2
    project = LabelProject.open(labels)
    tasks = read_tasks(project)
    assert 0 < len(tasks) <= TASKS
    said = read_judgements(labels)
    assert {one.person for one in said} == {REVIEWER}
    for one in said:
        column = f"correctness_{one.source}" if one.source else "integration"
        assert one.value == reviews[column][one.subject]
    assert len(said) == reviews.notna().sum().sum() == 5
    told = croplayer("label", "status", labels, models=tmp_path).stdout
    assert f"{len(tasks)} tasks: {len(tasks)} open, 0 done" in told and f"judged by {REVIEWER}: " in told
    assert (
        "3 masks, 2 choices between sources, in 2 blocks" in told and f"next: `croplayer label serve {labels}`" in told
    )
