"""Read back what people drew: copied first, repaired where that is possible, and the rest named all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import pandas as pd

from croplayer.active.features import Remark, drawn_of, missing_layers, tasks_of, unnamed_places
from croplayer.active.geopackage import RawLayer, copy_whole, read_layers
from croplayer.active.project import EMPTY, FIELDS, TASKS, LabelProject
from croplayer.active.repair import Piece, Repaired, in_degrees, pieces_by_task, repaired
from croplayer.active.tasks import FieldClass, Origin, Task, TaskStatus
from croplayer.files.tables import read_csv, write_csv, write_parquet
from stores.grid import CRS, BlockGrid

MOST_NAMED = 100
"""Largest number of problems that an error lists; ``clean/problems.csv`` has all of them."""


class LabelError(ValueError):
    """What people drew cannot be used as it is; one line per problem."""


@dataclass(frozen=True)
class Reading:
    """What people have said so far."""

    copy: Path
    """The copy of ``labels.gpkg`` that was read."""
    tasks: tuple[Task, ...]
    fields: gpd.GeoDataFrame
    """Polygons that do not overlap, in EPSG:4326: task, class, origin, note, feature (number in ``labels.gpkg``), geometry."""
    empty: gpd.GeoDataFrame
    """Areas that hold no field: task, note, feature, geometry."""
    repairs: tuple[Remark, ...]

    def count(self, status: TaskStatus) -> int:
        """Number of tasks of a status."""
        return sum(task.status == status for task in self.tasks)


def read_labels(project: LabelProject, now: datetime | None = None) -> Reading:
    """Read a label project.

    ``labels.gpkg`` is copied to ``history`` first, unless that has a copy of the same content, and is never written. A line of
    ``readings.csv`` says what was found, and ``clean`` holds the polygons, the repairs, or the problems.

    Parameters
    ----------
    now : time that the copy is named after; None is the present

    Raises
    ------
    LabelError
        with a line for each problem: layer, feature, field and what was expected
    FileNotFoundError, ValueError, OSError
        if ``labels.gpkg`` is missing, damaged or in use; the message names the last copy that could be read
    """
    time = now or datetime.now(UTC)
    try:
        copy = copy_whole(project.gpkg, project.history, f"{time:%Y%m%dT%H%M%SZ}")
    except (FileNotFoundError, ValueError) as error:
        copies = sorted(project.history.glob("*.gpkg"))
        last = f"the last copy is {copies[-1]}" if copies else "there is no copy of it yet"
        raise type(error)(f"{error}; {last}") from None
    found, problems = _understood(copy, project.grid)
    _note(project, copy, time, found, problems)
    if problems:
        more = [f"and {len(problems) - MOST_NAMED} more, in {project.clean}"] if len(problems) > MOST_NAMED else []
        raise LabelError("\n".join([*(f"{project.gpkg} {p}" for p in problems[:MOST_NAMED]), *more]))
    return found


def read_copy(copy: Path, grid: BlockGrid) -> Reading:
    """What a copy in ``history`` says, once more; raises as `read_labels`, and writes nothing."""
    found, problems = _understood(copy, grid)
    if problems:
        raise LabelError("\n".join(f"{copy} {p}" for p in problems[:MOST_NAMED]))
    return found


def read_tasks(project: LabelProject) -> list[Task]:
    """The tasks alone, from ``labels.gpkg`` as it is; raises LabelError when a task cannot be read, and as `read_labels`."""
    return tasks_in(read_layers(project.gpkg), project)


def tasks_in(layers: Mapping[str, RawLayer], project: LabelProject) -> list[Task]:
    """The tasks of layers of a project's ``labels.gpkg`` that were read; raises LabelError when one cannot be read."""
    problems = [p for p in missing_layers(layers) if p.layer == TASKS]
    tasks: list[Task] = []
    if not problems:
        tasks, problems = tasks_of(layers[TASKS], project.grid)
    if problems:
        raise LabelError("\n".join(f"{project.gpkg} {p}" for p in problems[:MOST_NAMED]))
    return tasks


def _understood(copy: Path, grid: BlockGrid) -> tuple[Reading, list[Remark]]:
    layers = read_layers(copy)
    problems = missing_layers(layers)
    if problems:
        return Reading(copy, (), _frame([], {}, grid, FIELDS), _frame([], {}, grid, EMPTY), ()), problems
    tasks, bad = tasks_of(layers[TASKS], grid)
    problems += bad
    elsewhere = unnamed_places(layers[TASKS], bad)
    repairs: list[Remark] = []
    pieces = {}
    for name in (FIELDS, EMPTY):
        drawn, bad = drawn_of(name, layers[name])
        problems += bad
        pieces[name], fixed, lost = pieces_by_task(name, drawn, tasks, elsewhere, grid)
        repairs += fixed
        problems += lost
    by_id = {task.id: task for task in tasks}
    parts: dict[str, Repaired] = {t.id: repaired(t, pieces[FIELDS][t.id], pieces[EMPTY][t.id]) for t in tasks}
    numbers = {str(f.values.get("id") or "").strip(): f.number for f in layers[TASKS].features}
    for name, part in parts.items():
        repairs += part.repairs
        problems += part.problems
        problems += _unexplained(by_id[name], part, numbers[name])
    fields = [(name, piece) for name, part in parts.items() for piece in part.fields]
    empty = [(name, piece) for name, part in parts.items() for piece in part.empty]
    order = {TASKS: 0, FIELDS: 1, EMPTY: 2}
    problems.sort(key=lambda p: (order[p.layer], p.feature or 0))
    repairs.sort(key=lambda p: (order[p.layer], p.feature or 0))
    reading = Reading(
        copy, tuple(tasks), _frame(fields, by_id, grid, FIELDS), _frame(empty, by_id, grid, EMPTY), tuple(repairs)
    )
    return reading, problems


def _unexplained(task: Task, part: Repaired, feature: int) -> list[Remark]:
    """A finished task without anything drawn: nobody has said that it holds no field."""
    cropland = [p for p in part.fields if p.drawn.kind == FieldClass.CROPLAND]
    if task.status != TaskStatus.DONE or cropland or part.empty:
        return []
    text = f"task {task.id} is done and holds no field; draw an area in the layer {EMPTY} if that is right"
    return [Remark(TASKS, feature, "status", text)]


def _frame(
    pieces: Sequence[tuple[str, Piece]], tasks: dict[str, Task], grid: BlockGrid, layer: str
) -> gpd.GeoDataFrame:
    columns: dict[str, list[object]] = {"task": [name for name, _ in pieces]}
    if layer == FIELDS:
        columns["class"] = [str(piece.drawn.kind) for _, piece in pieces]
        columns["origin"] = [str(piece.drawn.origin) for _, piece in pieces]
    columns["note"] = [piece.drawn.note for _, piece in pieces]
    columns["feature"] = [piece.drawn.feature for _, piece in pieces]
    shapes = [in_degrees(piece.shape, tasks[name], grid) for name, piece in pieces]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=CRS)


def _note(project: LabelProject, copy: Path, time: datetime, found: Reading, problems: Sequence[Remark]) -> None:
    """Write ``clean`` and the line of ``readings.csv``; reading the same labels again adds no line."""
    remarks = problems or found.repairs
    for name in ("fields.parquet", "empty.parquet", "repairs.csv") if problems else ("problems.csv",):
        (project.clean / name).unlink(missing_ok=True)
    if not problems:
        write_parquet(project.clean / "fields.parquet", found.fields)
        write_parquet(project.clean / "empty.parquet", found.empty)
    table = pd.DataFrame([r._asdict() for r in remarks], columns=Remark._fields)
    write_csv(project.clean / ("problems.csv" if problems else "repairs.csv"), table)
    status = Counter(task.status for task in found.tasks)
    fields = found.fields[found.fields["class"] == FieldClass.CROPLAND]
    line: dict[str, object] = {
        "copy": copy.name,
        "tasks": len(found.tasks),
        **{str(s): status[s] for s in TaskStatus},
        "minutes": sum(task.minutes or 0.0 for task in found.tasks),
        "fields_of_model": int((fields.origin == Origin.MODEL).sum()),
        "fields_of_person": int((fields.origin == Origin.PERSON).sum()),
        "empty": len(found.empty),
        "repairs": len(found.repairs),
        "problems": len(problems),
    }
    before = read_csv(project.readings) if project.readings.is_file() else pd.DataFrame()
    if len(before) and all(str(before.iloc[-1].get(k)) == str(v) for k, v in line.items() if k != "minutes"):
        return
    stamped = pd.DataFrame([{"time": f"{time:%Y-%m-%dT%H:%M:%SZ}", **line}])
    write_csv(project.readings, pd.concat([before, stamped], ignore_index=True))
