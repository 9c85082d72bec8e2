from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForSemanticSegmentation

from croplayer.models.bundles.bundle import load, load_cached, write_bundle
from croplayer.models.bundles.card import mlm_properties
from croplayer.models.bundles.pretrained import segmenter_from_pretrained
from croplayer.models.networks.coverage_network import build_coverage_network, predict_coverage
from croplayer.models.networks.layers import CLASSES
from croplayer.models.networks.manifest import Manifest, bundle_digest, manifest_sum, read_manifest
from croplayer.models.networks.segmentation import BANDS, build_segmenter


def manifest_for(network, **changes) -> Manifest:
    values = {
        "kind": "segmentation",
        "architecture": network.architecture,
        "size": network.size,
        "classes": CLASSES,
        "bands": BANDS,
        "mean": network.mean,
        "std": network.std,
        "ground_sample_distance_m": (1.0, 5.0),
        "training_data": "random weights",
        "licence": "none",
    }
    return Manifest(**(values | changes))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    network = build_segmenter("segformer", "tiny", seed=3).eval()
    folder = write_bundle(tmp_path_factory.mktemp("bundles") / "tiny", network.model, manifest_for(network))
    return folder, network


@pytest.fixture
def copy(written, tmp_path):
    shutil.copytree(written[0], tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("architecture", ["segformer", "mask2former"])
def test_what_is_written_is_what_is_loaded(architecture, tmp_path):
    network = build_segmenter(architecture, "tiny", seed=3).eval()
    folder = write_bundle(tmp_path / "bundle", network.model, manifest_for(network, metrics={"pooled": {"iou": 0.5}}))
    loaded = load(folder, bundle_digest(folder))
    assert not loaded.training
    assert loaded.manifest.metrics == {"pooled": {"iou": 0.5}}
    assert set(loaded.manifest.versions) == {"croplayer", "torch", "transformers"}
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network(pixels), loaded(pixels))


def test_same_weights_same_bytes(written, tmp_path):
    folder, network = written
    again = write_bundle(tmp_path / "again", network.model, manifest_for(network))
    assert bundle_digest(again) == bundle_digest(folder)


def test_the_ordinary_from_pretrained_reads_a_bundle(written):
    folder, network = written
    model = AutoModelForSemanticSegmentation.from_pretrained(folder).eval()
    face, _ = segmenter_from_pretrained(folder)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(pixels).logits, network.model(pixels).logits)
        assert torch.equal(face(pixels), network(pixels))


def test_pickled_weights_are_not_read(written, tmp_path):
    folder, network = written
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save(network.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        segmenter_from_pretrained(tmp_path)


def test_coverage_bundle(tmp_path):
    network = build_coverage_network("tiny", seed=1).eval()
    manifest = Manifest(
        "coverage", "resnet", "tiny", tuple("abcde"), BANDS, (0.5,) * 3, (0.25,) * 3, (1.0, 9.0), "-", "-",
        temperature=2.0,
    )  # fmt: skip
    loaded = load(write_bundle(tmp_path / "coverage", network.model, manifest))
    thumbnails = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    network.temperature = 2.0
    np.testing.assert_array_equal(predict_coverage(loaded, thumbnails), predict_coverage(network, thumbnails))


def test_loaded_once_per_path_and_digest(written):
    folder, _ = written
    assert load_cached(folder, bundle_digest(folder)) is load_cached(folder, bundle_digest(folder))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_changed_byte_is_refused(copy, written, data):
    name = data.draw(st.sampled_from(["model.safetensors", "config.json", "manifest.json", "manifest.sha256"]))
    original = (written[0] / name).read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[position] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.booleans())
    (copy / name).write_bytes(bytes(changed[:position]) if cut else bytes(changed))
    try:
        with pytest.raises(ValueError):
            load(copy)
    finally:
        (copy / name).write_bytes(original)


def test_damage_is_named(copy):
    (copy / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match=r"model\.safetensors does not match its digest"):
        load(copy)
    (copy / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks model\.safetensors"):
        load(copy)
    (copy / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match=r"manifest\.json does not match manifest\.sha256"):
        load(copy)
    (copy / "manifest.sha256").write_bytes(manifest_sum(b"[]"))
    with pytest.raises(ValueError, match="lacks fields"):
        load(copy)
    (copy / "manifest.sha256").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks manifest\.sha256"):
        load(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="is not a model bundle"):
        load(copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metrics": {"training_scenes": 5}}, "'training_scenes' that is no list of names of scenes"),
        ({"metrics": {"earlier_scenes": [["a"]]}}, "'earlier_scenes' that is no list of names of scenes"),
        ({"metrics": {"stopping_scenes": "abc"}}, "'stopping_scenes' that is no list of names of scenes"),
        ({"training_data": 5}, "'training_data' and 'licence' are not all text"),
        ({"temperature": 0}, "'temperature' is 0; expected above 0"),
        ({"temperature": -1.5}, "'temperature' is -1.5; expected above 0"),
        ({"temperature": float("nan")}, "'temperature' is nan; expected above 0"),
        ({"temperature": 10**400}, "are not all numbers of at most 1e[+]09"),
        ({"temperature": "warm"}, "are not all numbers of at most"),
        ({"ground_sample_distance_m": ["a", "b"]}, "are not all numbers of at most"),
        ({"ground_sample_distance_m": [1, 2, 3]}, "'ground_sample_distance_m' is .1, 2, 3.; expected 0 < low <= high"),
        ({"mean": [1e308] * 3}, "are not all numbers of at most"),
    ],
)
def test_a_hostile_manifest_is_refused_in_a_sentence(change, said, copy):
    stored = json.dumps(json.loads((copy / "manifest.json").read_text()) | change).encode()
    (copy / "manifest.json").write_bytes(stored)
    (copy / "manifest.sha256").write_bytes(manifest_sum(stored))
    with pytest.raises(ValueError, match=f"manifest.json: manifest fields? .*{said}"):
        read_manifest(copy)


def test_the_digest_of_the_manifest_is_that_of_sha256sum(written):
    subprocess.run(["sha256sum", "--check", "--strict", "manifest.sha256"], cwd=written[0], check=True)


def test_another_model_than_the_pinned_one_is_refused(written, tmp_path):
    network = build_segmenter("segformer", "tiny", seed=4)
    other = write_bundle(tmp_path / "other", network.model, manifest_for(network))
    with pytest.raises(ValueError, match="another or a changed model"):
        load(other, bundle_digest(written[0]))


def test_weights_that_do_not_fit_their_configuration_are_refused(written, tmp_path):
    network = build_segmenter("segformer", "tiny", seed=4)
    del network.model.decode_head.classifier
    half = write_bundle(tmp_path / "half", network.model, manifest_for(network))
    with pytest.raises(ValueError, match="does not fit its configuration"):
        load(half)


def test_damaged_weights_are_neither_written_nor_loaded(written, tmp_path):
    network = build_segmenter("segformer", "tiny", seed=4)
    with torch.no_grad():
        next(network.parameters())[0] = float("inf")
    with pytest.raises(ValueError, match="NaN or infinity"):
        write_bundle(tmp_path / "bad", network.model, manifest_for(network))
    assert not list(tmp_path.iterdir())


def test_paths_in_the_manifest_stay_in_the_folder(copy):
    values = json.loads((copy / "manifest.json").read_text())
    values["files"]["../outside"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(values))
    (copy / "manifest.sha256").write_bytes(manifest_sum((copy / "manifest.json").read_bytes()))
    with pytest.raises(ValueError, match="plain file name"):
        load(copy)


def test_writing_over_a_bundle_replaces_it_whole(written, tmp_path):
    network = build_segmenter("segformer", "tiny", seed=4)
    folder = write_bundle(tmp_path / "x", network.model, manifest_for(network), {"training.json": b"[]"})
    first = bundle_digest(folder)
    write_bundle(folder, network.model, manifest_for(network))
    assert bundle_digest(folder) != first and not (folder / "training.json").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert read_manifest(folder).architecture == "segformer"


def test_card_and_catalogue_fields_say_what_the_manifest_says(tmp_path):
    network = build_segmenter("segformer", "tiny", seed=4)
    figures = {"iou": 0.5, "boundary_iou": None, "f1": 0.25}
    validation = {"split": "by scene", "threshold": 0.5, "by_scene": {"north": figures}}
    validation |= dict.fromkeys(("pooled", "all_field", "no_field"), figures)
    manifest = manifest_for(network, training_data="painted (synthetic)", metrics={"validation": validation})
    folder = write_bundle(tmp_path / "m", network.model, manifest)
    card = (folder / "README.md").read_text()
    assert "painted (synthetic)" in card and "| north | 0.500 | - | 0.250 |" in card
    fields = json.loads((folder / "stac_mlm.json").read_text())
    assert fields["mlm:total_parameters"] == network.n_parameters
    assert fields["mlm:output"][0]["classification:classes"][1] == {"value": 1, "name": "cropland"}
    assert set(read_manifest(folder).files) == {"README.md", "config.json", "model.safetensors", "stac_mlm.json"}


@pytest.mark.parametrize(
    ("recipe", "origin"),
    [({"seed": 4}, {"mlm:pretrained": False}), ({}, {"mlm:pretrained": True, "mlm:pretrained_source": "their scenes"})],
)
def test_catalogue_fields_state_whether_others_trained_the_weights(recipe, origin):
    manifest = manifest_for(build_segmenter("segformer", "tiny", seed=4), training_data="their scenes", recipe=recipe)
    fields = mlm_properties(manifest, 1)
    assert {name: value for name, value in fields.items() if name.startswith("mlm:pretrained")} == origin


def test_a_client_needs_no_torch_to_know_its_models(written):
    """The client of a run is small; only the processes that work on blocks hold the networks."""
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; import pipelines.stages.order, pipelines.stages.report; "
        "from pipelines.engine.models import Models; from pipelines.recipe_files import find_recipe, load_recipe; "
        "from croplayer.models.networks.manifest import bundle_digest, read_manifest; "
        "recipe = load_recipe(find_recipe('demo'), Path('.')); models = Models(Path('.'), Path('.')); "
        "assert set(models.digests(recipe)) == {'segmentation', 'coverage'}; "
        "[read_manifest(folder) for folder in models.folders(recipe).values()]; "
        "rules = pipelines.stages.order.rules_of(recipe); assert 'segment' in {rule.name for rule in rules}; "
        f"print(bundle_digest(Path({str(written[0])!r}))); assert not {{'torch', 'transformers'}} & set(sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == bundle_digest(written[0])
