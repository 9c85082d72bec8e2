"""Repair what people drew: valid polygons, each in its task, none over another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.active.features import Drawn, Remark
from croplayer.active.project import EMPTY, FIELDS
from croplayer.active.tasks import FieldClass, Origin, Task
from stores.grid import BlockGrid

SLIVER_PX = 4.0
"""Smaller polygons, in pixels, are leftovers of a cut or a click that went wrong."""
THIN_PX = 0.5
"""So are polygons with a smaller mean width (twice the area over the outline), pixels."""
NOTED_SHARE = 0.01
"""A cut of less than this share of a polygon is not told."""


class Piece(NamedTuple):
    """A polygon in one task, in pixels of its window: x to the east, y to the south, from the north-west corner."""

    drawn: Drawn
    shape: BaseGeometry


class Repaired(NamedTuple):
    """What is left of the polygons of one task."""

    fields: list[Piece]
    empty: list[Piece]
    repairs: list[Remark]
    problems: list[Remark]


def pieces_by_task(
    layer: str, drawn: Sequence[Drawn], tasks: Sequence[Task], elsewhere: BaseGeometry, grid: BlockGrid
) -> tuple[dict[str, list[Piece]], list[Remark], list[Remark]]:
    """The polygons of a layer made valid and cut at the windows of tasks.

    Parameters
    ----------
    elsewhere : where tasks lie that cannot be read

    Returns
    -------
    The pieces of each task by its id, the repairs, and the problems: polygons that lie in no task
    """
    boxes = [shapely.box(*grid.window_bounds(task.window)) for task in tasks]
    tree = shapely.STRtree(boxes)
    found: dict[str, list[Piece]] = {task.id: [] for task in tasks}
    repairs, problems = [], []
    for one in drawn:
        shape, why = _valid(one.shape)
        if why:
            repairs.append(Remark(layer, one.feature, "geometry", why))
        if shape.area == 0:
            repairs.append(Remark(layer, one.feature, "geometry", "it has no area and is left out"))
            continue
        inside = 0.0
        for number in np.sort(tree.query(shape, predicate="intersects")):
            part = _polygons(shapely.intersection(shape, boxes[number]))
            if part.area > 0:
                inside += part.area
                pixels = _in_pixels(part, tasks[number], grid)
                found[tasks[number].id].append(Piece(one, pixels))
        if inside == 0 and not shape.intersects(elsewhere):
            problems.append(Remark(layer, one.feature, "geometry", "it lies in no task; move it, or delete it"))
        elif 0 < inside < shape.area * (1 - NOTED_SHARE):
            share = 1 - inside / shape.area
            repairs.append(
                Remark(layer, one.feature, "geometry", f"{share:.0%} of it lies outside of the tasks and is left out")
            )
    return found, repairs, problems


def repaired(task: Task, fields: Sequence[Piece], empty: Sequence[Piece]) -> Repaired:
    """The polygons of a task without overlaps and slivers.

    A person's polygon wins over the model's, and a later one over an earlier one. An empty area wins over the model's polygons;
    where a person drew both a field and an empty area, this is a problem.
    """
    repairs, problems = [], []
    order = sorted(fields, key=lambda p: (p.drawn.origin == Origin.PERSON, p.drawn.feature), reverse=True)
    looked_at = shapely.union_all([p.shape for p in empty])
    kept: list[Piece] = []
    for piece in order:
        shape, by = piece.shape, []
        if piece.drawn.origin == Origin.MODEL and not looked_at.is_empty and shape.intersects(looked_at):
            shape, by = _polygons(shapely.difference(shape, looked_at)), ["an empty area"]
        for other in kept:
            if shape.intersects(other.shape) and shapely.intersection(shape, other.shape).area > 0:
                shape = _polygons(shapely.difference(shape, other.shape))
                by.append(f"feature {other.drawn.feature}")
        if shape.area < piece.shape.area * (1 - NOTED_SHARE):
            text = f"{1 - shape.area / piece.shape.area:.0%} of it lay under {' and '.join(by)} and was cut off"
            repairs.append(Remark(FIELDS, piece.drawn.feature, "geometry", text))
        parts = [part for part in shapely.get_parts(shape) if not is_sliver(part)]
        if len(parts) < len(shapely.get_parts(shape)):
            text = "a part of it is smaller than a field can be and is left out"
            repairs.append(Remark(FIELDS, piece.drawn.feature, "geometry", text))
        kept += [Piece(piece.drawn, part) for part in parts]
    for piece in kept:
        common = shapely.intersection(piece.shape, looked_at)
        if piece.drawn.kind == FieldClass.CROPLAND and any(
            not is_sliver(p) for p in shapely.get_parts(_polygons(common))
        ):
            text = f"it overlaps an area of the layer {EMPTY} in task {task.id}; remove one of both"
            problems.append(Remark(FIELDS, piece.drawn.feature, "geometry", text))
    areas = [Piece(p.drawn, part) for p in empty for part in shapely.get_parts(p.shape) if not is_sliver(part)]
    kept.sort(key=lambda p: (p.drawn.feature, p.shape.bounds))
    return Repaired(kept, areas, repairs, problems)


def is_sliver(shape: BaseGeometry) -> bool:
    """Whether a polygon in pixels is too small or too thin to be a field."""
    return bool(shape.area < SLIVER_PX or 2 * shape.area < THIN_PX * shape.length)


def in_degrees(shape: BaseGeometry, task: Task, grid: BlockGrid) -> BaseGeometry:
    """A polygon in pixels of a task's window in EPSG:4326."""
    box, n = grid.window_bounds(task.window), grid.px_per_degree
    return shapely.transform(shape, lambda xy: np.column_stack([box.west + xy[:, 0] / n, box.north - xy[:, 1] / n]))


def _in_pixels(shape: BaseGeometry, task: Task, grid: BlockGrid) -> BaseGeometry:
    box, n = grid.window_bounds(task.window), grid.px_per_degree
    return shapely.transform(shape, lambda xy: np.column_stack([(xy[:, 0] - box.west) * n, (box.north - xy[:, 1]) * n]))


def _valid(shape: BaseGeometry) -> tuple[BaseGeometry, str]:
    """The polygons of a geometry, valid, and what was repaired; empty for nothing."""
    if shape.is_valid and shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape, ""
    why = "lines and points of it are left out" if shape.is_valid else f"repaired: {shapely.is_valid_reason(shape)}"
    return _polygons(shapely.make_valid(shape)), why


def _polygons(shape: BaseGeometry) -> BaseGeometry:
    """The polygons of a geometry as one geometry."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = [p for part in shapely.get_parts(shape) for p in shapely.get_parts(part) if p.geom_type == "Polygon"]
    return shapely.union_all(parts)
