"""What stands in the layers of a label project: rows with their values checked, and everything that cannot be used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import geopandas as gpd
import shapely
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry.base import BaseGeometry

from croplayer.active.geopackage import RawFeature, RawLayer, geometry_of
from croplayer.active.prefill import shape_digest
from croplayer.active.project import EMPTY, FIELDS, TASKS
from croplayer.active.tasks import ChosenBy, FieldClass, Origin, Task, TaskStatus, window_of_task
from stores.grid import CRS, BlockGrid
from stores.near_names import did_you_mean


class Remark(NamedTuple):
    """Something about one feature, for the person who drew it."""

    layer: str
    feature: int | None
    """Its number (fid), None for the layer itself."""
    field: str
    """Attribute or ``geometry``; empty for the feature as a whole."""
    text: str

    def __str__(self) -> str:
        parts = [f"layer {self.layer}"]
        parts += [f"feature {self.feature}"] if self.feature is not None else []
        parts += [self.field] if self.field else []
        return f"{', '.join(parts)}: {self.text}"


class Drawn(NamedTuple):
    """A polygon of the layer ``fields`` or ``empty``, with valid values and any geometry."""

    feature: int
    shape: BaseGeometry
    """In EPSG:4326; it may be invalid."""
    kind: FieldClass | None
    """None for an empty area."""
    origin: Origin
    """A model's polygon that a person changed is a person's."""
    task: str
    """The task that it names; its place decides."""
    note: str


_NEEDED = {TASKS: ("id", "status"), FIELDS: ("class",), EMPTY: ()}
_COPIES = "take it back from a copy in the folder history"


def missing_layers(layers: Mapping[str, RawLayer]) -> list[Remark]:
    """Layers and columns that are needed and not there."""
    found = []
    for name, needed in _NEEDED.items():
        if name not in layers:
            found.append(Remark(name, None, "", f"the layer is missing; {_COPIES}"))
            continue
        lost = [column for column in needed if column not in layers[name].columns]
        found += [Remark(name, None, column, f"the column is missing; {_COPIES}") for column in lost]
    return found


def tasks_of(layer: RawLayer, grid: BlockGrid) -> tuple[list[Task], list[Remark]]:
    """The tasks whose id can be read, and what is wrong in the layer."""
    tasks: dict[str, Task] = {}
    problems: list[Remark] = []
    for feature in layer.features:
        row = _Row(TASKS, feature)
        name = row.text("id")
        try:
            window = window_of_task(name, grid)
        except ValueError as error:
            problems.append(row.remark("id", str(error)))
            continue
        if name in tasks:
            problems.append(row.remark("id", f"task '{name}' is there twice; remove one of them"))
            continue
        status = row.one_of("status", TaskStatus, TaskStatus.OPEN)
        started, finished, minutes = row.time("started"), row.time("finished"), row.minutes("minutes")
        if started and finished:
            if finished < started:
                row.problems.append(row.remark("finished", f"{finished.isoformat()} is before the start"))
            minutes = (finished - started).total_seconds() / 60 if minutes is None else minutes
        problems += row.problems
        # A task with a wrong status is still a place that its fields lie in.
        tasks[name] = Task(
                name, window, row.text("unit"), row.text("coverage"), row.whole("round"), row.text("reason"), row.scores(),
                _chosen_by(row.text("chosen_by")), TaskStatus(status or TaskStatus.OPEN), row.text("person"), started, finished, minutes,
            )  # fmt: skip
    return list(tasks.values()), problems


def unnamed_places(layer: RawLayer, problems: Sequence[Remark]) -> BaseGeometry:
    """Where the tasks lie whose id cannot be read: what is drawn there lies in a task all the same."""
    wrong = {p.feature for p in problems if p.field == "id"}
    shapes, _ = _shapes(TASKS, layer._replace(features=tuple(f for f in layer.features if f.number in wrong)))
    return shapely.union_all([shape for _, shape in shapes if shape.is_valid])


def _chosen_by(text: str) -> ChosenBy:
    # A task that somebody added is as little a random one as those chosen by scores.
    return ChosenBy.RANDOM if text == ChosenBy.RANDOM else ChosenBy.SCORES


def drawn_of(name: str, layer: RawLayer) -> tuple[list[Drawn], list[Remark]]:
    """The polygons of the layer ``fields`` or ``empty``, and what is wrong with the others."""
    drawn, problems = [], []
    shapes, bad = _shapes(name, layer)
    problems += bad
    for feature, shape in shapes:
        row = _Row(name, feature)
        kind = row.one_of("class", FieldClass, None) if name == FIELDS else None
        origin = row.one_of("origin", Origin, Origin.PERSON) if name == FIELDS else Origin.PERSON
        problems += row.problems
        if row.problems:
            # Its place still counts, so that a task is not called empty besides.
            kind, origin = FieldClass.CROPLAND, Origin.PERSON
        if origin == Origin.MODEL and row.text("as_mapped") != shape_digest(geometry_of(feature.blob or b"")):
            origin = Origin.PERSON
        drawn.append(
            Drawn(
                feature.number,
                shape,
                FieldClass(kind) if kind else None,
                Origin(origin or Origin.PERSON),
                row.text("task"),
                row.text("note"),
            )
        )
    return drawn, problems


def _shapes(name: str, layer: RawLayer) -> tuple[list[tuple[RawFeature, BaseGeometry]], list[Remark]]:
    """The features of a layer with a geometry, in EPSG:4326."""
    found, problems = [], []
    for feature in layer.features:
        if feature.blob is None:
            problems.append(Remark(name, feature.number, "geometry", "it has none; draw it or delete the feature"))
            continue
        try:
            shape = geometry_of(feature.blob)
        except ValueError as error:
            problems.append(Remark(name, feature.number, "geometry", f"{error}; delete the feature"))
            continue
        found.append((feature, shape))
    if not found or layer.crs == CRS:
        placed = [shape for _, shape in found]
    else:
        try:
            if not layer.crs:
                raise CRSError("it has none")
            series = gpd.GeoSeries([shape for _, shape in found], crs=layer.crs)
            placed = list(series.to_crs(CRS))
        except (CRSError, ProjError, ValueError) as error:
            problems.append(Remark(name, None, "", f"its CRS is unclear ({str(error)[:80]}); save the layer in {CRS}"))
            return [], problems
    pairs = []
    for (feature, _), shape in zip(found, placed, strict=True):
        if shape.is_empty or not all(math.isfinite(v) for v in shape.bounds):
            text = "it is empty or lies nowhere on Earth; draw it or delete the feature"
            problems.append(Remark(name, feature.number, "geometry", text))
        elif not any(g.geom_type == "Polygon" for g in _parts(shape)):
            text = f"it is a {shape.geom_type}; expected a polygon"
            problems.append(Remark(name, feature.number, "geometry", text))
        else:
            pairs.append((feature, shape))
    return pairs, problems


def _parts(shape: BaseGeometry) -> Sequence[BaseGeometry]:
    parts = shapely.get_parts(shape)
    return [p for part in parts for p in shapely.get_parts(part)]


class _Row:
    """Reads the values of a feature and keeps what is wrong with them."""

    def __init__(self, layer: str, feature: RawFeature) -> None:
        self._layer, self._feature = layer, feature
        self.problems: list[Remark] = []

    def remark(self, field: str, text: str) -> Remark:
        """A remark on one of its attributes."""
        return Remark(self._layer, self._feature.number, field, text)

    def text(self, name: str) -> str:
        """An attribute as text without surrounding spaces; empty where there is none."""
        value = self._feature.values.get(name)
        return "" if value is None else str(value).strip()

    def one_of(self, name: str, allowed: type[StrEnum], empty: StrEnum | None) -> str | None:
        """An attribute that is one of some words in any case; None, with a problem, for another."""
        text = self.text(name).casefold()
        if text in [str(a) for a in allowed]:
            return text
        if not text and empty is not None:
            return str(empty)
        said = f"'{self.text(name)}' is unknown" if text else "it is empty"
        hint = did_you_mean(text, map(str, allowed)) if text else ""
        self.problems.append(self.remark(name, f"{said}; expected {' or '.join(allowed)}{hint}"))
        return None

    def time(self, name: str) -> datetime | None:
        """A time, in UTC where it says no zone."""
        text = self.text(name)
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text.replace("/", "-"))
        except ValueError:
            self.problems.append(self.remark(name, f"'{text}' is no time; expected a form like 2024-05-31 14:30"))
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def minutes(self, name: str) -> float | None:
        """A number of minutes."""
        text = self.text(name)
        if not text:
            return None
        try:
            found = float(text.replace(",", "."))
        except ValueError:
            found = math.nan
        if not 0 <= found < math.inf:
            self.problems.append(self.remark(name, f"'{text}' is no number of minutes; expected 0 or more"))
            return None
        return found

    def whole(self, name: str) -> int:
        """The number of a round; 0 where it is not one."""
        text = self.text(name).removesuffix(".0")
        return int(text) if text.isdigit() else 0

    def scores(self) -> dict[str, float]:
        """The scores; none where they were changed to something else."""
        try:
            found: Any = json.loads(self.text("scores") or "{}")
            return {str(k): float(v) for k, v in found.items()}
        except (ValueError, AttributeError, TypeError):
            return {}
