"""Read vector files of any origin: identified by their first bytes, complete, with a CRS."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import geopandas as gpd
import numpy as np

from stores.durable import digest_file, digest_text

MAGIC = {
    b"\x00\x00\x27\x0a": "Shapefile",
    b"SQLite format 3\x00": "GeoPackage",
    b"fgb\x03": "FlatGeobuf",
    b"PAR1": "GeoParquet",
    b"{": "GeoJSON",
}
SIDECARS = (".dbf", ".shx", ".prj", ".cpg")
SHAPEFILE_NAME_BYTES = 10
"""Length to which a shapefile cuts the name of a column."""
_SHX_HEADER_BYTES, _SHX_RECORD_BYTES = 100, 8


def read_vector(path: Path, what: str) -> gpd.GeoDataFrame:
    """Features of a Shapefile, GeoPackage, FlatGeobuf, GeoParquet or GeoJSON in the CRS of the file.

    The format is told from the first bytes, because a library that guesses it can be made to read other files.
    A Shapefile needs its .dbf, .shx, .prj and .cpg, and as many features as its index says.

    Parameters
    ----------
    path : the file
    what : what the file is, for messages ("boundaries")

    Raises
    ------
    FileNotFoundError
        if the file or a part of a Shapefile does not exist
    ValueError
        if the file is of another format or damaged, or has no geometry column, no feature or no CRS
    """
    kind = _kind_of(path, what)
    if kind == "Shapefile":
        _check_parts(path, what)
    try:
        frame = gpd.read_parquet(path) if kind == "GeoParquet" else gpd.read_file(path, engine="pyogrio")
    except Exception as error:  # readers raise errors of any class on damaged files
        raise ValueError(f"{what} {path} cannot be read as {kind}: {_first_line(error)}") from error
    if not isinstance(frame, gpd.GeoDataFrame):
        raise ValueError(f"{what} {path} has no geometry; expected polygons or points")
    if frame.empty:
        raise ValueError(f"{what} {path} has no feature")
    if kind == "Shapefile" and len(frame) != _shx_records(path):
        raise ValueError(
            f"{what} {path} has {len(frame)} features, its index has {_shx_records(path)}; a part is truncated"
        )
    if frame.crs is None:
        raise ValueError(f"{what} {path} has no CRS; add it to the file")
    double = [str(c) for c in frame.columns[frame.columns.duplicated()]]
    if double:
        raise ValueError(f"{what} {path} has the column '{double[0]}' twice; name each column once")
    _check_coordinates(frame, path, what)
    return frame


def _kind_of(path: Path, what: str) -> str:
    """Format of a vector file, told from its first bytes; raises FileNotFoundError or ValueError."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{what} {path} do not exist" if what.endswith("s") else f"{what} {path} does not exist"
        )
    with path.open("rb") as file:
        start = file.read(64)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    kind = next((kind for magic, kind in MAGIC.items() if text.startswith(magic)), None)
    if kind is None:
        raise ValueError(
            f"{what} {path}: the file is not a {', '.join(sorted(MAGIC.values()))}; it starts with {start[:8]!r}"
        )
    return kind


def cut_name_hint(columns: Iterable[object], path: Path, name: str) -> str:
    """Hint for an error about a missing column: the name that a shapefile cut it to, if there is one; else empty."""
    cut = name.encode()[:SHAPEFILE_NAME_BYTES].decode(errors="ignore")
    if path.suffix.lower() != ".shp" or cut == name or cut not in set(columns):
        return ""
    return f"; a shapefile cuts names to {SHAPEFILE_NAME_BYTES} bytes, so ask for '{cut}'"


def _check_parts(path: Path, what: str) -> None:
    missing = [s for s in SIDECARS if not path.with_suffix(s).is_file()]
    if missing:
        raise FileNotFoundError(f"{what} {path}: the {', '.join(missing)} file is missing; a shapefile needs it")
    stated = 2 * struct.unpack(">i", path.read_bytes()[24:28].ljust(4, b"\0"))[0]
    if stated != path.stat().st_size:
        raise ValueError(f"{what} {path} has {path.stat().st_size} bytes, its header says {stated}; it is truncated")


def _shx_records(path: Path) -> int:
    return (path.with_suffix(".shx").stat().st_size - _SHX_HEADER_BYTES) // _SHX_RECORD_BYTES


def _check_coordinates(frame: gpd.GeoDataFrame, path: Path, what: str) -> None:
    there = frame.geometry.notna() & ~frame.geometry.is_empty
    bad = np.flatnonzero(there & ~np.isfinite(frame.geometry.bounds.to_numpy()).all(axis=1))
    if len(bad):
        raise ValueError(f"{what} {path} feature {bad[0] + 1} has a coordinate that is not finite")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def digest_vector(path: Path) -> str:
    """sha256 over a vector file and the files that are read with it, by their endings.

    These are the parts of a shapefile, and the changes that an open GeoPackage has not taken in yet (``-wal``).
    Raises FileNotFoundError when the file is not there.
    """
    beside = [path.with_suffix(ending) for ending in SIDECARS] if path.suffix.lower() == ".shp" else []
    beside.append(path.with_name(f"{path.name}-wal"))
    found = [path, *(p for p in beside if p.is_file())]
    return digest_text(repr([(p.name.removeprefix(path.stem), digest_file(p).sha256) for p in found]))
