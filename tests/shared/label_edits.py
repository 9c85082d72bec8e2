"""Edits of a label project as programs of people make them: through SQLite, or by writing a layer anew."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from croplayer.active.geopackage import append_rows
from croplayer.active.project import EMPTY, FIELDS, LabelProject
from croplayer.active.reading import read_tasks
from croplayer.active.tasks import Task


def change(path: Path, statement: str, *values: object) -> None:
    """Change rows as SQLite does, without the triggers of the spatial index, which need functions of a GIS."""
    with closing(sqlite3.connect(path)) as db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'rtree_%'"
        ).fetchall():
            db.execute(f'DROP TRIGGER "{name}"')
        db.execute(statement, values)
        db.commit()


def rows_of(path: Path, layer: str) -> gpd.GeoDataFrame:
    return gpd.read_file(path, layer=layer, engine="pyogrio", fid_as_index=True)


def rewrite(path: Path, layer: str, rows: gpd.GeoDataFrame) -> None:
    """Write a layer anew, as a person does with geopandas."""
    rows.to_file(path, layer=layer, engine="pyogrio", driver="GPKG")


def in_task(project: LabelProject, task: Task, shape: shapely.Geometry) -> shapely.Geometry:
    """A shape in pixels of a task's window, x to the east and y to the south, in degrees."""
    box, n = project.grid.window_bounds(task.window), project.grid.px_per_degree
    return shapely.transform(shape, lambda xy: np.column_stack([box.west + xy[:, 0] / n, box.north - xy[:, 1] / n]))


def draw(project: LabelProject, task: Task, shape: shapely.Geometry, layer: str = FIELDS, **values: str) -> None:
    """Draw a polygon, given in pixels of a task's window."""
    columns = {"class": "cropland", "origin": "person", "note": ""} if layer == FIELDS else {"note": ""}
    columns |= values
    placed = in_task(project, task, shape)
    rows = gpd.GeoDataFrame({k: [v] for k, v in columns.items()}, geometry=[placed], crs="EPSG:4326")
    append_rows(project.gpkg, {layer: rows})


def clear(project: LabelProject, *tasks: Task) -> None:
    """Delete the model's polygons of some tasks; of all without any."""
    if not tasks:
        change(project.gpkg, "DELETE FROM fields")
    for task in tasks:
        change(project.gpkg, "DELETE FROM fields WHERE task = ?", task.id)


def finish(project: LabelProject, *tasks: Task) -> None:
    for task in tasks:
        change(project.gpkg, "UPDATE tasks SET status = 'done', person = 'Li', minutes = 12 WHERE id = ?", task.id)


def drawn_blob(rings: list[list[tuple[float, float]]]) -> bytes:
    """A polygon as GeoPackage binary without an envelope, whose rings need not be closed."""
    body = struct.pack("<BII", 1, 3, len(rings))
    for ring in rings:
        body += struct.pack("<I", len(ring)) + b"".join(struct.pack("<dd", *point) for point in ring)
    return b"GP\0\1" + struct.pack("<i", 4326) + body


def only_task(project: LabelProject) -> Task:
    """The first task, finished and without the model's polygons."""
    task = read_tasks(project)[0]
    clear(project)
    finish(project, task)
    return task


__all__ = [
    "EMPTY",
    "FIELDS",
    "change",
    "clear",
    "draw",
    "drawn_blob",
    "finish",
    "in_task",
    "only_task",
    "rewrite",
    "rows_of",
]
