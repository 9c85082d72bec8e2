from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from shared.label_edits import EMPTY, clear, draw, finish

from croplayer.active.project import LabelProject
from croplayer.active.reading import read_labels, read_tasks
from croplayer.active.scenes import labelled_scenes
from croplayer.models.training.training import TrainingConfig, train_segmentation


def test_only_finished_tasks_are_labelled(project: LabelProject) -> None:
    first, second, third, *_ = read_tasks(project)
    clear(project)
    draw(project, first, shapely.box(0, 0, 16, 32))
    draw(project, first, shapely.box(16, 0, 32, 8), **{"class": "not"})
    draw(project, second, shapely.box(0, 0, 16, 32))
    draw(project, third, shapely.box(0, 0, 32, 32), layer=EMPTY)
    with pytest.raises(ValueError, match=r"none of the 5 tasks of .* is done, so there is nothing to learn from"):
        labelled_scenes(project, read_labels(project))
    finish(project, first, third)
    scenes = labelled_scenes(project, read_labels(project))
    assert scenes.names == tuple(sorted(f"{t.id}.{s}" for t in (first, third) for s in ("aster", "borealis")))
    for scene, arrays in zip(scenes.scenes, scenes.read_all(), strict=True):
        assert arrays.labelled.sum() == 32 * 32 and arrays.labelled.size >= 40 * 40
        rows, cols = np.flatnonzero(arrays.labelled.any(axis=1)), np.flatnonzero(arrays.labelled.any(axis=0))
        inside = arrays.field[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        expected = np.zeros((32, 32), bool)
        expected[:, :16] = scene.name.startswith(first.id)
        assert np.array_equal(inside, expected)
        assert scene.gsd_m == pytest.approx(39.5, abs=0.1)
    assert scenes.field_share() == pytest.approx(0.25)


def test_a_network_learns_from_a_project(project: LabelProject, tmp_path: Path) -> None:
    tasks = read_tasks(project)
    clear(project)
    for task in tasks[:4]:
        draw(project, task, shapely.box(0, 0, 16, 32))
    finish(project, *tasks[:4])
    scenes = labelled_scenes(project, read_labels(project))
    config = TrainingConfig(steps=3, crop_px=32, batch=2, gsd_m=(40.0, 44.0), threads=1)
    bundle = train_segmentation(
        scenes, config, tmp_path / "model", work=tmp_path / "work", training_data="drawn (synthetic)", licence="none"
    )
    assert (bundle / "model.safetensors").is_file()


def test_a_lost_or_exchanged_picture_is_named(project: LabelProject) -> None:
    first, second, *_ = read_tasks(project)
    finish(project, first)
    clear(project, first)
    draw(project, first, shapely.box(0, 0, 16, 32))
    path = project.picture(first, "aster")
    path.write_bytes(project.picture(second, "aster").read_bytes())
    with pytest.raises(ValueError, match=rf"aster.tif does not show task {first.id}"):
        labelled_scenes(project, read_labels(project))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"aster.tif is missing, the imagery of task {first.id}"):
        labelled_scenes(project, read_labels(project))
