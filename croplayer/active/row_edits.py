"""Edits of single rows of a GeoPackage, all of them in one transaction, and how they are taken back."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from croplayer.active.geopackage import geometry_of, note_change, quoted, writing

PATIENCE_S = 1.5
"""How long another program may keep the file locked; a person waits."""


class ChangedElsewhereError(ValueError):
    """A row is no longer as it was when the person saw it."""


class RowEdit(NamedTuple):
    """What one row of a layer becomes."""

    layer: str
    number: int | None
    """Number of the feature (fid); None adds a row."""
    values: Mapping[str, Any] | None
    """New values of some columns, the geometry as GeoPackage binary under the name of its column; None removes the row."""
    seen: Mapping[str, Any]
    """What the person saw in some columns; where that has changed, nothing is edited."""


def edit_rows(path: Path, edits: Sequence[RowEdit]) -> list[RowEdit]:
    """Edit rows in one transaction: all of it is in the file, durably, or none.

    Returns
    -------
    For each edit the one that takes it back. That of a new row has the row's number

    Raises
    ------
    ChangedElsewhereError
        if a row is gone or another program has changed what was seen
    OSError, ValueError
        as `geopackage.append_rows`
    """
    with writing(path, PATIENCE_S) as db:
        return [_edited(db, path, edit) for edit in edits]


class _Layer(NamedTuple):
    """The table of a layer."""

    table: str
    """Its name as an identifier of SQL."""
    key: str
    geometry: str
    columns: tuple[str, ...]

    @classmethod
    def of(cls, db: sqlite3.Connection, path: Path, name: str) -> _Layer:
        columns = db.execute(f"PRAGMA table_info({quoted(name)})").fetchall()
        found = db.execute("SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", [name]).fetchone()
        if not columns or found is None:
            raise ValueError(f"{path} has no layer '{name}'; take it back from an earlier copy")
        key = next((c[1] for c in columns if c[5]), "rowid")
        return cls(quoted(name), key, found[0], tuple(c[1] for c in columns))


def _edited(db: sqlite3.Connection, path: Path, edit: RowEdit) -> RowEdit:
    layer = _Layer.of(db, path, edit.layer)
    values = dict(edit.values or {})
    missing = [name for name in values if name not in layer.columns]
    if missing:
        raise ValueError(f"{path} layer {edit.layer} has no column '{missing[0]}'; take it back from an earlier copy")
    if edit.number is None:
        columns, marks = ", ".join(map(quoted, values)), ", ".join("?" * len(values))
        cursor = db.execute(f"INSERT INTO {layer.table} ({columns}) VALUES ({marks})", [*values.values()])
        back = RowEdit(edit.layer, cursor.lastrowid, None, values)
    else:
        before = _as_seen(db, path, layer, edit)
        if edit.values is None:
            db.execute(f"DELETE FROM {layer.table} WHERE {quoted(layer.key)} = ?", [edit.number])
            return RowEdit(edit.layer, None, before, {})
        listed = ", ".join(f"{quoted(name)} = ?" for name in values)
        db.execute(f"UPDATE {layer.table} SET {listed} WHERE {quoted(layer.key)} = ?", [*values.values(), edit.number])
        back = RowEdit(edit.layer, edit.number, {name: before[name] for name in values}, values)
    if values.get(layer.geometry) is not None:
        note_change(db, edit.layer, geometry_of(values[layer.geometry]).bounds)
    return back


def _as_seen(db: sqlite3.Connection, path: Path, layer: _Layer, edit: RowEdit) -> dict[str, Any]:
    """The row that an edit changes, if it is as the person saw it."""
    listed = ", ".join(map(quoted, layer.columns))
    row = db.execute(
        f"SELECT {listed} FROM {layer.table} WHERE {quoted(layer.key)} = ?", [edit.number]
    ).fetchone()  # fmt: skip
    before = {} if row is None else dict(zip(layer.columns, row, strict=True))
    if row is None or any(before.get(name) != value for name, value in edit.seen.items()):
        raise ChangedElsewhereError(
            f"{path} layer {edit.layer} feature {edit.number} was changed by another program or person, so nothing was saved; "
            "look again"
        )
    return before
