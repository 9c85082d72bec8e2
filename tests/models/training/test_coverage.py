from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from croplayer.cube.whole_blocks import Cube
from croplayer.models.bundles.bundle import load, load_cached
from croplayer.models.bundles.catalogue import shipped_folder
from croplayer.models.networks.coverage_network import build_coverage_network, predict_coverage, thumbnail
from croplayer.models.networks.manifest import bundle_digest, read_manifest
from croplayer.models.training.coverage import (
    calibration_error,
    fit_temperature,
    split_samples,
    train_coverage,
)
from croplayer.models.training.coverage_samples import make_coverage_samples, read_cloud_scenes
from croplayer.models.training.labelled_thumbnails import read_coverage_samples
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training_config import CoverageConfig
from croplayer.tasks.assess import AssessTask
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange
from stores.legends import CoverageType


def test_thumbnail_is_the_area_average():
    rgb = np.random.default_rng(0).integers(0, 256, (256, 384, 3), dtype=np.uint8)
    valid = np.ones((256, 384), dtype=bool)
    expected = rgb.reshape(128, 2, 128, 3, 3).mean(axis=(1, 3))
    assert np.abs(thumbnail(rgb, valid) - expected).max() <= 0.5001
    valid[:2, :3] = False
    assert (thumbnail(rgb, valid)[0, 0] == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (100, 77), (128, 128), (511, 640)])
def test_thumbnail_of_any_size_keeps_a_constant_and_the_mean(shape):
    rgb = np.full((*shape, 3), 93, dtype=np.uint8)
    assert (thumbnail(rgb, np.ones(shape, dtype=bool)) == 93).all()
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert thumbnail(noise, np.ones(shape, dtype=bool)).mean() == pytest.approx(noise.mean(), abs=0.3)


def write_samples(folder, per_class=8):
    """Thumbnails whose brightness tells the class."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    with (folder / "labels.csv").open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(("image", "coverage_type", "origin"))
        for t in CoverageType:
            for i in range(per_class):
                image = np.clip(rng.normal(25 + 50 * int(t), 6, (128, 128, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(image).save(folder / "images" / f"{t.name}{i}.png")
                writer.writerow((f"{t.name}{i}.png", t.label if i % 2 else int(t), "synthetic"))
    return folder


def test_training_separates_the_classes_and_repeats_itself(tmp_path):
    samples = write_samples(tmp_path / "samples")
    config = CoverageConfig(steps=25, batch=10, threads=1)
    texts = {"training_data": "brightness (synthetic)", "licence": "none"}
    folder = train_coverage(samples, config, tmp_path / "a", **texts)
    again = train_coverage(samples, config, tmp_path / "b", **texts)
    assert (folder / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()
    manifest = read_manifest(folder)
    assert manifest.classes == ("Planting", "Non-planting", "Cloudy", "Snow/Ice", "Nodata")
    assert manifest.metrics["accuracy"] >= 0.6
    assert np.array(manifest.metrics["confusion_rows_truth"]).sum() == manifest.metrics["n_validation"] == 10
    assert manifest.metrics["samples_by_origin"]["Cloudy"] == {"synthetic": 8}
    data = read_coverage_samples(samples)
    probability = predict_coverage(load(folder), data.thumbnails)
    assert probability.shape == (40, 5) and probability.dtype == np.float32
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-5)


def test_a_training_goes_on_from_what_another_learned(tmp_path):
    samples = write_samples(tmp_path / "samples")
    texts = {"training_data": "brightness (synthetic)", "licence": "none"}
    first = train_coverage(samples, CoverageConfig(steps=25, batch=10, threads=1), tmp_path / "a", **texts)
    losses = {}
    for start in ("random", str(first)):
        config = CoverageConfig(steps=2, batch=10, threads=1, start=start)
        folder = train_coverage(samples, config, tmp_path / "b", **texts)
        losses[start] = json.loads((folder / "training.json").read_text())[0]["loss"]
    assert losses[str(first)] < losses["random"] - 0.1
    recipe = read_manifest(tmp_path / "b").recipe
    assert recipe["start"] == str(first) and recipe["start_digest"] == bundle_digest(first)


@pytest.mark.parametrize(
    ("size", "with_1000_classes", "features"),
    [("resnet-18", 11_689_512, 512), ("resnet-34", 21_797_672, 512), ("resnet-50", 25_557_032, 2048)],
)
def test_resnets_have_the_published_number_of_parameters(size, with_1000_classes, features):
    network = build_coverage_network(size, seed=0).eval()
    of_the_head = (features + 1) * 1000 - (features + 1) * 5
    assert sum(p.numel() for p in network.parameters()) == with_1000_classes - of_the_head
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 128, 128)).shape == (1, 5)


def test_split_takes_each_class_alike():
    types = np.repeat(np.arange(5), [20, 4, 8, 2, 40])
    own = tuple(map(str, range(74)))
    train, validation = split_samples(types, own, 0.25, seed=0)
    assert sorted([*train, *validation]) == list(range(74))
    assert np.bincount(types[validation]).tolist() == [5, 1, 2, 1, 10]
    np.testing.assert_array_equal(split_samples(types, own, 0.25, seed=0)[1], validation)
    with pytest.raises(ValueError, match="'Nodata' has 0 samples"):
        split_samples(types[types < 4], own[:34], 0.25, seed=0)


def test_samples_of_one_scene_stay_together():
    types = np.tile(np.arange(5), 20)
    scenes = tuple(f"scene{i // 10}" for i in range(100))
    train, validation = split_samples(types, scenes, 0.25, seed=1)
    assert not {scenes[i] for i in train} & {scenes[i] for i in validation}
    assert len(validation) == 30
    with pytest.raises(ValueError, match="expected both parts"):
        split_samples(types, ("all",) * 100, 0.25, seed=1)


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 5))
    types = np.array([rng.choice(5, p=np.exp(r) / np.exp(r).sum()) for r in logits])
    assert fit_temperature(logits * 3, types) == pytest.approx(3, rel=0.1)
    assert fit_temperature(logits, types) == pytest.approx(1, rel=0.1)


def test_calibration_error_of_known_answers():
    sure = np.tile([0.9, 0.1], (10, 1))
    assert calibration_error(sure, np.array([0] * 9 + [1])) == pytest.approx(0)
    assert calibration_error(sure, np.ones(10, dtype=int)) == pytest.approx(0.9)


def test_samples_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"labels\.csv"):
        read_coverage_samples(tmp_path)
    (tmp_path / "labels.csv").write_text("image,coverage_type,origin\nx.png,Foggy,real\n")
    with pytest.raises(ValueError, match="line 2 field 'coverage_type' is 'Foggy'"):
        read_coverage_samples(tmp_path)
    (tmp_path / "labels.csv").write_text("image,coverage_type,origin\nx.png,Cloudy,real\n")
    with pytest.raises(FileNotFoundError, match=r"x\.png"):
        read_coverage_samples(tmp_path)
    (tmp_path / "labels.csv").write_text("image,origin\n")
    with pytest.raises(ValueError, match="lacks column 'coverage_type'"):
        read_coverage_samples(tmp_path)


def test_samples_from_real_scenes_say_what_is_real(naip_fields, clouds, tmp_path):
    scenes = LabelledScenes.open(naip_fields / "images", naip_fields / "fields.gpkg")
    scenes = scenes.subset(scenes.names[:6])
    out = make_coverage_samples(scenes, clouds, tmp_path / "a", seed=0, per_class=3)
    data = read_coverage_samples(out)
    assert np.bincount(data.types).tolist() == [3] * 5
    origins = {CoverageType(t): o for t, o in zip(data.types, data.origins, strict=True)}
    assert origins[CoverageType.PLANTING] == origins[CoverageType.NON_PLANTING] == "real"
    assert origins[CoverageType.CLOUDY] == "real cloud composited"
    assert origins[CoverageType.SNOW_ICE] == origins[CoverageType.NODATA] == "synthetic"
    brightness = data.thumbnails.mean((1, 2, 3))
    assert brightness[data.types == CoverageType.SNOW_ICE].min() > brightness[data.types == CoverageType.PLANTING].max()
    again = read_coverage_samples(make_coverage_samples(scenes, clouds, tmp_path / "b", seed=0, per_class=3))
    np.testing.assert_array_equal(again.thumbnails, data.thumbnails)


def test_clouds_without_their_arrays_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="npz"):
        read_cloud_scenes(tmp_path)
    np.savez(tmp_path / "a.npz", img=np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match=r"a\.npz lacks array 'msk'"):
        read_cloud_scenes(tmp_path)


def test_a_blocks_type_is_told_on_the_cpu_where_there_is_a_gpu(monkeypatch, tmp_path):
    """Workers that do not offer the network's resource share the machine with those that hold the GPUs."""
    block = BlockIndex(1100, 5880)
    CUBE.create(DurableStore(tmp_path), "2020", BlockGrid(64), BlockRange(*block, 1, 1), ("aster",))
    cube = Cube.open(tmp_path)
    cube.write_block("rgb", block, np.random.default_rng(2).integers(0, 256, (64, 64, 3)).astype(np.uint8), "aster")
    cube.write_block("imagery_valid", block, np.ones((64, 64), dtype=bool), "aster")
    folder = shipped_folder("landscape_coverage")
    task = AssessTask(cube, None, str(folder), bundle_digest(folder), 0.1)
    expected = task.one(block)
    load_cached.cache_clear()
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert task.one(block) == expected
    assert expected.values["coverage_type_aster"] in {kind.label for kind in CoverageType}
