"""Train the model of a round from that of the round before, on new labels and on old ones again.

Every path that a bundle keeps is seen from the project's folder, so on a CPU the same folder gives the same bytes wherever it
lies.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from shapely.geometry.base import BaseGeometry

from croplayer.active.held_out import block_of
from croplayer.active.imagery import MARGIN_SHARE
from croplayer.active.rounds.labels import Role
from croplayer.active.rounds.settings import Learning
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.tasks import window_of_task
from croplayer.models.networks.manifest import Manifest, read_manifest
from croplayer.models.training.scenes import LabelledScenes, Scene, SceneArrays
from croplayer.models.training.training_config import StepReport, TrainingConfig

if TYPE_CHECKING:
    from croplayer.active.project import LabelProject


SCALED = 1.2
"""Windows are shown up to this many times smaller or larger than the map's pixels."""
STRIDE_PX = 32
"""Networks take windows whose edges are multiples of this."""


def largest_crop_px(window_px: int) -> int:
    """Edge of the largest window that lies in the picture of a task of an edge, margins included."""
    return max((window_px + 2 * (window_px // MARGIN_SHARE)) // STRIDE_PX, 1) * STRIDE_PX


@dataclass(frozen=True)
class ShownAgain:
    """A scene under another name, so that training draws it more often."""

    scene: Scene
    time: int
    """From 2."""

    @property
    def name(self) -> str:
        """Name of the scene and the time."""
        return f"{self.scene.name}#{self.time}"

    @property
    def gsd_m(self) -> float:
        """Ground sample distance in metres."""
        return self.scene.gsd_m

    @property
    def polygons(self) -> tuple[BaseGeometry, ...]:
        """Its fields."""
        return self.scene.polygons

    def read(self) -> SceneArrays:
        """Pixels and labels."""
        return self.scene.read()


def scenes_of(scenes: LabelledScenes, labels: pd.DataFrame, *roles: Role) -> LabelledScenes:
    """The scenes of the tasks of some roles.

    Parameters
    ----------
    scenes : of all finished tasks, named TASK.SOURCE
    labels : `labels.label_table`
    """
    tasks = set(labels.task[labels.role.isin([str(role) for role in roles])])
    return scenes.subset([name for name in scenes.names if name.partition(".")[0] in tasks])


def usable_scenes(scenes: LabelledScenes, numbers: RunNumbers) -> LabelledScenes:
    """The scenes of sources whose imagery the map takes there.

    What people drew by the one picture says nothing of another one under cloud or snow, which the map leaves out, too.

    Parameters
    ----------
    scenes : of all finished tasks, named TASK.SOURCE
    """
    grid = numbers.cube.grid

    def is_usable(name: str) -> bool:
        task, _, source = name.partition(".")
        return numbers.is_usable(block_of(window_of_task(task, grid), grid).name, source)

    return scenes.subset([name for name in scenes.names if is_usable(name)])


def shown_scenes(scenes: LabelledScenes, labels: pd.DataFrame, new_times: int) -> LabelledScenes:
    """What a round learns from: its new labels ``new_times``, the old ones once."""
    new = scenes_of(scenes, labels, Role.NEW)
    again = tuple(ShownAgain(scene, time) for scene in new.scenes for time in range(2, new_times + 1))
    shown = (*new.scenes, *again, *scenes_of(scenes, labels, Role.OLD).scenes)
    return LabelledScenes(tuple(sorted(shown, key=lambda scene: scene.name)), scenes.report)


def train_round(
    project: LabelProject,
    shown: LabelledScenes,
    start: str,
    settings: Learning,
    out: Path,
    words: str,
    unlabelled: LabelledScenes | None = None,
    on_step: Callable[[StepReport], None] | None = None,
) -> Path:
    """Train from a bundle and write another; a training that was killed goes on from its checkpoint beside ``out``.

    The process works in the project's folder meanwhile.

    Parameters
    ----------
    shown : training scenes, none of a held-out block
    start : folder of the bundle that it starts from, seen from the project
    out : folder of the new bundle
    words : what the labels are, for the manifest
    unlabelled : pictures without a label (`keeping.unlabelled_pictures`), on which the map of the start is kept

    Raises
    ------
    ValueError for labels that teach nothing, or a model that cannot be trained further.
    """
    from croplayer.models.training.training import train_segmentation

    with contextlib.chdir(project.folder):
        before = read_manifest(Path(start))
        pixel_m = [scene.gsd_m for scene in shown.scenes]
        config = training_config(before, settings, pixel_m, project.settings.window_px, start)
        return train_segmentation(
            shown, config, out, work=out.with_name("work"), training_data=f"{words}, after: {before.training_data}",
            licence=f"labels: not stated; the model before: {before.licence}", unlabelled=unlabelled, on_step=on_step,
        )  # fmt: skip


def training_config(
    before: Manifest, settings: Learning, pixel_m: list[float], window_px: int, start: str
) -> TrainingConfig:
    """The configuration of a round's training: the network of the model before, the pixels of the map, the project's settings.

    A map is made at its own pixel whatever pixels the model before knew, so the network learns at that scale and a little
    around it. Windows are no larger than the pictures, of which the rest would be blank.

    Parameters
    ----------
    pixel_m : edges of the map's pixels in metres, of every scene
    window_px : edge of the tasks
    """
    return TrainingConfig(
        architecture=before.architecture, size=before.size, start=start,
        gsd_m=(min(pixel_m) / SCALED, max(pixel_m) * SCALED), steps=settings.steps,
        crop_px=min(settings.crop_px, largest_crop_px(window_px)), batch=settings.batch, learning_rate=settings.learning_rate,
        encoder_rate=settings.encoder_rate, checkpoint_every=settings.checkpoint_every, threads=settings.threads,
        seed=settings.seed, keeps_statistics=True, keep=settings.keep,
    )  # fmt: skip
