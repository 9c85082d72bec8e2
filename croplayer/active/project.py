"""A label project: a folder of files that people edit."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock
import geopandas as gpd
import pandas as pd
import shapely

from croplayer.active.geopackage import append_rows, create_layers
from croplayer.active.held_out import HELD_OUT, block_of, check_share, is_held_out
from croplayer.active.imagery import picture_names, picture_window, write_mosaic, write_picture
from croplayer.active.instructions import instructions
from croplayer.active.newer_map import NewerMap
from croplayer.active.prefill import prefilled
from croplayer.active.qgis import qgis_project
from croplayer.active.tasks import ChosenBy, Task
from croplayer.cube.whole_blocks import Cube
from stores.durable import PARTIAL, sync_folder, write_durable
from stores.grid import CRS, BlockGrid

FORMAT = "croplayer label project 1"
TASKS, FIELDS, EMPTY = "tasks", "fields", "empty"
"""Layers of ``labels.gpkg``: windows to label, polygons with a class, and areas that were looked at and hold no field."""
TEXTS = {
    TASKS: ("id", "unit", "coverage", "reason", "scores", "chosen_by", "status", "person", "note"),
    FIELDS: ("class", "origin", "task", "note", "as_mapped"),
    EMPTY: ("person", "note"),
}  # fmt: skip
"""Columns of text of each layer; tasks have round, started, finished and minutes besides."""


@dataclass(frozen=True)
class Settings:
    """What a project was made with; ``project.json`` keeps it."""

    run: str
    """Folder of the run, seen from the project."""
    edition: str
    sources: tuple[str, ...]
    block_px: int
    window_px: int
    seed: int
    format: str = FORMAT
    held_out: float = HELD_OUT
    """Share of the blocks whose labels never train; what a project of before this was said holds out, too."""


@dataclass(frozen=True)
class LabelProject:
    """Paths and settings of a label project."""

    folder: Path
    settings: Settings

    @classmethod
    def open(cls, folder: Path) -> LabelProject:
        """The project of a folder; raises FileNotFoundError or ValueError when there is none or its settings are damaged."""
        path = folder / "project.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder} is not a label project, it has no project.json; make one with `croplayer label init`"
            )
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            settings = Settings(**{**stored, "sources": tuple(stored["sources"])})
            numbers = (settings.block_px, settings.window_px, settings.seed)
            if settings.format != FORMAT or not all(isinstance(n, int) for n in numbers) or not settings.sources:
                raise ValueError(settings.format)
            check_share(settings.held_out)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} is damaged or of another version ({error}); restore it from a copy") from None
        return cls(folder, settings)

    @property
    def grid(self) -> BlockGrid:
        """The lattice of the run."""
        return BlockGrid(self.settings.block_px)

    def is_held_out(self, task: Task) -> bool:
        """Whether a task lies in a block whose labels never train."""
        return is_held_out(block_of(task.window, self.grid), self.settings.seed, self.settings.held_out)

    @property
    def gpkg(self) -> Path:
        """What people edit."""
        return self.folder / "labels.gpkg"

    @property
    def history(self) -> Path:
        """Copies of what was read."""
        return self.folder / "history"

    @property
    def readings(self) -> Path:
        """The table of all readings."""
        return self.folder / "readings.csv"

    @property
    def clean(self) -> Path:
        """Folder of what was read last."""
        return self.folder / "clean"

    @property
    def run(self) -> Path:
        """Folder of the run that the project was made from."""
        return Path(os.path.normpath(self.folder.absolute() / self.settings.run))

    def picture(self, task: Task, source: str) -> Path:
        """The imagery of a task."""
        return self.folder / "imagery" / task.id / f"{picture_names(self.settings.sources)[source]}.tif"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other commands out of the project; raises OSError when one is at work in it."""
        try:
            with filelock.FileLock(self.folder / ".lock", timeout=0):
                yield
        except filelock.Timeout:
            raise OSError(f"another command works on {self.folder}; wait until it has finished") from None


def create_project(
    folder: Path, run: Path, cube: Cube, window_px: int, seed: int, tasks: Sequence[Task], held_out: float = HELD_OUT
) -> LabelProject:
    """Write a new project with its first tasks. The folder appears when everything in it is written.

    Raises FileExistsError if the folder exists and is not empty.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and may hold labels; give another folder")
    begun = folder.with_name(f".{folder.name}{PARTIAL}")
    if begun.exists():
        shutil.rmtree(begun)  # left by a command that was killed
    begun.mkdir(parents=True)
    try:
        place = os.path.relpath(run.absolute(), folder)
        settings = Settings(
            place, cube.edition, cube.sources, cube.grid.block_px, window_px, seed, held_out=held_out
        )  # fmt: skip
        project = LabelProject(begun, settings)
        create_layers(project.gpkg, {name: _rows(name, [], project.grid) for name in (TASKS, FIELDS, EMPTY)})
        _add(project, cube, tasks, [])
        names = picture_names(cube.sources)
        bounds = gpd.GeoSeries([_box(t, project.grid) for t in tasks], crs=CRS).total_bounds
        write_durable(begun / "labels.qgs", qgis_project(names, tuple(map(float, bounds))))
        write_durable(begun / "README.md", instructions(cube.sources).encode())
        write_durable(begun / "project.json", json.dumps(asdict(settings), indent=1, ensure_ascii=False).encode())
        if folder.exists():
            folder.rmdir()
        begun.rename(folder)
    except BaseException:
        shutil.rmtree(begun, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    return LabelProject(folder, settings)


def add_tasks(
    project: LabelProject, cube: Cube, tasks: Sequence[Task], there: Sequence[Task], newer: NewerMap | None = None
) -> None:
    """Add tasks to a project, with their imagery and the model's polygons; nothing that is there changes.

    Imagery is written first and the layers last, in one transaction, so a command that is killed leaves no task without
    imagery or polygons.

    Parameters
    ----------
    there : the tasks that the project has
    newer : draws the polygons of those that were chosen by scores. Random ones get those of the run's map in every round,
        because a polygon that nobody corrects counts as right, and would flatter the model that drew it
    """
    _check_cube(project, cube)
    _add(project, cube, tasks, there, newer)


def _add(
    project: LabelProject, cube: Cube, tasks: Sequence[Task], there: Sequence[Task], newer: NewerMap | None = None
) -> None:
    names = picture_names(cube.sources)
    for task in tasks:
        for source in cube.sources:
            write_picture(project.picture(task, source), cube, source, picture_window(task.window, cube))
    for name in names.values():
        shown = [(f"{t.id}/{name}.tif", picture_window(t.window, cube)) for t in (*there, *tasks)]
        held = [(path, window) for path, window in shown if (project.folder / "imagery" / path).is_file()]
        write_mosaic(project.folder / "imagery" / f"{name}.vrt", held, project.grid)
    fields = [prefilled(cube, task, None if task.chosen_by == ChosenBy.RANDOM else newer) for task in tasks]
    drawn = gpd.GeoDataFrame(pd.concat([f for f in fields if len(f)] or fields[:1], ignore_index=True), crs=CRS)
    append_rows(project.gpkg, {FIELDS: drawn, TASKS: _rows(TASKS, tasks, project.grid)})


def _check_cube(project: LabelProject, cube: Cube) -> None:
    settings = project.settings
    stated = (settings.edition, settings.sources, settings.block_px)
    if stated != (cube.edition, cube.sources, cube.grid.block_px):
        raise ValueError(
            f"{project.folder} was made from edition '{settings.edition}' with the sources {', '.join(settings.sources)} and "
            f"blocks of {settings.block_px} px; the run has edition '{cube.edition}', {', '.join(cube.sources)} and "
            f"{cube.grid.block_px} px; give the run that the project was made from"
        )


def _rows(layer: str, tasks: Sequence[Task], grid: BlockGrid) -> gpd.GeoDataFrame:
    """Rows of the layer of tasks, or no rows of another layer, with its columns."""
    columns: dict[str, list[object]] = {name: [_text(task, name) for task in tasks] for name in TEXTS[layer]}
    frame = gpd.GeoDataFrame(columns, geometry=[_box(t, grid) for t in tasks], crs=CRS)
    frame[list(columns)] = frame[list(columns)].astype(object)
    if layer == TASKS:
        frame.insert(3, "round", [t.round for t in tasks])
        frame["round"] = frame["round"].astype("int32")
        for name in ("started", "finished"):
            frame[name] = pd.Series([getattr(t, name) for t in tasks], dtype="datetime64[ms]")
        frame["minutes"] = pd.Series([t.minutes for t in tasks], dtype=float)
    return frame


def _text(task: Task, name: str) -> str:
    if name == "scores":
        return json.dumps(dict(task.scores))
    return str(getattr(task, name, ""))


def _box(task: Task, grid: BlockGrid) -> shapely.Polygon:
    return shapely.box(*grid.window_bounds(task.window))
