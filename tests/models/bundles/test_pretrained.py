"""Weights of others: what a checkpoint says of itself is used, or refused in a sentence."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSemanticSegmentation,
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessorPil,
    SwinConfig,
)

from croplayer.models.bundles.bundle import load, write_bundle
from croplayer.models.bundles.pretrained import bundle_from_pretrained, segmenter_from_pretrained
from croplayer.models.judging.instances import predict_parcels
from croplayer.models.networks.manifest import manifest_sum, read_manifest
from croplayer.models.networks.segmentation import build_segmenter

SAID = {"gsd_m": (1.0, 3.0), "training_data": "theirs", "licence": "none"}
TWO = ("background", "cropland")


def segformer(folder: Path, names: tuple[str, ...] = TWO, **changes: Any) -> Path:
    """A tiny SegFormer of transformers with random weights and class names."""
    sizes: dict[str, Any] = {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 1, 1]}
    sizes |= {"decoder_hidden_size": 16, "mlp_ratios": [2, 2, 2, 2], "initializer_range": 0.3}
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    torch.manual_seed(1)
    SegformerForSemanticSegmentation(SegformerConfig(**(sizes | labels | changes))).eval().save_pretrained(folder)
    return folder


def edited(path: Path, **values: Any) -> None:
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | values))


def probability(folder: Path, indices: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Probability of cropland by croplayer's bundle and by transformers alone, for one picture."""
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    bundle = bundle_from_pretrained(folder, folder.parent / "bundle", **SAID, cropland=tuple(map(str, indices)))
    network = load(bundle)
    with torch.no_grad():
        pixels = network.normalise(torch.from_numpy(rgb[None]), torch.ones(1, 64, 64, dtype=torch.bool))
        ours = network(pixels).sigmoid()[0].numpy()
        has_words = (folder / "preprocessor_config.json").exists()
        processor = SegformerImageProcessorPil.from_pretrained(folder) if has_words else SegformerImageProcessorPil()
        model = AutoModelForSemanticSegmentation.from_pretrained(folder).eval()
        logits = model(processor(rgb, do_resize=False, return_tensors="pt").pixel_values.float()).logits
        shares = logits.softmax(1)[:, list(indices)].sum(1, keepdim=True)
        logit = shares.logit()
        theirs = torch.nn.functional.interpolate(logit, (64, 64), mode="bilinear", align_corners=False).sigmoid()
    return ours, theirs[0, 0].numpy()


@pytest.mark.parametrize(
    ("names", "index"),
    [
        (("background", "cropland"), 1),
        (("cropland", "background"), 0),
        (("Crop_Land", "something"), 0),
        (("not cropland", "field"), 1),
        (("agriculture", "water"), 0),
        (("LABEL_0", "LABEL_1"), 1),
    ],
)
def test_cropland_is_the_class_of_that_name(names: tuple[str, str], index: int, tmp_path: Path) -> None:
    network, checkpoint = segmenter_from_pretrained(segformer(tmp_path / "m", names))
    assert checkpoint.cropland == network.cropland == (index,)
    ours, theirs = probability(tmp_path / "m", ())[0], probability(tmp_path / "m", (index,))[1]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.abs(ours - (1 - theirs)).max() > 0.01
    manifest = read_manifest(tmp_path / "bundle")
    assert manifest.classes[index] == "cropland" and manifest.classes[1 - index] == "not cropland"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("water", "forest"), "the classes 0 water, 1 forest, and which is cropland is not clear; say which"),
        (("cropland", "field"), "which is cropland is not clear"),
        (("background", "building"), "whether 'building' is cropland is not clear"),
        (
            ("background", "wheat", "maize"),
            r"has 3 classes \(0 background, 1 wheat, 2 maize\); say which classes are cropland",
        ),
    ],
)
def test_names_that_do_not_say_it_are_refused(names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        segmenter_from_pretrained(segformer(tmp_path / "m", names))


def test_several_classes_are_cropland_where_a_person_says_so(tmp_path: Path) -> None:
    folder = segformer(tmp_path / "m", ("background", "wheat", "maize", "water"))
    ours, theirs = probability(folder, (1, 2))
    # The logit of the sum is enlarged here, as for two classes.
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    by_name, _ = segmenter_from_pretrained(folder, ("Maize", "wheat"))
    assert by_name.cropland == (1, 2)
    for chosen, message in (
        (("rye",), "has no class 'rye', or several of that name; it has 0 background, 1 wheat"),
        (("7",), "has no class '7'"),
        (("0", "1", "2", "3"), "all classes .* are named as cropland"),
    ):
        with pytest.raises(ValueError, match=message):
            segmenter_from_pretrained(folder, chosen)


def test_a_mask2former_with_three_classes(tmp_path: Path) -> None:
    names = {0: "other", 1: "rice", 2: "rape"}
    swin = SwinConfig(
        embed_dim=24, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8], window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=64,
        encoder_layers=1, decoder_layers=3, num_attention_heads=4, dim_feedforward=64, num_queries=6, id2label=names,
        label2id={v: k for k, v in names.items()},
    )  # fmt: skip
    torch.manual_seed(0)
    Mask2FormerForUniversalSegmentation(config).save_pretrained(tmp_path / "m")
    network, _ = segmenter_from_pretrained(tmp_path / "m", ("rice", "2"))
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = network.model(pixel_values=pixels)
        ours = network(pixels).sigmoid()
    share = torch.einsum(
        "nqc,nqhw->nchw", output.class_queries_logits.softmax(-1)[..., :-1], output.masks_queries_logits.sigmoid()
    )
    expected = share[:, 1:].sum(1) / share.sum(1)
    found = torch.nn.functional.interpolate(ours[:, None], expected.shape[-2:], mode="area")[:, 0]
    assert (found - expected).abs().mean() < 0.02
    rgb = np.zeros((64, 64, 3), np.uint8)
    predict_parcels(network, rgb, np.ones((64, 64), bool))


@pytest.mark.parametrize(
    "words",
    [
        {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.1, 0.2, 0.3]},
        {"do_rescale": False, "image_mean": [123.675, 116.28, 103.53], "image_std": [58.395, 57.12, 57.375]},
        {"do_normalize": False},
        {"rescale_factor": 1 / 127.5, "image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]},
        {"do_normalize": False, "do_rescale": False},
    ],
)
def test_pixels_are_prepared_as_the_checkpoint_says(words: dict[str, Any], tmp_path: Path) -> None:
    folder = segformer(tmp_path / "m")
    SegformerImageProcessorPil(**words).save_pretrained(folder)
    ours, theirs = probability(folder, (1,))
    np.testing.assert_allclose(ours, theirs, atol=2e-4)
    if not words.get("do_rescale", True) and "image_mean" in words:
        np.testing.assert_allclose(read_manifest(tmp_path / "bundle").mean, (0.485, 0.456, 0.406))


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("config", {"label2id": {"background": 1, "cropland": 0}}, "id2label and label2id in config.json disagree"),
        ("config", {"id2label": {"0": "background", "5": "cropland"}}, "numbered from 0"),
        ("config", {"id2label": {"0": "cropland"}, "label2id": {"cropland": 0}}, "expected 2 to 1024 classes"),
        ("config", {"id2label": {"0": "a\x1b[2J", "1": "cropland"}, "label2id": None}, "signs that cannot be printed"),
        ("config", {"num_channels": 4}, "reads pictures of 4 bands; expected 3"),
        ("config", {"num_labels": 3}, "says num_labels 3 and names 2 classes"),
        ("config", {"semantic_loss_ignore_index": 0}, "class 0 was left out of the training"),
        ("config", {"auto_map": {"AutoModel": "evil.Model"}}, "it needs code of its own, which is not run"),
        ("config", {"quantization_config": {"bits": 4}}, "its weights are quantised"),
        ("config", {"model_type": "bert"}, "holds a model of type 'bert'; expected one of segformer"),
        (
            "preprocessor_config",
            {"do_flip_channel_order": True},
            "says 'do_flip_channel_order', which croplayer does not do",
        ),
        ("preprocessor_config", {"size_divisor": 64}, "multiples of 64 px"),
        ("preprocessor_config", {"image_std": [0, 1, 1]}, "expected numbers above 0"),
        ("preprocessor_config", {"image_mean": [0.5]}, "one number for each of red, green and blue"),
        ("preprocessor_config", {"image_mean": "0.5"}, "one number for each of red, green and blue"),
        ("preprocessor_config", {"rescale_factor": "x"}, "'rescale_factor' is x; expected a number"),
        ("preprocessor_config", {"ignore_index": 1}, "class 1 was left out of the training"),
    ],
)
def test_what_cannot_be_honoured_is_refused(file: str, values: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = segformer(tmp_path / "m")
    edited(folder / f"{file}.json", **values)
    with pytest.raises(ValueError, match=message):
        bundle_from_pretrained(folder, tmp_path / "bundle", **SAID)
    assert not (tmp_path / "bundle").exists()


def test_reduced_labels_without_names_are_not_guessed(tmp_path: Path) -> None:
    folder = segformer(tmp_path / "m", ("LABEL_0", "LABEL_1"))
    edited(folder / "preprocessor_config.json", do_reduce_labels=True)
    with pytest.raises(ValueError, match="which is cropland is not clear"):
        segmenter_from_pretrained(folder)
    assert segmenter_from_pretrained(folder, ("0",))[0].cropland == (0,)


HUGE: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda c: {"hidden_sizes": [10**9] * 4},
    lambda c: {"depths": [10**9, 1, 1, 1]},
    lambda c: {"depths": [500, 500, 500, 500]},
    lambda c: {"num_encoder_blocks": 10**6},
    lambda c: {"decoder_hidden_size": 60_000, "hidden_sizes": [60_000] * 4},
    lambda c: {"num_labels": 10**9, "id2label": None, "label2id": None},
    lambda c: {"patch_sizes": [10**12] * 4},
    lambda c: {"initializer_range": float("inf")},
    lambda c: {"a": [[[[[[[[1]]]]]]]]},
    lambda c: {"a": list(range(20_000))},
    lambda c: {"hidden_sizes": "many"},
]


@pytest.mark.parametrize("huge", HUGE)
def test_configurations_that_ask_for_too_much_are_refused_before_anything_is_built(huge: Any, tmp_path: Path) -> None:
    """Both doors: a checkpoint of others and a bundle whose digests are right."""
    folder = segformer(tmp_path / "m")
    bundle = bundle_from_pretrained(folder, tmp_path / "bundle", **SAID)
    for path in (folder / "config.json", bundle / "config.json"):
        edited(path, **huge(json.loads(path.read_text())))
    resign(bundle)
    start = time.process_time()
    with pytest.raises(ValueError):
        segmenter_from_pretrained(folder)
    with pytest.raises(ValueError):
        load(bundle)
    assert time.process_time() - start < 20


def resign(bundle: Path) -> None:
    """Make the digests of a changed bundle right again, as somebody who hands one out would."""
    import hashlib

    values = json.loads((bundle / "manifest.json").read_text())
    values["files"] = {name: hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in values["files"]}
    (bundle / "manifest.json").write_text(json.dumps(values))
    (bundle / "manifest.sha256").write_bytes(manifest_sum((bundle / "manifest.json").read_bytes()))


def test_weights_that_are_missing_are_not_drawn_at_random(tmp_path: Path) -> None:
    folder = segformer(tmp_path / "m")
    state = load_file(folder / "model.safetensors")
    encoder = {name: tensor for name, tensor in state.items() if not name.startswith("decode_head.classifier")}
    save_file(encoder, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ValueError, match=r"lacks 2 weights that its configuration needs, such as 'decode_head\.classifier\.bias'"
    ):
        segmenter_from_pretrained(folder)
    (folder / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match="is no file of safetensors"):
        segmenter_from_pretrained(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match="pickled weights are not read"):
        segmenter_from_pretrained(folder)


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    folder = segformer(tmp_path / "m")
    (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
    (folder / "model.safetensors").symlink_to(tmp_path / "outside.safetensors")
    with pytest.raises(ValueError, match="is a link to a file outside its folder"):
        segmenter_from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    for name in ("../outside.safetensors", str(tmp_path / "outside.safetensors"), "outside.bin"):
        edited(folder / "model.safetensors.index.json", weight_map={"a": name})
        with pytest.raises(ValueError, match="names no plain files of safetensors"):
            segmenter_from_pretrained(folder)
    edited(folder / "adapter_config.json", base_model_name_or_path=str(tmp_path))
    with pytest.raises(FileNotFoundError, match="neither a folder nor the name of a model on a hub"):
        segmenter_from_pretrained(tmp_path / "nothing")
    network = build_segmenter("segformer", "tiny", seed=3)
    bundle = write_bundle(tmp_path / "b", network.model, network.described(**SAID))
    (bundle / "model.safetensors").rename(tmp_path / "weights")
    (bundle / "model.safetensors").symlink_to(tmp_path / "weights")
    with pytest.raises(ValueError, match="is a link to a file outside the bundle"):
        load(bundle)


def test_weights_in_several_files_are_read(tmp_path: Path) -> None:
    folder = segformer(tmp_path / "m")
    whole, _ = segmenter_from_pretrained(folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    parts = [dict(list(state.items())[i::2]) for i in range(2)]
    for i, part in enumerate(parts):
        save_file(part, folder / f"model-{i}.safetensors", metadata={"format": "pt"})
    edited(
        folder / "model.safetensors.index.json",
        weight_map={n: f"model-{i}.safetensors" for i in (0, 1) for n in parts[i]},
    )
    split, _ = segmenter_from_pretrained(folder)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, split.state_dict()[name])


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    folder = segformer(tmp_path / "m")
    state = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    edited(folder / "config.json", dtype="float16", return_dict=False)
    network, _ = segmenter_from_pretrained(folder)
    assert {t.dtype for t in network.model.parameters()} == {torch.float32}
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 32, 32)).dtype == torch.float32


def test_an_import_from_a_hub_keeps_its_revision(hub: Path, tmp_path: Path) -> None:
    for asked, seed in (("owner/model", "2"), ("owner/model@v1", "1"), (f"owner/model@{'1' * 40}", "1")):
        folder = bundle_from_pretrained(asked, tmp_path / "bundle", **SAID)
        assert read_manifest(folder).metrics == {"started_from": {"name": "owner/model", "revision": seed * 40}}
        stored, _ = segmenter_from_pretrained(hub / "snapshots" / (seed * 40))
        for name, tensor in load(folder).state_dict().items():
            assert torch.equal(tensor, stored.state_dict()[name]), name
        assert f"Imported from owner/model of a hub, revision {seed * 40}" in (folder / "README.md").read_text()
        said = json.loads((folder / "stac_mlm.json").read_text())
        assert said["mlm:pretrained_source"] == f"owner/model@{seed * 40}"


@pytest.mark.parametrize("name", ["owner/model@v9", "owner/other", "owner/other@main"])
def test_what_a_hub_does_not_give_is_named_with_its_revision(name: str, hub: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"^{name} is not a folder, and the hub did not give it: "):
        segmenter_from_pretrained(name)


@pytest.mark.parametrize("name", ["owner/model@", "owner/model@../x", "@v1", "owner@v1", "owner/model@v 1"])
def test_what_is_no_name_on_a_hub_is_never_asked_for(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="neither a folder nor the name of a model on a hub"):
        segmenter_from_pretrained(name)
