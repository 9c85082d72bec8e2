"""How a round learns: at the pixels of the map, from imagery that the map takes, judged as it maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shared.labelled_rounds import copied

from croplayer.active.project import LabelProject
from croplayer.active.reading import read_labels
from croplayer.active.rounds.learning import training_config, usable_scenes
from croplayer.active.rounds.making import RunSide
from croplayer.active.rounds.mapping import held_out_agreement
from croplayer.active.rounds.settings import Learning
from croplayer.active.scenes import labelled_scenes
from croplayer.measures.agreement import Agreement
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.bundles.whole_folders import write_whole_folder
from croplayer.models.networks.inference import predict_image
from croplayer.models.networks.manifest import MANIFEST_NAME, MANIFEST_SUM_NAME, manifest_sum, read_manifest
from croplayer.models.training.augmentation import SceneTensors, draw_batch, step_generator
from croplayer.models.training.scenes import LabelledScenes, RepairReport, SceneArrays
from stores.columns import COVERAGE_TYPE, map_column
from stores.legends import CoverageType


def test_a_round_learns_at_the_pixels_of_the_map_in_windows_that_its_pictures_fill(model: Path) -> None:
    before = read_manifest(model)
    for pixel_m in (0.5, 3.0, 30.0):
        low, high = training_config(before, Learning(), [pixel_m, 1.01 * pixel_m], 512, "m").gsd_m
        assert training_config(before, Learning(), [pixel_m], 512, "m").keeps_statistics
        assert 0.7 * pixel_m < low < pixel_m and 1.01 * pixel_m < high < 1.4 * pixel_m
    # A picture shows a quarter of the task's edge on each side beyond it.
    for window_px, crop_px in ((32, 32), (64, 96), (128, 192), (512, 256)):
        assert training_config(before, Learning(crop_px=256), [3.0], window_px, "m").crop_px == crop_px


def test_imagery_that_the_map_leaves_out_neither_teaches_nor_measures(
    labelled: LabelProject, side: RunSide, tmp_path: Path
) -> None:
    project = copied(labelled, tmp_path / "labels")
    scenes = labelled_scenes(project, read_labels(project))
    first, other = side.numbers.cube.sources
    column, place = map_column(COVERAGE_TYPE, first), scenes.names[0].partition("-")[0]
    blocks = side.numbers.blocks.copy()
    blocks[column] = CoverageType.PLANTING.label
    blocks[map_column(COVERAGE_TYPE, other)] = CoverageType.NON_PLANTING.label
    assert usable_scenes(scenes, replace(side.numbers, blocks=blocks)).names == scenes.names
    blocks.loc[blocks.block == place, column] = CoverageType.CLOUDY.label
    kept = usable_scenes(scenes, replace(side.numbers, blocks=blocks)).names
    lost = set(scenes.names) - set(kept)
    assert lost and all(name.startswith(place) and name.endswith(f".{first}") for name in lost)
    assert any(name.startswith(place) and name.endswith(f".{other}") for name in kept)
    unknown = replace(
        side.numbers, blocks=blocks.drop(columns=column).assign(**{map_column(COVERAGE_TYPE, other): None})
    )
    assert usable_scenes(scenes, unknown).names == scenes.names


class _Painted:
    """A scene that is not on disk."""

    name, gsd_m, polygons = "t.a", 9.0, ()

    def __init__(self, arrays: SceneArrays) -> None:
        self._arrays = arrays

    def read(self) -> SceneArrays:
        return self._arrays


def test_a_model_is_judged_as_it_maps_and_where_it_is_labelled(model: Path, side: RunSide, tmp_path: Path) -> None:
    """Pixels that the model is told not to know change nothing: the map does not resample for it either."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (64, 64, 3), np.uint8)
    valid, labelled = np.ones((64, 64), bool), np.zeros((64, 64), bool)
    valid[:, :4], labelled[8:40, 8:56] = False, True
    parcels = np.where(np.arange(64)[:, None] < 24, 1, 0) * np.ones((1, 64), np.int32)
    scenes = LabelledScenes(
        (_Painted(SceneArrays(rgb, parcels.astype(np.int32), valid, labelled)),), RepairReport((), ())
    )
    found = held_out_agreement(model, scenes, side.mapping)["t.a"]
    assert found.pixels == 32 * 48
    network = load_segmenter(model, device="cpu")
    mapped = (predict_image(network, rgb, valid) >= 125)[labelled]
    truth = (parcels > 0)[labelled]
    counts = [int((mapped == m).astype(int)[truth == t].sum()) for m, t in ((1, 1), (1, 0), (0, 1), (0, 0))]
    assert found == Agreement(*counts)
    other = _knowing(model, tmp_path / "other", (20.0, 40.0))
    assert held_out_agreement(other, scenes, side.mapping)["t.a"] == found
    assert held_out_agreement(model, scenes.subset([]), side.mapping) == {}


def _knowing(model: Path, place: Path, gsd_m: tuple[float, float]) -> Path:
    """The same model, which says that it knows other pixels."""
    manifest = replace(read_manifest(model), ground_sample_distance_m=gsd_m).to_json()
    contents = {path.name: path.read_bytes() for path in model.iterdir()}
    write_whole_folder(
        place, contents | {MANIFEST_NAME: manifest, MANIFEST_SUM_NAME: manifest_sum(manifest)}, MANIFEST_NAME
    )
    return place


@pytest.mark.parametrize("crop_px", [96, 256])
def test_windows_of_small_tasks_are_not_padded(crop_px: int, model: Path) -> None:
    config = training_config(read_manifest(model), Learning(crop_px=crop_px), [9.0], 64, "m")
    picture = SceneArrays(
        np.full((96, 96, 3), 90, np.uint8),
        np.ones((96, 96), np.int32),
        np.ones((96, 96), bool),
        np.ones((96, 96), bool),
    )
    scene = SceneTensors.from_arrays(picture, 9.0, torch.device("cpu"))
    batch = draw_batch([scene], 8, config.crop_px, config.gsd_m, config.augmentation, step_generator(0, 0))
    assert float(batch.valid.float().mean()) > 0.95
