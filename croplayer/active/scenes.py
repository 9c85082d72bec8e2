"""Finished tasks as labelled scenes, which training takes like any others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rasterio
from shapely.geometry.base import BaseGeometry

from croplayer.active.project import LabelProject
from croplayer.active.reading import Reading
from croplayer.active.tasks import FieldClass, Task, TaskStatus
from croplayer.active.windows import pixel_m
from croplayer.models.training.scenes import LabelledScene, LabelledScenes, RepairReport, SceneArrays
from stores.grid import PixelWindow


@dataclass(frozen=True)
class TaskScene:
    """The picture of a finished task from one source; only its window is labelled, the margin around it is context."""

    picture: LabelledScene
    inside: tuple[slice, slice]
    """Rows and columns of the window in the picture."""

    @property
    def name(self) -> str:
        """Task and source."""
        return self.picture.name

    @property
    def gsd_m(self) -> float:
        """Ground sample distance in metres."""
        return self.picture.gsd_m

    @property
    def polygons(self) -> tuple[BaseGeometry, ...]:
        """Its fields, in longitudes and latitudes."""
        return self.picture.polygons

    def read(self) -> SceneArrays:
        """Pixels and labels; ``labelled`` is True only inside the window, where there is imagery."""
        arrays = self.picture.read()
        labelled = np.zeros_like(arrays.labelled)
        labelled[self.inside] = arrays.labelled[self.inside]
        return arrays._replace(labelled=labelled)


def labelled_scenes(project: LabelProject, reading: Reading) -> LabelledScenes:
    """A scene of each source for every finished task, sorted by name.

    Raises ValueError when no task is finished or a picture is of another place, FileNotFoundError when one is missing.
    """
    done = [task for task in reading.tasks if task.status == TaskStatus.DONE]
    if not done:
        raise ValueError(
            f"none of the {len(reading.tasks)} tasks of {project.folder} is done, so there is nothing to learn from"
        )
    cropland = reading.fields[reading.fields["class"] == FieldClass.CROPLAND]
    scenes = []
    for task in done:
        polygons = tuple(cropland.geometry[cropland.task == task.id])
        scenes += [_scene(project, task, source, polygons) for source in project.settings.sources]
    repairs = tuple(str(remark) for remark in reading.repairs)
    return LabelledScenes(tuple(sorted(scenes, key=lambda scene: scene.name)), RepairReport(repairs, ()))


def _scene(project: LabelProject, task: Task, source: str, polygons: tuple[BaseGeometry, ...]) -> TaskScene:
    path = project.picture(task, source)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing, the imagery of task {task.id}; take it back from a copy of the folder"
        )
    window, grid = task.window, project.grid
    with rasterio.open(path) as file:
        shown = PixelWindow(*grid.pixel_at(*file.xy(0, 0)), file.height, file.width)
    if window.common(shown) != window:
        raise ValueError(f"{path} does not show task {task.id}; take it back from a copy of the folder")
    metres = pixel_m(window, grid)
    return TaskScene(LabelledScene(f"{task.id}.{source}", path, metres, polygons), window.slices_in(shown))
