"""Fields of a run whose network's queries were taught fields: the same stage and files, whoever works on which blocks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from shared.commands import croplayer
from shared.run_files import digests
from soak.damage import problems_of

from croplayer.cube.opening import open_cube
from croplayer.fields.rules import QUERIES, load_rules
from croplayer.kernels.joining import FEATURES
from stores.legends import CROPLAND


@pytest.fixture(scope="module")
def recipe(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe with a Mask2Former of random weights that says its queries were taught fields."""
    from croplayer.models.bundles.bundle import write_bundle
    from croplayer.models.networks.segmentation import build_segmenter

    folder = tmp_path_factory.mktemp("mask2former")
    network = build_segmenter("mask2former", "tiny", seed=0)
    with torch.no_grad():  # Random weights tell nearly the same everywhere.
        for name, parameter in network.named_parameters():
            if "mask_embedder" in name or "class_predictor" in name:
                parameter.mul_(6)
            if name.endswith("class_predictor.bias"):
                parameter[CROPLAND] += 5  # all is cropland, and only queries tell its fields apart
    manifest = network.described(gsd_m=(14.0, 20.0), training_data="none", licence="none", instances=True)
    bundle = write_bundle(folder / "m2f", network.model, manifest)
    text = small_recipe.read_text(encoding="utf-8").replace('"small_segmentation"', f'"{bundle}"')
    text = re.sub(r"\[segmentation\.training\]\n(?:.+\n)+", "", text)
    part = f'\n[fields]\nrules = "{QUERIES}"\nmin_confidence = 0.0\nmin_area_ha = 0.0\n'
    (folder / "small.toml").write_text(text + part, encoding="utf-8")
    return folder / "small.toml"


def test_fields_of_queries_are_the_same_whoever_works_on_which_blocks(
    recipe: Path, models: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    croplayer("run", recipe, "-o", one, "--until", "fields", "--workers", 1, models=models)
    assert problems_of(one) == []
    cube = open_cube(one).load()
    assert float(cube.boundary_probability.where(cube.imagery_valid).std()) > 0
    fields = cube.crop.fields()
    assert len(fields) > 4 and fields.id.is_unique and fields.edge_prob.notna().any()
    croplayer("run", recipe, "-o", two, "--until", "fields", "--workers", 2, models=models)
    names = [n for n in digests(one) if n.startswith("fields/") or "/field" in n or "/boundary_probability" in n]
    assert len(names) > 8
    assert {n: digests(one)[n] for n in names} == {n: digests(two)[n] for n in names}


def test_a_map_without_queries_is_refused_in_one_sentence(recipe: Path, small_recipe: Path, models: Path) -> None:
    part = recipe.read_text(encoding="utf-8").split("\n[fields]")[1]
    other = recipe.with_name("other.toml")
    other.write_text(small_recipe.read_text(encoding="utf-8") + "\n[fields]" + part, encoding="utf-8")
    done = croplayer("run", other, "-o", recipe.with_name("run"), models=models, check=False)
    said = "[fields]: rules: 'queries' needs a mask2former whose queries were taught single fields"
    assert done.returncode != 0 and said in done.stdout + done.stderr


def test_regions_are_joined_where_one_query_covers_more_than_half_of_the_line() -> None:
    rules = load_rules(QUERIES)
    join, line = rules.with_boundaries.join, FEATURES.index("line_boundary")
    assert join.hidden.shape == (1, len(FEATURES)) and (join.hidden[0] != 0).nonzero()[0].tolist() == [line]
    scores = [max(join.hidden[0, line] * apart + join.shift[0], 0) * join.out[0] + join.bias for apart in (0.4, 0.6)]
    assert scores[0] > 0 > scores[1]
    assert rules.name == QUERIES and rules.digest != load_rules().digest == load_rules("default").digest
