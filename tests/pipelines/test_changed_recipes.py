"""A recipe that changed in a folder of results: what it does not make any more is not told as its own."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from shared.built_steps import built_steps
from shared.commands import croplayer
from soak.damage import problems_of

from croplayer.cube.whole_blocks import Cube
from croplayer.evaluation.frame import changed_points
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from stores.block_list import BlockList
from stores.durable import FileDigest
from stores.grid import BlockIndex
from stores.ledger import Ledger


@pytest.fixture
def out(finished_small_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    shutil.copytree(finished_small_run, tmp_path / "run")
    return tmp_path / "run"


def run_of(recipe: Path, out: Path, models: Path) -> Run:
    return Run(load_recipe(recipe, out), out, models)


def test_tables_of_parts_that_left_the_recipe_leave_the_report(small_recipe: Path, models: Path, out: Path) -> None:
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "synthetic 30 m product" in report and (out / "tables/agreement.csv").exists()
    text = small_recipe.read_text(encoding="utf-8")
    for part in (r"\[\[products\]\]", r"\[reference\]", r"\[export\]"):
        text = re.sub(rf"{part}\n(?:.+\n)+", "", text)
    shorter = out.parent / "shorter.toml"
    shorter.write_text(text, encoding="utf-8")
    exported = list((out / "export").iterdir())
    croplayer("run", shorter, "-o", out, models=models)
    assert exported and not any(path.exists() for path in exported)
    assert not (out / "tables/agreement.csv").exists()
    assert "synthetic 30 m product" not in (out / "report.html").read_text(encoding="utf-8")
    assert problems_of(out) == []


@pytest.mark.parametrize("source", [0, 1])
def test_what_is_measured_of_a_source_depends_on_its_mask(
    small_recipe: Path, models: Path, out: Path, source: int
) -> None:
    """What is measured of it is measured again; what follows from that depends on what is found."""

    ledger = Ledger(out / "ledger/segment.jsonl")
    fingerprint, record = next(ledger.newest())

    def followed() -> list[str]:
        steps = {step.name: step for step in built_steps(run_of(small_recipe, out, models))}
        return [steps[name].follows.of(record.block) for name in ("describe",)]

    before = followed()
    key = next(k for k in record.files if f"/cropland/c/{source}/" in k)
    ledger.append(
        fingerprint, [replace(record, files={**record.files, key: FileDigest("0" * 64, record.files[key].size)})]
    )
    assert not set(before) & set(followed())


def test_points_where_the_map_changed_since_they_were_drawn_are_counted(out: Path) -> None:
    cube = Cube.open(out / "cube.zarr")
    names = pd.read_parquet(out / "blocks.parquet").block
    ppd, points = cube.grid.px_per_degree, []
    for name in names:
        block = BlockIndex.parse(name)
        mask = cube.read_block("croplayer", block)
        for y, x in ((0, 0), (127, 3), (64, 127)):
            lat = 90 - (block.row * 128 + y + 0.5) / ppd
            lon = (block.col * 128 + x + 0.5) / ppd - 180
            points.append({"block": name, "lon": lon, "lat": lat, "mapped": int(mask[y, x])})
    table = pd.DataFrame(points)
    finished = BlockList.of(BlockIndex.parse(name) for name in names)
    assert changed_points(cube, finished, table) == 0
    table.loc[4, "mapped"] = 1 - table.mapped[4]
    assert changed_points(cube, finished, table) == 1
    assert changed_points(cube, finished.without(finished[:1]), table) == 4
