"""Polygons of a label project as they are seen and drawn in a picture, and the edits that they become.

A picture's coordinates are pixels from the south-west corner of the item's window, x to the east and y to the north.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.active.features import drawn_of
from croplayer.active.geopackage import RawFeature, RawLayer, bounds_of
from croplayer.active.project import EMPTY, FIELDS
from croplayer.active.tasks import FieldClass, Origin
from stores.grid import CRS, BlockGrid, PixelWindow

ACCEPTED = "accepted"
"""Note of a polygon of the model that a person found right."""


class Outline(NamedTuple):
    """A polygon of the layer ``fields`` or ``empty`` in a picture."""

    layer: str
    number: int
    kind: FieldClass | None
    """None for an empty area."""
    origin: Origin
    note: str
    blob: bytes
    """Its geometry as it is stored."""
    shape: BaseGeometry
    """In pixels of the picture."""


def outlines_in(layers: dict[str, RawLayer], window: PixelWindow, shown: PixelWindow, grid: BlockGrid) -> list[Outline]:
    """The polygons that reach into a window, by layer and number.

    Parameters
    ----------
    window : the item's
    shown : pixels of the picture
    """
    box, found = shapely.box(*grid.window_bounds(shown)), []
    for name in (FIELDS, EMPTY):
        layer = layers[name]._replace(
            features=tuple(f for f in layers[name].features if _may_reach(f, layers[name], box))
        )
        blobs = {f.number: f for f in layer.features}
        for one in drawn_of(name, layer)[0]:
            if one.shape.intersects(box):
                feature = blobs[one.feature]
                # The stored class and not that of a row with problems.
                kind = str(feature.values.get("class") or "").strip().casefold()
                drawn = FieldClass(kind) if kind in list(FieldClass) and name == FIELDS else one.kind
                shape = in_picture(one.shape, window, grid)
                found.append(Outline(name, one.feature, drawn, one.origin, one.note, feature.blob or b"", shape))
    return found


def _may_reach(feature: RawFeature, layer: RawLayer, box: shapely.Polygon) -> bool:
    """Whether a feature is worth a look, by the header of its geometry alone."""
    bounds = bounds_of(feature.blob) if feature.blob is not None and layer.crs == CRS else None
    if bounds is None:
        return True
    west, south, east, north = box.bounds
    return not (bounds[0] > east or bounds[2] < west or bounds[1] > north or bounds[3] < south)


def in_picture(shape: BaseGeometry, window: PixelWindow, grid: BlockGrid) -> BaseGeometry:
    """A geometry in EPSG:4326 in pixels of a picture."""
    box, n = grid.window_bounds(window), grid.px_per_degree
    return shapely.transform(shape, lambda xy: np.column_stack([(xy[:, 0] - box.west) * n, (xy[:, 1] - box.south) * n]))


def on_earth(shape: BaseGeometry, window: PixelWindow, grid: BlockGrid) -> BaseGeometry:
    """A geometry in pixels of a picture in EPSG:4326."""
    box, n = grid.window_bounds(window), grid.px_per_degree
    return shapely.transform(shape, lambda xy: np.column_stack([box.west + xy[:, 0] / n, box.south + xy[:, 1] / n]))


def polygon_of(xs: Sequence[float], ys: Sequence[float]) -> shapely.Polygon | None:
    """The polygon of corners that were clicked, None for fewer than three different ones; it may cross itself."""
    points = [(float(x), float(y)) for x, y in zip(xs, ys, strict=True) if np.isfinite([x, y]).all()]
    corners = [p for p, before in zip(points, [None, *points], strict=False) if p != before]
    if len(set(corners)) < 3:
        return None
    return shapely.Polygon(corners)


def inserted(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """The corners of an outline whose last one was clicked later: it is put between the two corners whose side is nearest."""
    ring = np.column_stack([xs, ys])
    point, ring = ring[-1], ring[:-1]
    if len(ring) < 2:
        return list(xs), list(ys)
    sides = shapely.linestrings(np.stack([ring, np.roll(ring, -1, axis=0)], axis=1))
    at = int(np.argmin(shapely.distance(sides, shapely.Point(*point)))) + 1
    found = np.insert(ring, at, point, axis=0)
    return found[:, 0].tolist(), found[:, 1].tolist()


def with_new_border(shape: BaseGeometry, border: shapely.Polygon) -> BaseGeometry:
    """A polygon whose outer border a person moved; its holes stay, as far as they lie inside."""
    parts = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
    if len(parts) != 1 or not border.is_valid:
        return border
    holes = [shapely.Polygon(ring) for ring in parts[0].interiors]
    cut = shapely.difference(border, shapely.union_all(holes)) if holes else border
    return cut if cut.geom_type == "Polygon" and not cut.is_empty else border


def border_of(shape: BaseGeometry) -> shapely.Polygon:
    """The outer border of a polygon's largest part, without the last corner that equals the first."""
    parts = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
    return shapely.Polygon(max(parts, key=lambda p: p.area).exterior)
