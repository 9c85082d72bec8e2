"""The commands `croplayer models ...`, run as a user runs them, in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from croplayer.models.bundles.bundle import load
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.networks.segmentation import build_segmenter
from pipelines.cli import main

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT = ["--steps", "2", "--crop-px", "64", "--batch", "2", "--gsd", "2.0", "3.0", "--threads", "1"]


def croplayer_models(*arguments: object, code: int = 0):
    result = CliRunner().invoke(main, ["models", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def scene_options(painted):
    return ["--images", painted[0], "--polygons", painted[1]]


@pytest.fixture(scope="module")
def trained(scene_options, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "small"
    licence = ["--description", "painted rectangles", "--licence", "none"]
    croplayer_models("train", *scene_options, *SHORT, *licence, "-o", out, "--models", out.parent)
    return out


def test_train_writes_a_bundle_with_figures_of_unseen_scenes(trained, painted_scenes):
    manifest = read_manifest(trained)
    assert manifest.training_data == "painted rectangles" and manifest.ground_sample_distance_m == (2.0, 3.0)
    unseen = set(manifest.metrics["validation"]["by_scene"])
    assert len(unseen) == 1 and not unseen & set(manifest.metrics["training_scenes"])
    assert (trained / "training.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("architecture", ["segformer", "mask2former", "pidnet"])
def test_weights_of_transformers_become_a_bundle(architecture, tmp_path):
    network = build_segmenter(architecture, "tiny", seed=3).eval()
    network.model.save_pretrained(tmp_path / "hub")
    said = ["--gsd", 1, 3, "--description", "nothing", "--licence", "none"]
    croplayer_models("import", tmp_path / "hub", *said, "-o", tmp_path / "bundle")
    loaded = load(tmp_path / "bundle")
    assert loaded.gsd_m == (1.0, 3.0) and loaded.architecture == architecture
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_folds_judge_every_scene(scene_options, painted_scenes, tmp_path):
    options = [*SHORT, "--architecture", "pidnet", "--folds", 2]
    croplayer_models("train", *scene_options, *options, "-o", tmp_path / "m", "--models", tmp_path)
    metrics = read_manifest(tmp_path / "m").metrics
    assert set(metrics["validation"]["by_scene"]) == set(metrics["training_scenes"]) == set(painted_scenes.names)


def test_train_says_what_is_missing(scene_options, tmp_path):
    assert "give a RECIPE, or --images" in croplayer_models("train", *scene_options, code=2).output
    assert "not both" in croplayer_models("train", "naip_fields", *scene_options, code=2).output


def test_evaluate_refuses_scenes_that_trained_the_model(trained, scene_options, painted, tmp_path):
    output = croplayer_models("evaluate", trained, *scene_options, code=2).output
    assert "was trained on 5 of the scenes" in output
    images = tmp_path / "images"
    images.mkdir()
    for i in range(2):
        (images / f"new{i}.tif").write_bytes((painted[0] / f"scene{i}.tif").read_bytes())
    import geopandas

    table = geopandas.read_file(painted[1])
    table = table[table.image.isin(["scene0", "scene1"])].assign(image=lambda t: t.image.str.replace("scene", "new"))
    table.to_file(tmp_path / "new.gpkg")
    arguments = ["evaluate", trained, "--images", images, "--polygons", tmp_path / "new.gpkg"]
    figures = json.loads(croplayer_models(*arguments, "--json").stdout)
    assert set(figures["by_scene"]) == {"new0", "new1"} and 0 <= figures["pooled"]["iou"] <= 1
    assert "answer: all field" in croplayer_models(*arguments).stdout


def test_compare_prints_the_table(scene_options, tmp_path):
    two = ["--model", "pidnet-tiny", "--model", "pspnet-tiny"]
    output = croplayer_models("compare", *scene_options, *SHORT, *two, "-o", tmp_path).stdout
    for word in ("training s", "boundary IoU", "px/s", "parameters", "pidnet tiny", "pspnet tiny"):
        assert word in output
    rows = json.loads((tmp_path / "comparison.json").read_text())
    assert [row["architecture"] for row in rows] == ["pidnet", "pspnet"]
    bad = croplayer_models("compare", *scene_options, *SHORT, "--model", "pidnet", "-o", tmp_path, code=2)
    assert "ARCHITECTURE-SIZE" in bad.output


def test_list_and_show(trained):
    listed = json.loads(croplayer_models("list", "--models", trained.parent, "--json").stdout)
    assert str(trained) in {row["name"] for row in listed}
    assert str(trained) in croplayer_models("list", "--models", trained.parent).stdout
    assert "painted rectangles" in croplayer_models("show", trained).stdout
    assert json.loads(croplayer_models("show", trained, "--json").stdout)["kind"] == "segmentation"
    assert "is not a model bundle" in croplayer_models("show", "fancy", code=2).output


def test_export_writes_a_graph(trained, tmp_path):
    output = croplayer_models("export", trained, "--side-px", 64, "-o", tmp_path / "out").stdout
    assert str(tmp_path / "out" / "model.pt2") in output and (tmp_path / "out" / "MODEL.md").exists()


def test_a_recipe_trains_folds_and_synthetic_scenes(painted, painted_scenes, tmp_path):
    recipe = tmp_path / "folds.toml"
    recipe.write_text(
        'name = "folds"\ntitle = "-"\nabout = "-"\nedition = "1"\n[segmentation]\nmodel = "mine"\n'
        f'[segmentation.training]\nimages = "{painted[0]}"\npolygons = "{painted[1]}"\nfolds = 2\n'
        'synthetic_scenes = 1\narchitecture = "pidnet"\nsteps = 2\ncrop_px = 64\nbatch = 2\nthreads = 1\n'
        'description = "-"\nlicence = "-"\nstated_minutes = 1\n'
    )
    folder = croplayer_models("train", recipe, "--models", tmp_path / "home").stdout.strip().splitlines()[-1]
    metrics = read_manifest(Path(folder)).metrics
    assert set(metrics["validation"]["by_scene"]) == set(painted_scenes.names)
    (synthetic,) = set(metrics["training_scenes"]) - set(painted_scenes.names)
    assert synthetic.startswith(("aster", "borealis"))
    assert croplayer_models("train", recipe, "--models", tmp_path / "home").stdout.strip().splitlines()[-1] == folder
