"""Polygons of a task at the page: select, accept, reject, redraw and draw them, and finish the task.

Each of these is one transaction in ``labels.gpkg``, which also notes who works on the task and for how long.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import shapely

from croplayer.active.geopackage import blob_of
from croplayer.active.page.clock import Clock
from croplayer.active.page.desk import Desk
from croplayer.active.page.items import Item
from croplayer.active.page.keys import Act, Key
from croplayer.active.page.outlines import ACCEPTED, Outline, border_of, inserted, on_earth, polygon_of, with_new_border
from croplayer.active.project import EMPTY, FIELDS, TASKS
from croplayer.active.row_edits import RowEdit
from croplayer.active.tasks import FieldClass, Origin, TaskStatus

GEOMETRY = "geom"
"""Column of the geometry in the layers of a label project."""
Done = tuple[str, list[RowEdit]]
"""What was done in words, and the edits that take it back."""


class Drawing:
    """The polygons of the task that a person works on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.mode: Act | None = None
        """`Act.DRAW` or `Act.EDIT` while an outline is drawn or edited."""
        self.selected: tuple[str, int] | None = None
        """Layer and number of the selected polygon."""
        self.corners: tuple[list[float], list[float]] = ([], [])
        """Corners of the outline that is drawn or edited."""
        self._seen: dict[str, Any] = {}  # note and status of the task as the person saw them

    def begin(self) -> None:
        """Nothing is selected or drawn."""
        self.mode, self.selected, self.corners = None, None, ([], [])

    def take(self, xs: list[float], ys: list[float]) -> None:
        """Corners as they were moved, added or removed; one that is added to an existing outline comes into its nearest side."""
        if self.mode == Act.EDIT and len(xs) == len(self.corners[0]) + 1:
            xs, ys = inserted(xs, ys)
        self.corners = (xs, ys)

    def chosen(self, item: Item) -> Outline | None:
        """The selected polygon as it is now."""
        return next((o for o in self._desk.outlines(item) if (o.layer, o.number) == self.selected), None)

    def select_at(self, item: Item, x: float, y: float) -> None:
        """Select the smallest polygon at a place of the picture, or none."""
        at = shapely.Point(x, y)
        found = [o for o in self._desk.outlines(item) if o.shape.intersects(at)]
        best = min(found, key=lambda o: float(o.shape.area), default=None)
        self.selected = None if best is None else (best.layer, best.number)

    def do(self, item: Item, key: Key, person: str, now: datetime, clock: Clock) -> Done | None:
        """Do what a key says; None when nothing in the file changes.

        Raises ValueError for what cannot be done now, OSError when it could not be saved.
        """
        if key.act == Act.SELECT:
            self._step(item, int(key.value))
        elif key.act == Act.DROP:
            self.begin()
        elif key.act == Act.DRAW:
            self.mode, self.selected, self.corners = Act.DRAW, None, ([], [])
        elif key.act == Act.EDIT:
            x, y = border_of(self._needed(item).shape).exterior.xy
            self.mode, self.corners = Act.EDIT, (list(x)[:-1], list(y)[:-1])
        elif self.mode is not None and key.act != Act.SAVE:
            raise ValueError("an outline is being drawn; save it with Enter or drop it with Esc first")
        else:
            label, edits = self._edits(item, key, person, now)
            done = self._save(item, edits, person, now, clock)
            self.mode, self.corners = None, ([], [])
            return label, done
        return None

    def row(self, item: Item) -> dict[str, Any]:
        """The row of a task as it is stored."""
        number, _ = self._desk.task(item)
        return next(dict(f.values) for f in self._desk.layers()[TASKS].features if f.number == number)

    def look(self, item: Item) -> str:
        """The note of a task, which the person sees from now on, together with its status."""
        row = self.row(item)
        self._seen = {name: row.get(name) for name in ("id", "note", "status")}
        return str(row.get("note") or "")

    def note(self, item: Item, text: str, person: str, now: datetime, clock: Clock) -> list[RowEdit]:
        """Write the note of a task; returns what takes it back.

        Raises `ChangedElsewhereError` when the note is no longer the one that the person saw.
        """
        number, task = self._desk.task(item)
        seen = {"id": task.id, "note": self._seen.get("note")}
        return self._save(item, [RowEdit(TASKS, number, {"note": text}, seen)], person, now, clock)

    def _edits(self, item: Item, key: Key, person: str, now: datetime) -> tuple[str, list[RowEdit]]:
        if key.act == Act.SAVE:
            return self._drawn(item)
        if key.act == Act.EMPTY:
            if any(o.layer == EMPTY for o in self._desk.outlines(item)):
                raise ValueError("the square is already marked as without a field")
            row = {
                GEOMETRY: blob_of(shapely.box(*self._desk.project.grid.window_bounds(item.window))),
                "person": person,
            }
            return f"no field in {item.subject}", [RowEdit(EMPTY, None, row, {})]
        if key.act in (Act.ACCEPT, Act.REJECT):
            one = self._needed(item)
            if one.layer == EMPTY:
                raise ValueError("this is an empty area; take it back with z, or delete it in QGIS")
            kind = FieldClass.CROPLAND if key.act == Act.ACCEPT else FieldClass.NOT
            values: dict[str, Any] = {"class": str(kind)}
            if one.note in ("", ACCEPTED):
                values["note"] = ACCEPTED if key.act == Act.ACCEPT else ""
            return f"{key.label} ({one.number})", [RowEdit(FIELDS, one.number, values, {GEOMETRY: one.blob})]
        return self._status(item, key, person, now)

    def _drawn(self, item: Item) -> tuple[str, list[RowEdit]]:
        if self.mode is None:
            raise ValueError("nothing is drawn; press c to draw a field, or e to move corners of the selected one")
        border = polygon_of(*self.corners)
        if border is None:
            raise ValueError("an outline needs three corners; click them, then press Enter")
        grid = self._desk.project.grid
        if self.mode == Act.DRAW:
            shape = on_earth(border, item.window, grid)
            row = {
                GEOMETRY: blob_of(shape),
                "class": str(FieldClass.CROPLAND),
                "origin": str(Origin.PERSON),
                "task": item.subject,
            }
            return "a new field", [RowEdit(FIELDS, None, row | {"note": "", "as_mapped": ""}, {})]
        one = self._needed(item)
        shape = on_earth(with_new_border(one.shape, border), item.window, grid)
        values = {GEOMETRY: blob_of(shape)} | ({"origin": str(Origin.PERSON)} if one.layer == FIELDS else {})
        return f"moved corners ({one.number})", [RowEdit(one.layer, one.number, values, {GEOMETRY: one.blob})]

    def _status(self, item: Item, key: Key, person: str, now: datetime) -> tuple[str, list[RowEdit]]:
        number, task = self._desk.task(item)
        status = {Act.DONE: TaskStatus.DONE, Act.SKIP: TaskStatus.SKIPPED}.get(key.act, TaskStatus.OPEN)
        if status == task.status:
            raise ValueError(f"{task.id} is {status} already")
        if status == TaskStatus.DONE:
            inside = shapely.box(0, 0, item.window.width, item.window.height)
            there = [o for o in self._desk.outlines(item) if shapely.intersection(o.shape, inside).area > 0]
            if not any(o.kind == FieldClass.CROPLAND or o.layer == EMPTY for o in there):
                raise ValueError("the square holds no field; press w if that is right, then d")
        finished = None if status == TaskStatus.OPEN else _as_stored(now)
        values = {"status": str(status), "finished": finished, "person": person}
        seen = {"id": task.id, "status": self._seen.get("status")}
        return f"{task.id} is {status}", [RowEdit(TASKS, number, values, seen)]

    def _save(self, item: Item, edits: list[RowEdit], person: str, now: datetime, clock: Clock) -> list[RowEdit]:
        number, task = self._desk.task(item)
        minutes = round((task.minutes or 0.0) + clock.seconds / 60, 2)
        times: dict[str, Any] = {"minutes": minutes, "person": task.person or person}
        if task.started is None:
            times["started"] = _as_stored(clock.started)
        # Time that was worked stays worked when its edit is taken back.
        back = self._desk.edit([RowEdit(TASKS, number, times, {"id": task.id}), *edits])[1:]
        clock.take()
        return back

    def _step(self, item: Item, by: int) -> None:
        """Select the next polygon in reading order, from the north-west."""
        if self.mode is not None:
            return
        there = sorted(self._desk.outlines(item), key=lambda o: (-round(o.shape.bounds[3] / 64), o.shape.bounds[0]))
        names = [(o.layer, o.number) for o in there]
        if not names:
            raise ValueError("the square holds no outline; press c to draw one")
        at = names.index(self.selected) + by if self.selected in names else (0 if by > 0 else -1)
        self.selected = names[at % len(names)]

    def _needed(self, item: Item) -> Outline:
        one = self.chosen(item)
        if one is None:
            raise ValueError("no outline is selected; click one, or press Tab")
        return one


def _as_stored(time: datetime) -> str:
    """A time as GeoPackage keeps it."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"
