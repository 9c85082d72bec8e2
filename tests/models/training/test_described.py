from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from croplayer.models.bundles.bundle import load, read_checked
from croplayer.models.bundles.familiarity_file import (
    FAMILIARITY_NAME,
    LARGEST_FAMILIARITY,
    familiarity_of,
    load_familiarity,
)
from croplayer.models.training.described import add_familiarity, describe_scenes
from croplayer.models.training.scenes import LabelledScenes, RepairReport, SceneArrays
from croplayer.models.training.training import TrainingConfig, train_segmentation

SMALL = TrainingConfig(steps=2, crop_px=64, batch=2, gsd_m=(7.0, 11.0), threads=1)
TEXTS = {"training_data": "painted rectangles (synthetic)", "licence": "none"}


@dataclass(frozen=True)
class PaintedScene:
    """Green fields on grey speckle, or the same under water: one scene in memory."""

    name: str
    seed: int
    colour: tuple[int, int, int] = (60, 140, 50)
    gsd_m: float = 8.0
    side_px: int = 160
    labelled_rows: int = 1000

    @property
    def polygons(self) -> tuple[BaseGeometry, ...]:
        return (box(0, 0, 1, 1),)

    def read(self) -> SceneArrays:
        rng = np.random.default_rng(self.seed)
        side = self.side_px
        rgb = rng.integers(110, 155, (side, side, 3)).astype(np.uint8)
        parcels = np.zeros((side, side), np.int32)
        for i in range(4):
            y, x = rng.integers(0, side - 50, 2)
            rgb[y : y + 48, x : x + 48] = np.array(self.colour) + rng.integers(-12, 12, (48, 48, 3))
            parcels[y : y + 48, x : x + 48] = i + 1
        known = np.ones((side, side), bool)
        labelled = known.copy()
        labelled[self.labelled_rows :] = False
        return SceneArrays(rgb, parcels, known, labelled)


@dataclass(frozen=True)
class Upper:
    """The windows in the upper half of a scene, and imagery without any in its place below."""

    scene: PaintedScene

    @property
    def name(self) -> str:
        return self.scene.name

    @property
    def gsd_m(self) -> float:
        return self.scene.gsd_m

    @property
    def polygons(self) -> tuple[BaseGeometry, ...]:
        return self.scene.polygons

    def read(self) -> SceneArrays:
        arrays = self.scene.read()
        arrays.valid[80:] = False
        return arrays


def painted(count: int, **changed) -> LabelledScenes:
    return LabelledScenes(tuple(PaintedScene(f"scene{i}", i, **changed) for i in range(count)), RepairReport((), ()))


def test_training_describes_its_scenes_and_the_description_can_be_added_later(tmp_path):
    scenes = painted(6)
    trained = train_segmentation(scenes, SMALL, tmp_path / "m", work=tmp_path, **TEXTS)
    manifest, contents = read_checked(trained)
    written = contents[FAMILIARITY_NAME]
    assert len(written) <= LARGEST_FAMILIARITY and FAMILIARITY_NAME in manifest.files
    assert add_familiarity(trained, scenes.subset(["scene0", "scene1", "scene2", "scene3"])) == ["scene4", "scene5"]
    assert len(load_familiarity(trained).scene_distances) == 4
    assert add_familiarity(trained, scenes) == []
    again, same = read_checked(trained)
    assert replace(again, files={}) == replace(manifest, files={})
    assert {name for name in same if same[name] != contents[name]} <= {FAMILIARITY_NAME}
    # The layout of weights in memory, and with it the last bits, is another in training.
    later, first = (familiarity_of(data, trained) for data in (same[FAMILIARITY_NAME], written))
    np.testing.assert_allclose(later.scene_distances, first.scene_distances, rtol=1e-4)
    with pytest.raises(ValueError, match="2 of the 6 training scenes"):
        add_familiarity(trained, scenes.subset(["scene0", "scene1"]))


def test_scenes_smaller_than_a_window_are_not_described(tmp_path):
    trained = train_segmentation(
        painted(5, gsd_m=2.5), replace(SMALL, gsd_m=(2.0, 3.0)), tmp_path / "m", work=tmp_path, **TEXTS
    )
    assert load_familiarity(trained) is None


def test_ground_without_labels_is_not_described(tmp_path):
    trained = train_segmentation(painted(5), SMALL, tmp_path / "m", work=tmp_path, **TEXTS)
    network = load(trained, device="cpu")
    half = painted(5, labelled_rows=80)
    described = describe_scenes(network, half, SMALL.gsd_m)
    halves = LabelledScenes(tuple(Upper(scene) for scene in half.scenes), half.report)
    expected = describe_scenes(network, halves, SMALL.gsd_m)
    np.testing.assert_allclose(described.scene_distances, expected.scene_distances, rtol=1e-6)
    assert describe_scenes(network, painted(5, labelled_rows=10), SMALL.gsd_m) is None


def test_an_image_of_another_kind_is_less_familiar(tmp_path):
    trained = train_segmentation(painted(8), SMALL, tmp_path / "m", work=tmp_path, **TEXTS)
    network, described = load(trained, device="cpu"), load_familiarity(trained)
    alike, water, half = (
        described.of_image(network, *PaintedScene("new", seed, colour).read()[:1], np.ones((160, 160), bool))
        for seed, colour in [(77, (60, 140, 50)), (77, (5, 30, 200)), (78, (60, 140, 50))]
    )
    assert min(alike, half) > 1 / 9 > water > 0
    assert np.isnan(described.of_image(network, np.zeros((160, 160, 3), np.uint8), np.zeros((160, 160), bool)))


def test_finer_scenes_are_described_at_the_networks_pixel(tmp_path):
    trained = train_segmentation(painted(4), SMALL, tmp_path / "m", work=tmp_path, **TEXTS)
    network = load(trained, device="cpu")
    fine = describe_scenes(network, painted(5, gsd_m=3.5, side_px=320), SMALL.gsd_m)
    own = describe_scenes(network, painted(5, side_px=320), SMALL.gsd_m)
    # Means of two pixels of speckle spread less than the pixels.
    assert fine.window_px == own.window_px == 64
    assert fine.normal.mean[6] < own.normal.mean[6] - 0.5
