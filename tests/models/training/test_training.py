from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from shared.places import REPOSITORY

from croplayer.models.bundles.bundle import load
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.inference import predict_image, predict_layers
from croplayer.models.networks.manifest import bundle_digest, read_manifest
from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.training.augmentation import SceneTensors, draw_batch, step_generator
from croplayer.models.training.cross_validation import cross_validate
from croplayer.models.training.evaluation import evaluate_scenes
from croplayer.models.training.fitting import _optimizer
from croplayer.models.training.losses import boundaries, boundary_weights, mask_loss, training_loss
from croplayer.models.training.training import TrainingConfig, train_segmentation
from croplayer.models.training.training_config import Augmentation, learning_rate_at

SMALL = TrainingConfig(steps=6, crop_px=64, batch=2, gsd_m=(2.0, 3.0), checkpoint_every=2, threads=1)
CPU = torch.device("cpu")
GSD_M = 2.0
TEXTS = {"training_data": "painted rectangles (synthetic)", "licence": "none"}


def weights(folder) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("architecture", ["segformer", "pidnet"])
def test_interrupted_and_continued_is_the_undisturbed_run(architecture, painted_scenes, tmp_path):
    config = replace(SMALL, architecture=architecture)
    whole = train_segmentation(painted_scenes, config, tmp_path / "whole", work=tmp_path / "a", **TEXTS)

    def stop_at_5(report):
        if report.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_segmentation(
            painted_scenes, config, tmp_path / "resumed", work=tmp_path / "b", on_step=stop_at_5, **TEXTS
        )
    assert not (tmp_path / "resumed").exists()
    torch.manual_seed(99)
    seen = []
    resumed = train_segmentation(
        painted_scenes, config, tmp_path / "resumed", work=tmp_path / "b", on_step=seen.append, **TEXTS
    )
    assert [r.step for r in seen] == [5, 6]
    assert weights(resumed) == weights(whole)
    assert (resumed / "training.json").read_bytes() == (whole / "training.json").read_bytes()
    assert not list((tmp_path / "b").iterdir())


def test_the_gradient_of_accumulated_batches_is_their_mean(painted_scenes):
    from croplayer.models.training.fitting import _batches, _step
    from croplayer.models.training.torchrun import TorchrunGroup

    config = replace(SMALL, accumulation=2)
    scenes = [SceneTensors.from_arrays(a, 2.0, CPU) for a in painted_scenes.read_all()]
    batches = next(_batches([scenes], config, 0, TorchrunGroup()))
    network = build_segmenter("segformer", "tiny", 0).train()
    _step(
        network,
        torch.optim.SGD([{"params": list(network.model.parameters()), "share": 1.0}], lr=0.0),
        batches,
        0.0,
        config,
        0,
        TorchrunGroup(),
    )
    found = torch.cat([p.grad.reshape(-1) for p in network.model.parameters()])
    expected = sum(gradient(batch) for batch in batches) / 2
    assert torch.allclose(found, expected / expected.norm(), atol=1e-5)


def gradient(batch):
    network = build_segmenter("segformer", "tiny", 0).train()
    training_loss(network, batch, 1.0).backward()
    return torch.cat([p.grad.reshape(-1) for p in network.model.parameters()])


def test_training_stops_when_the_stopping_scenes_gain_no_more(painted_scenes, tmp_path):
    config = replace(SMALL, steps=40, patience=2, look_every=2, stopping_fraction=0.34, learning_rate=1e-12)
    whole = train_segmentation(painted_scenes, config, tmp_path / "whole", work=tmp_path / "a", **TEXTS)
    curve = json.loads((whole / "training.json").read_text())
    looks = [r["stopping_iou"] for r in curve if "stopping_iou" in r]
    best = int(np.argmax(looks))
    assert len(curve) == 2 * len(looks) < 40 and len(looks) == best + 3
    metrics = read_manifest(whole).metrics
    assert len(metrics["stopping_scenes"]) == 2
    assert sorted(metrics["stopping_scenes"] + metrics["training_scenes"]) == list(painted_scenes.names)

    def stop(report):
        if report.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_segmentation(painted_scenes, config, tmp_path / "again", work=tmp_path / "b", on_step=stop, **TEXTS)
    again = train_segmentation(painted_scenes, config, tmp_path / "again", work=tmp_path / "b", **TEXTS)
    assert weights(again) == weights(whole)
    assert (again / "training.json").read_bytes() == (whole / "training.json").read_bytes()


WORKER = """
import sys
from pathlib import Path
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training import TrainingConfig, train_segmentation

images, polygons, out = map(Path, sys.argv[1:])
config = TrainingConfig(steps=3, crop_px=64, batch=4, gsd_m=(2.0, 3.0), threads=1, average_decay=0.0)
train_segmentation(LabelledScenes.open(images, polygons), config, out / "bundle", work=out, training_data="-", licence="-")
"""


def test_two_processes_train_one_model(painted, painted_scenes, tmp_path):
    """Two processes under torchrun do what one does with both halves of each batch."""
    from croplayer.models.training.fitting import _batches, _optimizer, _step
    from croplayer.models.training.torchrun import TorchrunGroup

    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    command += ["--standalone", str(tmp_path / "worker.py"), *map(str, painted), str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY, timeout=300)
    scenes = [SceneTensors.from_arrays(a, GSD_M, CPU) for a in painted_scenes.read_all()]
    config = TrainingConfig(steps=3, crop_px=64, batch=4, gsd_m=(2.0, 3.0), threads=1)
    network = build_segmenter("segformer", "tiny", 0).train()
    start = [p.detach().clone() for p in network.model.parameters()]
    optimizer = _optimizer(network, config)
    halves = zip(
        _batches([scenes], config, 0, TorchrunGroup(0, 2)),
        _batches([scenes], config, 0, TorchrunGroup(1, 2)),
        strict=True,
    )
    for step, (left, right) in enumerate(halves):
        rate = learning_rate_at(step, config.steps, config.warmup_steps, config.learning_rate)
        _step(network, optimizer, left + right, rate, config, step, TorchrunGroup())
    assert read_manifest(tmp_path / "bundle").recipe["workers"] == 2
    trained = [p.detach() for p in load(tmp_path / "bundle").model.parameters()]
    expected = [p.detach() for p in network.model.parameters()]
    apart = sum(float((a - b).abs().sum()) for a, b in zip(trained, expected, strict=True))
    moved = sum(float((a - b).abs().sum()) for a, b in zip(start, expected, strict=True))
    assert moved > 0 and apart < 0.01 * moved


def test_another_seed_or_label_is_another_run(painted_scenes, tmp_path):
    one = train_segmentation(painted_scenes, SMALL, tmp_path / "1", work=tmp_path, **TEXTS)
    config = TrainingConfig(**{**SMALL.__dict__, "seed": 1})
    two = train_segmentation(painted_scenes, config, tmp_path / "2", work=tmp_path, **TEXTS)
    assert weights(one) != weights(two)


def test_callers_threads_and_random_state_do_not_matter(painted_scenes, tmp_path):
    one = train_segmentation(painted_scenes, SMALL, tmp_path / "1", work=tmp_path, **TEXTS)
    torch.set_num_threads(2)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    two = train_segmentation(painted_scenes, SMALL, tmp_path / "2", work=tmp_path, **TEXTS)
    assert weights(one) == weights(two)
    assert torch.get_num_threads() == 2
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("architecture", "steps"), [("segformer", 40), ("mask2former", 80)])
def test_it_learns_painted_fields(architecture, steps, painted_scenes, tmp_path):
    train, validation = painted_scenes.split_by_scene(0.34, seed=0)
    config = TrainingConfig(
        architecture=architecture, steps=steps, crop_px=96, batch=4, gsd_m=(1.5, 2.5), learning_rate=2e-3, threads=1
    )
    folder = train_segmentation(train, config, tmp_path / "m", work=tmp_path, validation=validation, **TEXTS)
    manifest = read_manifest(folder)
    figures = manifest.metrics["validation"]
    assert figures["pooled"]["iou"] > figures["all_field"]["iou"] + 0.2
    assert set(figures["by_scene"]) == set(validation.names)
    assert figures["no_field"]["iou"] == 0
    assert manifest.recipe["steps"] == steps
    assert manifest.instances == (architecture == "mask2former")
    assert manifest.training_data == TEXTS["training_data"]
    curve = json.loads((folder / "training.json").read_text())
    assert [c["step"] for c in curve] == list(range(1, steps + 1))
    arrays = validation.scenes[0].read()
    mask = predict_image(load(folder), arrays.rgb, arrays.valid) >= 125
    tp, either = (mask & arrays.field).sum(), (mask | arrays.field).sum()
    assert tp / either == pytest.approx(figures["by_scene"][validation.names[0]]["iou"], abs=1e-4)
    if manifest.instances:
        assert_boundaries_lie_where_fields_end(load(folder), arrays)


def assert_boundaries_lie_where_fields_end(network, arrays):
    h, w = (side // 32 * 32 for side in arrays.valid.shape)
    _, told = predict_layers(network, arrays.rgb[:h, :w], arrays.valid[:h, :w], cell_px=32, halo_px=0)
    parcels, known = (torch.from_numpy(part[:h, :w].copy())[None] for part in (arrays.parcels, arrays.valid))
    ends = boundaries(parcels.int(), known[None])[0].bool().numpy()
    assert told[ends & arrays.valid[:h, :w]].mean() > told[~ends & arrays.valid[:h, :w]].mean() + 25


def test_scenes_of_validation_may_not_be_trained_on(painted_scenes, tmp_path):
    with pytest.raises(ValueError, match="both in training and in validation"):
        train_segmentation(painted_scenes, SMALL, tmp_path / "m", work=tmp_path, validation=painted_scenes, **TEXTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "fcn"}, "architecture"),
        ({"size": "b9"}, "size"),
        ({"steps": 0}, "'steps'"),
        ({"crop_px": 100}, "'crop_px'"),
        ({"gsd_m": (5.0, 1.0)}, "'gsd_m'"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"precision": "float16"}, "'precision'"),
        ({"stored_as": "int8"}, "'stored_as'"),
        ({"encoder_rate": 0.0}, "'encoder_rate'"),
    ],
)
def test_wrong_settings_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**changes)


def test_learning_rate_rises_then_falls_to_zero():
    rates = [learning_rate_at(s, 200, 10, 1.0) for s in range(201)]
    assert np.argmax(rates) == 10 and rates[10] == 1.0
    assert all(np.diff(rates[:11]) > 0) and all(np.diff(rates[10:]) < 0)
    assert rates[200] == pytest.approx(0)


def scene_tensors(gsd_m=1.0, side=256):
    rng = np.random.default_rng(0)
    rgb = torch.from_numpy(rng.integers(0, 256, (3, side, side), dtype=np.uint8))
    parcels = torch.zeros((side, side), dtype=torch.int32)
    parcels[:, side // 2 :] = 1
    valid = torch.ones((side, side), dtype=torch.bool)
    return SceneTensors(rgb, parcels, valid, valid, gsd_m)


def test_a_batch_depends_on_seed_and_step_alone():
    def draw(seed, step):
        return draw_batch([scene_tensors()], 3, 64, (1.0, 4.0), Augmentation(), step_generator(seed, step))

    assert all(torch.equal(a, b) for a, b in zip(draw(0, 7), draw(0, 7), strict=True))
    assert not torch.equal(draw(0, 7).rgb, draw(0, 8).rgb)
    assert not torch.equal(draw(0, 7).rgb, draw(1, 7).rgb)


@pytest.mark.parametrize("turned", [0.0, 1.0])
def test_labels_turn_with_the_pixels(turned):
    scene = scene_tensors()
    rgb = scene.rgb.clone()
    rgb[:] = torch.where(scene.parcels > 0, 200, 20).to(torch.uint8)
    plain = Augmentation(colour=0, haze=0, blur=0, noise=0, jpeg=0, turned=turned)
    batch = draw_batch([scene._replace(rgb=rgb)], 16, 64, (0.7, 3.9), plain, step_generator(0, 0))
    grey = batch.rgb.mean(1)
    expected = (20 + 180 * batch.field) / 255
    assert ((grey - expected).abs()[batch.valid] < 0.01).all()
    assert ((batch.parcels > 0) == (batch.field > 0.5)).float().mean() > 0.98
    slanted = [
        w
        for w in batch.field
        if 0.1 < w.mean() < 0.9 and (w[0] - w[-1]).abs().sum() > 2 < (w[:, 0] - w[:, -1]).abs().sum()
    ]
    assert bool(slanted) == bool(turned)
    assert 0.2 < batch.field.mean() < 0.8


def test_mixed_windows_carry_the_labels_of_their_pixels():
    fields, meadows = scene_tensors(), scene_tensors()
    fields.rgb[:], fields.parcels[:] = 200, 1
    meadows.rgb[:], meadows.parcels[:] = 20, 0
    plain = Augmentation(colour=0, haze=0, blur=0, noise=0, jpeg=0)
    one, mixed = (
        draw_batch([fields, meadows], 16, 64, (1.0, 2.0), plain._replace(mix=share), step_generator(0, 0))
        for share in (0.0, 0.5)
    )
    for batch in (one, mixed):
        bright = batch.rgb.mean(1) > 0.5
        assert torch.equal(bright, batch.field > 0.5)
        assert torch.equal(bright, batch.parcels > 0)
    assert not one.mixed.any() and 2 <= mixed.mixed.any(2).any(1).sum() <= 14
    numbers = (mixed.parcels[mixed.mixed], mixed.parcels[~mixed.mixed])
    assert [set(part.unique().tolist()) for part in numbers] == [{0, 2**20 + 1}, {0, 1}]
    shares = mixed.field.mean((1, 2))
    assert set(one.field.mean((1, 2)).tolist()) == {0.0, 1.0}
    assert 2 <= ((shares > 0) & (shares < 1)).sum() <= 8
    assert all(0.3**2 - 0.05 < min(s, 1 - s) < 0.75**2 + 0.05 for s in shares[(shares > 0) & (shares < 1)].tolist())


def test_bfloat16_is_another_run_with_the_same_bytes_each_time(painted_scenes, tmp_path):
    config = replace(SMALL, architecture="pidnet", steps=2)
    whole, one, two = (
        train_segmentation(painted_scenes, replace(config, precision=p), tmp_path / str(i), work=tmp_path, **TEXTS)
        for i, p in enumerate(("float32", "bfloat16", "bfloat16"))
    )
    assert weights(one) == weights(two) != weights(whole)


def test_stored_in_half_precision_a_model_has_the_figures_of_its_stored_weights(painted_scenes, tmp_path):
    learn, held = painted_scenes.split_by_scene(0.34, 0)
    config = replace(SMALL, architecture="unet", stored_as="float16", start="random")
    half = train_segmentation(learn, config, tmp_path / "half", work=tmp_path, validation=held, **TEXTS)
    whole = train_segmentation(
        learn, replace(config, stored_as="float32"), tmp_path / "whole", work=tmp_path, validation=held, **TEXTS
    )
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (half, whole)]
    assert 0.4 < sizes[0] / sizes[1] < 0.7
    loaded = load_segmenter(half)
    exact = load_segmenter(whole).model.state_dict()
    for name, tensor in loaded.model.state_dict().items():
        expected = exact[name].half().float() if tensor.is_floating_point() else exact[name]
        assert torch.equal(tensor, expected), name
    figures = read_manifest(half).metrics["validation"]
    assert figures["pooled"] == evaluate_scenes(loaded, held)["pooled"]


def test_the_encoder_learns_at_a_share_of_the_rate():
    network = build_segmenter("unet", "tiny", 0)
    config = replace(SMALL, architecture="unet", encoder_rate=0.25)
    groups = _optimizer(network, config).param_groups
    names = {id(p): name for name, p in network.model.named_parameters()}
    share = {names[id(p)]: group["share"] for group in groups for p in group["params"]}
    decay = {names[id(p)]: group["weight_decay"] for group in groups for p in group["params"]}
    assert share.keys() == dict(network.model.named_parameters()).keys()
    assert {name.startswith("encoder.") for name, s in share.items() if s == 0.25} == {True}
    assert {name.startswith("encoder.") for name, s in share.items() if s == 1} == {False}
    assert decay["head.bias"] == 0 and decay["head.weight"] == config.weight_decay


def test_a_window_larger_than_its_scene_is_filled_as_unknown():
    batch = draw_batch([scene_tensors(2.0, 48)], 2, 64, (2.0, 2.0), Augmentation(), step_generator(0, 0))
    assert batch.valid.sum() == 2 * 48 * 48


def test_loss_ignores_unknown_pixels_and_prefers_the_truth():
    generator = torch.Generator().manual_seed(0)
    field = (torch.rand(2, 32, 32, generator=generator) > 0.5).float()
    weight = torch.ones_like(field)
    weight[:, :10] = 0
    logits = torch.randn(2, 32, 32, generator=generator)
    changed = torch.where(weight > 0, logits, -3 * logits)
    assert torch.equal(mask_loss(logits, field, weight), mask_loss(changed, field, weight))
    assert mask_loss(9 * (2 * field - 1), field, weight) < 0.01
    assert mask_loss(-9 * (2 * field - 1), field, weight) > 5


def test_boundary_weight_sits_on_the_edge():
    field = torch.zeros(1, 32, 32)
    field[:, :, 16:] = 1
    weights = boundary_weights(field, 2.0, torch.ones((1, 1, 32, 32), dtype=torch.bool))
    assert set(weights.unique().tolist()) == {1.0, 3.0}
    assert (weights[0, 5] == 3).nonzero().flatten().tolist() == list(range(13, 19))


def test_scenes_that_the_start_has_learned_from_are_never_judged(painted_scenes, tmp_path):
    learn, held = painted_scenes.split_by_scene(0.34, 0)
    first = train_segmentation(learn, SMALL, tmp_path / "first", work=tmp_path, **TEXTS)
    again = replace(SMALL, start=str(first))
    with pytest.raises(ValueError, match=f"has learned from 1 of the scenes to be judged, such as '{learn.names[0]}'"):
        train_segmentation(
            held, again, tmp_path / "wrong", work=tmp_path, validation=learn.subset(learn.names[:1]), **TEXTS
        )
    with pytest.raises(ValueError, match="has learned from"):
        cross_validate(painted_scenes, again, 2, tmp_path)
    second = train_segmentation(held, again, tmp_path / "second", work=tmp_path, **TEXTS)
    assert read_manifest(second).seen_scenes == set(painted_scenes.names)
    assert read_manifest(second).metrics["earlier_scenes"] == list(learn.names)


def test_the_manifest_tells_what_the_training_began_from_and_not_what_lies_there_later(painted_scenes, tmp_path):
    place = train_segmentation(painted_scenes, SMALL, tmp_path / "start", work=tmp_path, **TEXTS)
    began_from = bundle_digest(place)

    def replaced(report):
        if report.step == 1:
            train_segmentation(painted_scenes, replace(SMALL, seed=5, steps=1), place, work=tmp_path / "b", **TEXTS)

    config = replace(SMALL, start=str(place), steps=2)
    trained = train_segmentation(painted_scenes, config, tmp_path / "m", work=tmp_path, on_step=replaced, **TEXTS)
    assert bundle_digest(place) != began_from == read_manifest(trained).recipe["start_digest"]
