from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shared.places import REPOSITORY

import croplayer.models
from croplayer.models.bundles import catalogue
from croplayer.models.bundles.bundle import load, write_bundle
from croplayer.models.bundles.catalogue import find_bundle, shipped_folder, shipped_names
from croplayer.models.networks.coverage_network import CoverageNetwork, build_coverage_network
from croplayer.models.networks.manifest import Manifest, bundle_digest, read_manifest
from croplayer.models.networks.segmentation import BANDS, SegmentationNetwork, build_segmenter
from pipelines.engine.models import Models
from pipelines.recipe_errors import RecipeError
from pipelines.recipe_files import find_recipe, load_recipe
from stores.grid import Bounds

MEGABYTE = 2**20


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A shelf with one small bundle, ``plain``."""
    network = build_segmenter("segformer", "tiny", seed=3)
    manifest = Manifest(
        "segmentation", "segformer", "tiny", ("no", "yes"), BANDS, network.mean, network.std, (1.0, 5.0), "-", "-"
    )
    write_bundle(tmp_path / "shelf" / "plain", network.model, manifest)
    monkeypatch.setattr(catalogue, "SHIPPED", tmp_path / "shelf")
    return tmp_path / "shelf"


def recipe(tmp_path: Path, model: str, rest: str = ""):
    path = tmp_path / "recipe.toml"
    path.write_text(f'name = "x"\ntitle = "x"\nabout = "x"\nedition = "1"\n[segmentation]\nmodel = "{model}"\n{rest}')
    return load_recipe(path, tmp_path)


def test_a_model_is_found_by_name_or_folder(shelf, tmp_path, monkeypatch):
    assert shipped_names() == ("plain",)
    assert find_bundle("plain") == shelf / "plain" == shipped_folder("plain")
    assert find_bundle(str(shelf / "plain")) == shelf / "plain"
    assert croplayer.models.load("plain").architecture == "segformer"
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shelf / "plain", tmp_path / "plain")
    assert find_bundle("plain") == shelf / "plain"
    assert find_bundle("./plain") == Path("plain")


def test_an_unknown_name_is_told_what_there_is(shelf):
    with pytest.raises(FileNotFoundError, match=r"'fancy' is not a model bundle.*\(plain\)"):
        croplayer.models.load("fancy")
    with pytest.raises(FileNotFoundError, match="which has plain"):
        shipped_folder("fancy")


def test_a_damaged_shipped_model_is_refused(shelf):
    weights = shelf / "plain" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    with pytest.raises(ValueError, match="does not match its digest"):
        croplayer.models.load("plain")


def test_a_recipe_names_a_shipped_model(shelf, tmp_path):
    models = Models(tmp_path / "home", tmp_path)
    named = recipe(tmp_path, "plain")
    assert models.folders(named) == {"segmentation": shelf / "plain"}
    models.train_missing(named)
    assert not (tmp_path / "home").exists()
    with pytest.raises(RecipeError, match=r"nor an included model \(plain\)"):
        models.folders(recipe(tmp_path, "fancy"))


def test_a_recipe_with_its_own_training_trains(shelf, tmp_path, painted):
    images, polygons = painted
    rest = (
        f'[segmentation.training]\nimages = "{images}"\npolygons = "{polygons}"\narchitecture = "pidnet"\n'
        'description = "-"\nlicence = "-"\nstated_minutes = 1\n'
    )
    folder = Models(tmp_path / "home", tmp_path).segmentation(recipe(tmp_path, "plain", rest).segmentation)
    assert folder.parent == tmp_path / "home" and folder.name.startswith("plain-")


@pytest.mark.parametrize("name", shipped_names())
def test_what_is_shipped_is_whole_small_and_says_what_it_is(name):
    folder = shipped_folder(name)
    network, manifest = load(folder), read_manifest(folder)
    segments = manifest.kind == "segmentation"
    assert isinstance(network, SegmentationNetwork if segments else CoverageNetwork)
    assert sum(p.stat().st_size for p in folder.iterdir()) <= (16 if segments else 8) * MEGABYTE
    assert manifest.training_data and manifest.licence and manifest.metrics
    assert {"README.md", "stac_mlm.json", "model.safetensors", "config.json"} <= set(manifest.files)


def test_the_page_states_the_figures_of_the_shipped_model():
    page = (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8")
    figures = read_manifest(shipped_folder("default")).metrics["validation"]
    assert f"**{figures['pooled']['iou']:.3f}**" in page
    for scene, row in figures["by_scene"].items():
        assert f"| {scene} | {row['ground_sample_distance_m']:g} | {row['iou']:.3f} |" in page
    confusion = read_manifest(shipped_folder("default_coverage")).metrics["confusion_rows_truth"]
    assert all(" | ".join(map(str, row)) in page for row in confusion)


@pytest.mark.parametrize("recipe", ["demo", "synthetic_country"])
def test_the_models_of_the_synthetic_country_learned_outside_the_ground_they_map(recipe, tmp_path):
    """Scenes are named by their north-west corner and 512 px of about 7.9 m wide."""
    edge = 512 * 8.0 / 90_000
    bounds = Bounds(*load_recipe(find_recipe(recipe), tmp_path).region.bounds)
    names = read_manifest(shipped_folder("landscape")).metrics["training_scenes"]
    assert len(names) > 200
    for name in names:
        north, west = (float(part[1:]) for part in name.split("_")[1:])
        apart = west > bounds.east or west + edge < bounds.west or north < bounds.south or north - edge > bounds.north
        assert apart, name


def test_a_model_of_the_other_kind_is_refused():
    with pytest.raises(ValueError, match="'default_coverage' does not segment; name a segmentation model"):
        croplayer.models.load_segmenter("default_coverage")
    with pytest.raises(ValueError, match="'landscape' does not tell coverage types; name a coverage model"):
        croplayer.models.load_coverage("landscape", bundle_digest(shipped_folder("landscape")), "cpu")


def test_a_model_named_with_its_digest_is_loaded_once(shelf):
    digest = bundle_digest(shelf / "plain")
    network = croplayer.models.load_segmenter("plain", digest)
    assert croplayer.models.load_segmenter(shelf / "plain", digest) is network
    assert croplayer.models.load_segmenter("plain") is not network
    with pytest.raises(ValueError, match="it is another or a changed model"):
        croplayer.models.load_segmenter("plain", "0" * 64)


def test_what_a_coverage_model_starts_from_is_part_of_its_place(tmp_path):
    """A folder is known by its weights and not by its name; owner/model is a name on a hub where there is no such folder."""
    (tmp_path / "samples").mkdir()
    models = Models(tmp_path / "home", tmp_path)

    def coverage(start):
        rest = (
            '[coverage]\nmodel = "mine"\n[coverage.training]\nsamples = "samples"\n'
            f'description = "-"\nlicence = "-"\nstated_minutes = 1\nstart = "{start}"\n'
        )
        return recipe(tmp_path, "starts", rest).coverage

    for name, seed in {"a": 0, "same": 0, "b": 1}.items():
        build_coverage_network("tiny", seed).model.save_pretrained(tmp_path / name / "w")
    place = {name: models.coverage(coverage(f"{name}/w")) for name in ("a", "same", "b")}
    assert place["a"] == place["same"] != place["b"]
    assert models.coverage(coverage("random")) not in place.values()
    assert coverage("a/w").training.start == str(tmp_path / "a" / "w")
    assert coverage("microsoft/resnet-18").training.start == "microsoft/resnet-18"
    with pytest.raises(FileNotFoundError, match="neither a folder nor the name of a model on a hub"):
        models.coverage(coverage("nowhere"))
