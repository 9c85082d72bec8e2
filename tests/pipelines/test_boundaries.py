"""Boundaries of fields in a run: written where the model tells them, covered by the ledgers, gone with the model."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from shared.commands import croplayer
from shared.run_files import digests
from soak.damage import problems_of

from croplayer.cube.opening import open_cube
from pipelines.plan import plan_of
from pipelines.recipe_files import load_recipe
from pipelines.run import Run

ARRAY = "cube.zarr/2020/boundary_probability"


@pytest.fixture(scope="module")
def with_boundaries(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe with a network that tells boundaries; its weights are random."""
    from croplayer.models.bundles.bundle import write_bundle
    from croplayer.models.networks.segmentation import build_segmenter

    folder = tmp_path_factory.mktemp("unet")
    network = build_segmenter("unet", "tiny", seed=1)
    manifest = network.described(gsd_m=(14.0, 20.0), training_data="none", licence="none")
    bundle = write_bundle(folder / "unet", network.model, manifest)
    text = small_recipe.read_text(encoding="utf-8").replace('"small_segmentation"', f'"{bundle}"')
    text = re.sub(r"\[segmentation\.training\]\n(?:.+\n)+", "", text)
    (folder / "small.toml").write_text(text, encoding="utf-8")
    return folder / "small.toml"


def uncompressed_gb(recipe: Path, folder: Path, models: Path) -> float:
    """What a plan says of the recipe with blocks so large that the figure, in thousandths, tells."""
    large, out = folder / "large.toml", folder / "run"
    large.write_text(recipe.read_text(encoding="utf-8").replace("block_px = 128", "block_px = 2560"), encoding="utf-8")
    return float(plan_of(Run(load_recipe(large, out), out, models))["uncompressed GB at most"])


def written(out: Path) -> dict[str, bytes]:
    """Files of blocks of the array, by their names."""
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in (out / ARRAY).rglob("c/**/*") if p.is_file()}


def test_a_plan_counts_boundaries(small_recipe: Path, with_boundaries: Path, models: Path, tmp_path: Path) -> None:
    with_them, without = (uncompressed_gb(r, tmp_path, models) for r in (with_boundaries, small_recipe))
    assert with_them - without == pytest.approx(2 * 4 * 2560**2 / 1e9, abs=0.0011)


def test_a_run_keeps_boundaries_as_long_as_its_model_tells_them(
    finished_small_run: Path, small_recipe: Path, with_boundaries: Path, models: Path, tmp_path: Path
) -> None:
    out, plain = tmp_path / "run", digests(finished_small_run)
    assert not [name for name in plain if "boundary_probability" in name]
    assert "boundary_probability" not in open_cube(finished_small_run)
    shutil.copytree(finished_small_run, out)

    croplayer("run", with_boundaries, "-o", out, "--workers", 1, models=models)
    assert problems_of(out) == [] and len(written(out)) == 2 * 4
    cube = open_cube(out).load()
    assert ((cube.boundary_probability == 254) == ~cube.imagery_valid).all()
    told = cube.boundary_probability.where(cube.imagery_valid)
    assert float(told.max()) <= 250 and float(told.std()) > 0
    assert cube.crop.flags().shape == cube.boundary_probability.shape[1:]

    whole = written(out)
    one = next(iter(whole))
    (out / one).write_bytes(whole[one][:-1])
    assert [one in problem for problem in problems_of(out)] == [True]
    croplayer("run", with_boundaries, "-o", out, "--until", "segment", "--workers", 1, models=models)
    assert written(out) == whole

    croplayer("run", small_recipe, "-o", out, "--workers", 1, models=models)
    assert problems_of(out) == [] and written(out) == {}
    assert bool(np.all(open_cube(out).boundary_probability == 255))
    assert digests(out) == plain | {f"{ARRAY}/zarr.json": digests(out)[f"{ARRAY}/zarr.json"]}
