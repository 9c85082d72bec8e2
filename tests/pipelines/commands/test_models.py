"""The commands `croplayer models ...`, run as a user runs them, in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from croplayer.models.bundles.bundle import load, write_bundle
from croplayer.models.bundles.familiarity_file import load_familiarity
from croplayer.models.networks.manifest import bundle_digest, manifest_sum, read_manifest
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


def test_describe_adds_what_the_training_scenes_look_like(painted_scenes, scene_options, tmp_path):
    network = build_segmenter("segformer", "tiny", 0)
    learned = [*painted_scenes.names[:5], "elsewhere"]
    manifest = network.described(gsd_m=(2.0, 4.5), training_data="-", licence="-", metrics={"training_scenes": learned})
    folder = write_bundle(tmp_path / "m", network.model, manifest)
    assert load_familiarity(folder) is None
    told = croplayer_models("describe", folder, *scene_options)
    assert "left out: 1 training scenes that are not there, such as 'elsewhere'" in told.output
    assert len(load_familiarity(folder).scene_distances) == 5
    assert load(folder).manifest.metrics == manifest.metrics


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


def rows_of(folder):
    return json.loads((folder / "comparison.json").read_text())["rows"]


def test_compare_prints_the_table(scene_options, tmp_path):
    two = ["--model", "pidnet-tiny", "--model", "pspnet-tiny"]
    output = croplayer_models("compare", *scene_options, *SHORT, *two, "-o", tmp_path).stdout
    for word in ("training s", "boundary IoU", "px/s", "parameters", "pidnet tiny", "pspnet tiny"):
        assert word in output
    rows = rows_of(tmp_path)
    assert [row["architecture"] for row in rows] == ["pidnet", "pspnet"]
    bad = croplayer_models("compare", *scene_options, *SHORT, "--model", "pidnet", "-o", tmp_path, code=2)
    assert "ARCHITECTURE-SIZE" in bad.output


def test_a_comparison_that_was_stopped_trains_only_what_is_missing(scene_options, tmp_path, monkeypatch):
    options = ["compare", *scene_options, *SHORT, "-o", tmp_path, "--model", "segformer-tiny"]
    croplayer_models(*options)
    first = rows_of(tmp_path)
    from croplayer.models.judging import comparison

    trained, train = [], comparison.train_segmentation

    def stopped(scenes, config, *arguments, **more):
        trained.append(config.architecture)
        if config.architecture == "pspnet":
            raise KeyboardInterrupt
        return train(scenes, config, *arguments, **more)

    monkeypatch.setattr(comparison, "train_segmentation", stopped)
    croplayer_models(*options, "--model", "pidnet-tiny", "--model", "pspnet-tiny", code=130)
    assert trained == ["pidnet", "pspnet"]
    rows = rows_of(tmp_path)
    assert rows[0] == first[0] and [row["architecture"] for row in rows] == ["segformer", "pidnet"]


def test_a_comparison_goes_on_without_what_failed(scene_options, tmp_path, caplog):
    models = ["--model", "segformer-tiny:nowhere", "--model", "pidnet-tiny"]
    result = croplayer_models("compare", *scene_options, *SHORT, *models, "-o", tmp_path, code=1)
    reason = "nowhere is neither a folder nor the name of a model on a hub (owner/model, or owner/model@revision)"
    assert f"compare: segformer tiny from nowhere failed: {reason}" in caplog.messages
    failed, whole = result.stdout.splitlines()[-2:]
    assert failed.split("failed: ") == ["segformer tiny from nowhere".ljust(30), reason]
    assert whole.startswith("pidnet tiny ")
    assert [row.get("failure") for row in rows_of(tmp_path)] == [reason, None]


def test_a_batch_that_an_architecture_cannot_learn_from_is_refused_before_any_training(scene_options, tmp_path):
    options = [*SHORT, "--batch", 1, "-o", tmp_path / "out"]
    for name in ("pidnet", "pspnet"):
        refused = croplayer_models(
            "compare", *scene_options, *options, "--model", "segformer-tiny", "--model", f"{name}-tiny", code=2
        )
        assert f"training field 'batch' is 1 for 1 process(es); {name} normalises" in refused.output
    assert not (tmp_path / "out").exists()


def test_a_second_training_of_the_same_ends_with_a_sentence(scene_options, painted_scenes, tmp_path):
    from croplayer.models.bundles.whole_folders import only_one
    from croplayer.models.training.training import TrainingConfig, checkpoint_path

    config = TrainingConfig(steps=2, crop_px=64, batch=2, gsd_m=(2.0, 3.0), threads=1)
    learn, _ = painted_scenes.split_by_scene(0.2, config.seed)
    lock = checkpoint_path(tmp_path / "checkpoints", config, learn).with_suffix(".lock")
    arguments = ["train", *scene_options, *SHORT, "-o", tmp_path / "m", "--models", tmp_path]
    with only_one(lock, "this"):
        assert "another process works on the same training" in croplayer_models(*arguments, code=2).output
    (tmp_path / "checkpoints" / f".{lock.with_suffix('.safetensors').name}.{'0' * 32}.partial").write_bytes(b"killed")
    croplayer_models(*arguments)
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_wrong_starts_are_named(scene_options, tmp_path):
    def refused(start):
        return croplayer_models("train", *scene_options, *SHORT, "--from", start, "-o", tmp_path / "m", code=2).output

    assert "'default_coverage' does not segment, so a segmentation cannot start from it" in refused("default_coverage")
    assert "did you mean 'default'?" in refused("defualt")
    assert "expected the folder of a model with its weights as safetensors" in refused(tmp_path)
    assert "is neither a folder nor the name of a model on a hub" in refused("")


def test_a_training_holds_none_out_where_its_start_knows_the_scenes(scene_options, painted, trained, tmp_path):
    """By the option on the command line, and by the field of a recipe, as the message says."""
    options = ["train", *scene_options, *SHORT, "--from", trained, "--models", tmp_path]
    output = croplayer_models(*options, "--seed", 1, "-o", tmp_path / "m", code=2).output
    assert "hold out none (--validation 0, in a recipe validation_fraction = 0), or start from other weights" in output
    assert "leave out the folds" in croplayer_models(*options, "--folds", 2, "-o", tmp_path / "m", code=2).output
    croplayer_models(*options, "--seed", 1, "--validation", 0, "-o", tmp_path / "m")
    recipe = tmp_path / "none.toml"
    recipe.write_text(
        'name = "none"\ntitle = "-"\nabout = "-"\nedition = "1"\n[segmentation]\nmodel = "mine"\n'
        f'[segmentation.training]\nimages = "{painted[0]}"\npolygons = "{painted[1]}"\nstart = "{trained}"\n'
        "validation_fraction = 0\nsteps = 2\ncrop_px = 64\nbatch = 2\ngsd_m = [2.0, 3.0]\nthreads = 1\nseed = 1\n"
        'description = "-"\nlicence = "-"\nstated_minutes = 1\n'
    )
    croplayer_models("train", recipe, "-o", tmp_path / "of_recipe", "--models", tmp_path)
    manifests = [read_manifest(tmp_path / name) for name in ("m", "of_recipe")]
    assert all("validation" not in manifest.metrics for manifest in manifests)
    assert all(len(manifest.metrics["training_scenes"]) == 6 for manifest in manifests)


def test_figures_are_shown_beside_the_weights_that_they_were_measured_on():
    rows = {row["name"]: row for row in json.loads(croplayer_models("list", "--models", "nowhere", "--json").stdout)}
    # The figures of a cross-validation are those of the models of its folds.
    assert rows["default"]["figure"] is None
    assert rows["landscape"]["figure"] == pytest.approx(0.825, abs=5e-4)
    assert rows["default_coverage"]["figure"] == pytest.approx(0.968, abs=5e-4)
    line = next(
        line
        for line in croplayer_models("list", "--models", "nowhere").stdout.splitlines()
        if line.endswith(" default")
    )
    assert "0.888" not in line and " - " in line


@pytest.mark.parametrize(
    "option",
    [
        ("--architecture", "pidnet"),
        ("--size", "tiny"),
        ("--steps", 3),
        ("--folds", 2),
        ("--threads", 1),
        ("--gsd", 1, 2),
    ],
)
def test_options_that_a_recipe_leaves_without_effect_are_refused(option):
    output = croplayer_models("train", "landscape", *option, code=2).output
    assert f"give either a RECIPE or {option[0]}, not both" in output


def test_a_recipe_that_trains_nothing_is_refused():
    output = croplayer_models("train", "demo", code=2).output
    assert "recipe 'demo' trains no model: it names landscape, landscape_coverage" in output


def test_the_list_repairs_what_killed_trainings_left_and_names_what_is_damaged(trained, tmp_path):
    shutil.copytree(trained, tmp_path / f".moved.{'0' * 32}.old")
    shutil.copytree(trained, tmp_path / f".half.{'1' * 32}.partial")
    for name, change in (("hostile", {"metrics": []}), ("wide", {"std": [0, 1, 1]}), ("odd", {"classes": [1, 2]})):
        shutil.copytree(trained, tmp_path / name)
        values = json.loads((tmp_path / name / "manifest.json").read_text()) | change
        (tmp_path / name / "manifest.json").write_text(json.dumps(values))
        (tmp_path / name / "manifest.sha256").write_bytes(
            manifest_sum((tmp_path / name / "manifest.json").read_bytes())
        )
    listed = croplayer_models("list", "--models", tmp_path, "--json")
    names = [row["name"] for row in json.loads(listed.stdout) if row["name"].startswith(str(tmp_path))]
    assert names == [str(tmp_path / "moved")] and not list(tmp_path.glob(".*"))
    assert listed.stderr.count("left out: ") == 3 and "'metrics' is no list of keys and values" in listed.stderr


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
    out = croplayer_models("train", recipe, "--models", tmp_path / "home", "-o", tmp_path / "out").stdout.strip()
    assert out == str(tmp_path / "out") and bundle_digest(tmp_path / "out") == bundle_digest(Path(folder))
