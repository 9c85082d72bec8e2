"""A GeoPackage that people edit: made, added to in one transaction, copied whole, and read feature by feature.

Libraries of vector files stop at the first damaged feature, and add to one layer at a time. Here rows go through SQLite: what
is added to several layers is there as a whole or not at all, also beside a program that has the file open, and a feature that
cannot be read costs that feature.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from stores.durable import PARTIAL, digest_file, sync_folder
from stores.grid import CRS

MAGIC = b"SQLite format 3\x00"
PATIENCE_S = 5.0
"""How long another program may keep the file locked."""
_SRS = 4326
_ENVELOPE_BYTES = (0, 32, 48, 48, 64)
_OF_ENVELOPE = {"ST_MinX": 0, "ST_MaxX": 1, "ST_MinY": 2, "ST_MaxY": 3}
"""Functions that the triggers of a layer's spatial index call."""


class RawFeature(NamedTuple):
    """One row as it is stored."""

    number: int
    """The feature's number, as editors show it (fid)."""
    blob: bytes | None
    """Its geometry as GeoPackage binary."""
    values: Mapping[str, Any]


class RawLayer(NamedTuple):
    """A layer with geometry as it is stored."""

    crs: str
    """EPSG code or definition of its CRS; empty if it has none."""
    columns: tuple[str, ...]
    """Attributes, without number and geometry."""
    features: tuple[RawFeature, ...]


def create_layers(path: Path, layers: Mapping[str, gpd.GeoDataFrame]) -> None:
    """Write a new GeoPackage with empty layers of these columns, for polygons in EPSG:4326."""
    for number, (name, frame) in enumerate(layers.items()):
        frame.iloc[:0].to_file(
            path, driver="GPKG", layer=name, engine="pyogrio", geometry_type="Polygon", mode="a" if number else "w"
        )


def append_rows(path: Path, layers: Mapping[str, gpd.GeoDataFrame]) -> None:
    """Add rows to layers in one transaction; what is in the file stays as it is.

    Columns that a layer lacks are left out. Raises OSError when the file is in use or the disk is full, ValueError when it is
    damaged, lacks a layer or has one in another CRS.
    """
    with writing(path) as db:
        for name, frame in layers.items():
            _append(db, path, name, frame)


@contextmanager
def writing(path: Path, patience_s: float = PATIENCE_S) -> Iterator[sqlite3.Connection]:
    """A connection in one transaction, which is committed at the end or leaves the file as it was.

    The functions that the triggers of a spatial index call are there. Raises as `append_rows`.

    Parameters
    ----------
    patience_s : how long another program may keep the file locked
    """
    with _said(path), closing(_connected(path, patience_s)) as db:
        for name, index in _OF_ENVELOPE.items():
            db.create_function(name, 1, _from_envelope(index), deterministic=True)
        db.create_function("ST_IsEmpty", 1, lambda blob: blob is None or bool(blob[3] & 16), deterministic=True)
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def copy_whole(path: Path, folder: Path, stem: str) -> Path:
    """Copy a GeoPackage as it is at one moment to ``folder/STEM-DIGEST.gpkg``, durably, unless a copy of that digest is there.

    What another program has written and not merged yet (``-wal``) is in the copy. Returns the path of the copy. Raises as
    `append_rows`.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{path} is not a GeoPackage or is damaged at its beginning")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(PARTIAL, ".copy.", folder) as scratch:
        whole = Path(scratch) / path.name
        with _said(path):
            with closing(_connected(path)) as db, closing(sqlite3.connect(whole)) as copy:
                # Backing up does not wait for a lock, so a read asks for it first.
                db.execute("SELECT count(*) FROM sqlite_master").fetchone()
                db.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
                (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    raise sqlite3.DatabaseError(str(found).replace("\n", " "))
            with whole.open("rb") as file:
                os.fsync(file.fileno())
        digest = digest_file(whole).sha256[:16]
        there = sorted(folder.glob(f"*-{digest}.gpkg"))
        if there:
            return there[0]
        named = folder / f"{stem}-{digest}.gpkg"
        whole.replace(named)
    sync_folder(folder)
    return named


def read_layers(path: Path) -> dict[str, RawLayer]:
    """Every layer with geometry of a GeoPackage that nobody else writes, by its name."""
    with _said(path), closing(_connected(path)) as db:
        found = {}
        tables = db.execute(
            "SELECT g.table_name, g.column_name, s.organization, s.organization_coordsys_id, s.definition FROM "
            "gpkg_geometry_columns g LEFT JOIN gpkg_spatial_ref_sys s ON g.srs_id = s.srs_id"
        ).fetchall()
        for table, geometry, organization, code, definition in tables:
            columns = db.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
            key = next((c[1] for c in columns if c[5]), "rowid")
            names = [c[1] for c in columns if c[1] not in (key, geometry)]
            listed = ", ".join(map(quoted, [key, geometry, *names]))
            rows = db.execute(f"SELECT {listed} FROM {quoted(table)} ORDER BY {quoted(key)}").fetchall()
            features = [
                RawFeature(int(r[0]), bytes(r[1]) if r[1] is not None else None, dict(zip(names, r[2:], strict=True)))
                for r in rows
            ]
            crs = f"EPSG:{code}" if str(organization).upper() == "EPSG" else str(definition or "")
            found[str(table)] = RawLayer(crs if crs != "undefined" else "", tuple(names), tuple(features))
        return found


def geometry_of(blob: bytes) -> BaseGeometry:
    """A geometry from GeoPackage binary, in two dimensions; rings that are not closed are closed.

    Raises ValueError for what is none.
    """
    if len(blob) < 8 or blob[:2] != b"GP" or (blob[3] >> 1 & 7) >= len(_ENVELOPE_BYTES):
        raise ValueError("its geometry cannot be read: it is no GeoPackage geometry")
    try:
        shape = shapely.from_wkb(blob[8 + _ENVELOPE_BYTES[blob[3] >> 1 & 7] :], on_invalid="fix")
    except (shapely.errors.ShapelyError, ValueError) as error:
        raise ValueError(f"its geometry cannot be read: {str(error).splitlines()[0]}") from None
    if shape is None:
        raise ValueError("its geometry cannot be read")
    return shapely.force_2d(shape)


def bounds_of(blob: bytes) -> tuple[float, float, float, float] | None:
    """West, south, east and north of a geometry by its header, in the CRS of its layer; None where the header has none."""
    if len(blob) < 40 or blob[:2] != b"GP" or not 1 <= (blob[3] >> 1 & 7) <= 4:
        return None
    west, east, south, north = struct.unpack_from("<4d" if blob[3] & 1 else ">4d", blob, 8)
    return west, south, east, north


def blob_of(shape: BaseGeometry) -> bytes:
    """A geometry as GeoPackage binary with its envelope, in EPSG:4326."""
    west, south, east, north = shape.bounds
    head = b"GP" + bytes([0, 3]) + struct.pack("<i4d", _SRS, west, east, south, north)
    return head + bytes(shapely.to_wkb(shape, byte_order=1, output_dimension=2))


def _append(db: sqlite3.Connection, path: Path, name: str, frame: gpd.GeoDataFrame) -> None:
    found = db.execute("SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE table_name = ?", [name]).fetchone()
    if found is None:
        raise ValueError(f"{path} has no layer '{name}'; take it back from an earlier copy")
    geometry, srs = found
    if srs != _SRS:
        raise ValueError(f"{path} layer {name} is not in {CRS}; save it in {CRS} before tasks are added")
    have = {row[1] for row in db.execute(f"PRAGMA table_info({quoted(name)})")}
    columns = [c for c in frame.columns if c in have and c != frame.geometry.name]
    listed = ", ".join(map(quoted, [geometry, *columns]))
    marks = ", ".join("?" * (len(columns) + 1))
    rows = zip(frame.geometry, *(frame[c] for c in columns), strict=True)
    db.executemany(
        f"INSERT INTO {quoted(name)} ({listed}) VALUES ({marks})",
        ([blob_of(shape), *map(_stored, values)] for shape, *values in rows),
    )
    if len(frame):
        note_change(db, name, frame.total_bounds.tolist())


def note_change(db: sqlite3.Connection, layer: str, bounds: Sequence[float]) -> None:
    """Note in the table of contents that a layer changed within bounds: west, south, east, north."""
    db.execute(
        "UPDATE gpkg_contents SET last_change = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), min_x = min(ifnull(min_x, ?1), ?1), "
        "min_y = min(ifnull(min_y, ?2), ?2), max_x = max(ifnull(max_x, ?3), ?3), max_y = max(ifnull(max_y, ?4), ?4) "
        "WHERE table_name = ?5",
        (*bounds, layer),
    )


def _stored(value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, datetime) else value


def _from_envelope(index: int) -> Any:
    return lambda blob: None if blob is None or blob[3] & 16 else struct.unpack_from("<d", blob, 8 + 8 * index)[0]


def _connected(path: Path, patience_s: float = PATIENCE_S) -> sqlite3.Connection:
    # Without mode=rw SQLite would make a missing file.
    address = f"{path.absolute().as_uri()}?mode=rw"
    db = sqlite3.connect(address, uri=True, timeout=patience_s, isolation_level=None)
    db.text_factory = lambda data: data.decode("utf-8", "replace")
    return db


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Turns errors of SQLite into a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise OSError(
                f"{path} is in use by another program; save the edits there, close it and try again"
            ) from None
        if "full" in text or "disk I/O" in text or "readonly" in text:
            raise OSError(
                f"{path} cannot be written ({text}), so nothing was added to it; make room and try again"
            ) from None
        raise ValueError(f"{path} is damaged ({text})") from None
