"""Trainings that start from weights that exist."""

from __future__ import annotations

import logging

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    ResNetConfig,
    ResNetForImageClassification,
    SegformerForImageClassification,
    SwinForImageClassification,
    SwinModel,
)

from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.networks.architectures import (
    ARCHITECTURES,
    ENCODERS,
    architecture_config,
    build_from_config,
)
from croplayer.models.networks.coverage_network import COVERAGE_ENCODER, build_coverage_network
from croplayer.models.networks.layers import COVERAGE
from croplayer.models.networks.manifest import bundle_digest, read_manifest
from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.training import start
from croplayer.models.training.start import start_digest, start_from, start_manifest
from croplayer.models.training.training import TrainingConfig, train_segmentation


def tiny(architecture, seed=0, **changes):
    config = architecture_config(architecture, "tiny")
    for name, value in changes.items():
        setattr(config, name, value)
    return build_from_config(architecture, config, seed).eval()


def bundle_of(architecture, folder, seed=1):
    network = build_segmenter(architecture, "tiny", seed)
    manifest = network.described(gsd_m=(1.0, 2.0), training_data="-", licence="-")
    return write_bundle(folder, network.model, manifest), network.model


def assert_started(model, other, encoder, fresh):
    """The encoder is that of ``other``, and everything else as it was in ``fresh``."""
    for name, tensor in model.state_dict().items():
        source = other if name.startswith(encoder) else fresh
        assert torch.equal(tensor, source.state_dict()[name]), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_bundle_gives_all_weights(architecture, tmp_path):
    folder, learned = bundle_of(architecture, tmp_path / "bundle")
    model = tiny(architecture)
    start_from(model, str(folder), architecture, "tiny")
    for name, tensor in learned.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name
    assert start_manifest(str(folder)).architecture == architecture and start_manifest("random") is None
    assert start_digest(str(folder), "tiny") == bundle_digest(folder)


def test_an_included_model_is_found_by_its_name():
    assert start_manifest("default") is not None
    assert start_digest("default", "lite") == start_digest("./croplayer/models/shipped/default", "lite")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_checkpoint_of_the_whole_model_gives_all_weights_even_in_half_precision(architecture, tmp_path):
    learned = tiny(architecture, seed=5)
    learned.save_pretrained(tmp_path)
    whole = load_file(tmp_path / "model.safetensors")
    save_file({k: t.half() if t.is_floating_point() else t for k, t in whole.items()}, tmp_path / "model.safetensors")
    model = tiny(architecture)
    start_from(model, str(tmp_path), architecture, "tiny")
    for name, tensor in learned.state_dict().items():
        if tensor.is_floating_point() and not name.startswith("criterion"):
            assert torch.equal(tensor.half().float(), model.state_dict()[name]), name


def test_an_encoder_alone_leaves_the_head_at_random(tmp_path, caplog, capfd):
    other = tiny("segformer", seed=5)
    other.segformer.save_pretrained(tmp_path)
    # transformers stores SegFormer under names that differ from those of its modules.
    assert not load_file(tmp_path / "model.safetensors").keys() & other.segformer.state_dict().keys()
    model, before = tiny("segformer"), torch.random.get_rng_state()
    capfd.readouterr()
    with caplog.at_level(logging.INFO, "croplayer"):
        start_from(model, str(tmp_path), "segformer", "tiny")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert capfd.readouterr() == ("", "")
    assert_started(model, other, ENCODERS["segformer"], tiny("segformer"))
    assert "weights start at random, such as decode_head." in caplog.text


def test_a_model_of_another_task_gives_its_encoder(tmp_path):
    config = architecture_config("segformer", "tiny")
    config.num_labels = 7
    other = SegformerForImageClassification(config)
    other.save_pretrained(tmp_path)
    model = tiny("segformer")
    start_from(model, str(tmp_path), "segformer", "tiny")
    assert_started(model, other, ENCODERS["segformer"], tiny("segformer"))


@pytest.mark.parametrize("kind", [SwinModel, SwinForImageClassification])
def test_mask2former_starts_from_a_swin(kind, tmp_path):
    config = architecture_config("mask2former", "tiny").backbone_config
    other = kind(config)
    other.save_pretrained(tmp_path)
    swin = other if kind is SwinModel else other.swin
    model, fresh = tiny("mask2former"), tiny("mask2former").state_dict()
    start_from(model, str(tmp_path), "mask2former", "tiny")
    place = "model.pixel_level_module.encoder.swin."
    for name, tensor in model.state_dict().items():
        if name.startswith(ENCODERS["mask2former"]):
            assert torch.equal(tensor, swin.state_dict()[name.removeprefix(place)]), name
        else:
            assert torch.equal(tensor, fresh[name]), name


def test_a_head_of_other_classes_starts_at_random(tmp_path):
    other = tiny("segformer", seed=5, num_labels=5)
    other.save_pretrained(tmp_path)
    model, fresh = tiny("segformer"), tiny("segformer")
    start_from(model, str(tmp_path), "segformer", "tiny")
    assert torch.equal(model.decode_head.classifier.weight, fresh.decode_head.classifier.weight)
    assert torch.equal(model.decode_head.linear_fuse.weight, other.decode_head.linear_fuse.weight)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_sizes": [16, 32, 80, 64]}, "and it has it as"),
        ({"depths": [1, 1, 2, 1]}, r"it has 'segformer\..*', and the encoder to train has no such weight"),
    ],
)
def test_a_checkpoint_of_another_size_is_refused(changes, said, tmp_path):
    tiny("segformer", seed=5, **changes).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=said) as error:
        start_from(tiny("segformer"), str(tmp_path), "segformer", "tiny")
    assert "choose the architecture and size of those weights" in str(error.value)


def test_a_shallower_network_does_not_start_from_a_bundle_of_a_deeper_one(tmp_path):
    shallow = architecture_config("segformer", "b2")
    assert shallow.hidden_sizes == architecture_config("segformer", "b3").hidden_sizes
    model = tiny("segformer", depths=[1, 1, 2, 1])
    network = build_segmenter("segformer", "tiny", 0)
    manifest = network.described(gsd_m=(1.0, 2.0), training_data="-", licence="-")
    write_bundle(tmp_path / "deep", model, manifest)
    with pytest.raises(ValueError, match="the encoder to train has no such weight"):
        start_from(tiny("segformer"), str(tmp_path / "deep"), "segformer", "tiny")
    write_bundle(tmp_path / "shallow", network.model, manifest)
    with pytest.raises(ValueError, match="and it lacks it"):
        start_from(model, str(tmp_path / "shallow"), "segformer", "tiny")


def test_weights_of_another_architecture_are_refused(tmp_path):
    folder, _ = bundle_of("pidnet", tmp_path / "bundle")
    with pytest.raises(ValueError, match="is a pidnet for segmentation; a segformer cannot start from it"):
        start_from(tiny("segformer"), str(folder), "segformer", "tiny")
    tiny("pidnet").save_pretrained(tmp_path / "checkpoint")
    with pytest.raises(ValueError, match="and it lacks it"):
        start_from(tiny("segformer"), str(tmp_path / "checkpoint"), "segformer", "tiny")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    other = tiny("segformer")
    with torch.no_grad():
        other.segformer.stages[0].layer_norm.weight[0] = torch.nan
    other.save_pretrained(tmp_path)
    model = tiny("segformer")
    with pytest.raises(ValueError, match="holds weights that are NaN or infinite"):
        start_from(model, str(tmp_path), "segformer", "tiny")
    assert all(bool(t.isfinite().all()) for t in model.state_dict().values())


def test_weights_that_are_not_there_are_named(tmp_path):
    model = tiny("segformer")
    with pytest.raises(FileNotFoundError, match="nowhere is neither a folder nor the name of a model on a hub"):
        start_from(model, "nowhere", "segformer", "tiny")
    with pytest.raises(FileNotFoundError, match="nowhere is neither"):
        start_digest("nowhere", "tiny")
    with pytest.raises(FileNotFoundError, match="pickled weights are not read"):
        start_from(model, str(tmp_path), "segformer", "tiny")
    with pytest.raises(ValueError, match="a segformer has no ImageNet weights here, only a unet has"):
        start_from(model, "imagenet", "segformer", "tiny")
    with pytest.raises(ValueError, match="no ImageNet weights for size 'tiny'"):
        start_from(tiny("unet"), "imagenet", "unet", "tiny")


def test_the_digest_of_a_checkpoint_is_that_of_its_weights(tmp_path):
    """Counters of batch norms are scalars, which a digest must take too."""
    model = tiny("unet")
    digests = []
    for name in ("a", "b", "c"):
        if name == "c":
            with torch.no_grad():
                model.encoder.stem[1].num_batches_tracked += 1
        model.save_pretrained(tmp_path / name)
        digests.append(start_digest(str(tmp_path / name), "tiny"))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("part", ["whole", "encoder"])
def test_the_network_of_coverage_types_starts_from_a_resnet(part, tmp_path):
    layout = build_coverage_network("tiny", seed=0).model.config.to_dict() | {"num_labels": 9}
    layout.pop("id2label"), layout.pop("label2id")
    other = ResNetForImageClassification(ResNetConfig.from_dict(layout))
    (other if part == "whole" else other.resnet).save_pretrained(tmp_path)
    model = build_coverage_network("tiny", seed=0).model
    start_from(model, str(tmp_path), COVERAGE, "tiny")
    assert_started(model, other, COVERAGE_ENCODER, build_coverage_network("tiny", seed=0).model)
    with pytest.raises(ValueError, match="choose the architecture and size"):
        start_from(build_coverage_network("resnet-18", seed=0).model, str(tmp_path), COVERAGE, "resnet-18")


def test_older_checkpoints_lack_counters_of_batch_norms(tmp_path):
    other = build_coverage_network("tiny", seed=5).model
    other.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file({k: t for k, t in weights.items() if "num_batches" not in k}, tmp_path / "model.safetensors")
    model = build_coverage_network("tiny", seed=0).model
    start_from(model, str(tmp_path), COVERAGE, "tiny")
    assert torch.equal(model.classifier[1].weight, other.classifier[1].weight)


def test_a_start_on_a_hub_may_say_its_revision_and_the_bundle_keeps_it(hub, painted_scenes, tmp_path):
    config = TrainingConfig(
        "segformer", steps=2, crop_px=64, batch=2, gsd_m=(2.0, 3.0), threads=1, start="owner/model@v1"
    )
    said = {"work": tmp_path, "training_data": "-", "licence": "-"}
    folder = train_segmentation(painted_scenes, config, tmp_path / "m", **said)
    manifest = read_manifest(folder)
    assert manifest.metrics["started_from"] == {"name": "owner/model", "revision": "1" * 40}
    assert manifest.recipe["start"] == "owner/model@v1"
    assert manifest.recipe["start_digest"] == start_digest(f"owner/model@{'1' * 40}", "tiny")
    assert manifest.recipe["start_digest"] != start_digest("owner/model", "tiny")
    assert f"Started from owner/model of a hub, revision {'1' * 40}" in (folder / "README.md").read_text()


def test_a_name_on_a_hub_is_fetched_once_in_a_process(hub, tmp_path):
    """So a training that asks for it several times has one commit, whatever the hub does meanwhile."""
    first = start_digest("owner/model", "tiny")
    (hub / "refs" / "main").write_text("1" * 40)
    assert start_digest("owner/model", "tiny") == first != start_digest("owner/model@v1", "tiny")


def test_weights_are_digested_once_until_they_change(tmp_path, monkeypatch):
    read = []
    plain = start.checkpoint_weights
    monkeypatch.setattr(start, "checkpoint_weights", lambda name: read.append(name) or plain(name))
    tiny("pidnet", seed=1).save_pretrained(tmp_path)
    first = [start_digest(str(tmp_path), "tiny") for _ in range(3)]
    assert len(read) == 1 and len(set(first)) == 1
    tiny("pidnet", seed=2).save_pretrained(tmp_path)
    assert start_digest(str(tmp_path), "tiny") != first[0] and len(read) == 2
