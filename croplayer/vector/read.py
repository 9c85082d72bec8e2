"""Read vector files of any origin: identified by their first bytes, complete, with a CRS."""

from __future__ import annotations

import codecs
import struct
from collections.abc import Iterable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

from croplayer.files.encodings import UnclearEncodingError
from croplayer.vector.dbf_encoding import dbf_encoding
from stores.durable import digest_file, digest_text

MAGIC = {
    b"\x00\x00\x27\x0a": "Shapefile",
    b"SQLite format 3\x00": "GeoPackage",
    b"fgb\x03": "FlatGeobuf",
    b"PAR1": "GeoParquet",
    b"{": "GeoJSON",
}
NEEDED_PARTS = (".dbf", ".shx", ".prj")
SIDECARS = (*NEEDED_PARTS, ".cpg")
SHAPEFILE_NAME_BYTES = 10
"""Length to which a shapefile cuts the name of a column."""
_SHX_HEADER_BYTES, _SHX_RECORD_BYTES = 100, 8


def read_vector(
    path: Path, what: str, layer: str | None = None, encoding: str | None = None, may_be_empty: bool = False
) -> gpd.GeoDataFrame:
    """Features of a Shapefile, GeoPackage, FlatGeobuf, GeoParquet or GeoJSON in the CRS of the file.

    The format is told from the first bytes, because a library that guesses it can be made to read other files.
    A Shapefile needs its .dbf, .shx and .prj, and as many features as its index says; its texts are in the encoding of
    ``dbf_encoding``. Heights are dropped, and curves become lines.

    Parameters
    ----------
    path : the file
    what : what the file is, for messages ("boundaries")
    layer : layer of a GeoPackage; None for the only one with geometry
    encoding : encoding of the texts of a Shapefile; None for the one that the file states or that its bytes tell
    may_be_empty : whether a file without a feature is read, too

    Raises
    ------
    FileNotFoundError
        if the file or a part of a Shapefile does not exist
    ValueError
        if the file is of another format or damaged, has several layers or an unclear encoding that is not given, or has
        no geometry column, no feature or no CRS
    """
    kind = _kind_of(path, what)
    if kind == "Shapefile":
        _check_parts(path, what)
        encoding = _encoding(path, what, encoding)
    elif encoding is not None:
        raise ValueError(f"{what} {path} is a {kind}, whose texts are UTF-8; remove the encoding '{encoding}'")
    if kind == "GeoPackage":
        layer = _layer(path, what, layer)
    elif layer is not None:
        raise ValueError(f"{what} {path} is a {kind}, which has no layers; remove the layer '{layer}'")
    try:
        if kind == "GeoParquet":
            frame = gpd.read_parquet(path)
        else:
            frame = gpd.read_file(path, engine="pyogrio", layer=layer, encoding=encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{what} {path}: a text is not {error.encoding} ({error.object[:24]!r}); give the right encoding, or correct "
            f"{path.with_suffix('.cpg').name}"
        ) from None
    except Exception as error:  # readers raise errors of any class on damaged files
        raise ValueError(f"{what} {path} cannot be read as {kind}: {_first_line(error)}") from error
    if not isinstance(frame, gpd.GeoDataFrame):
        raise ValueError(f"{what} {path} has no geometry; expected polygons or points")
    if frame.empty and not may_be_empty:
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
    return frame.set_geometry(shapely.force_2d(frame.geometry)) if frame.geometry.has_z.any() else frame


def _layer(path: Path, what: str, wanted: str | None) -> str:
    """Name of the layer to read; raises ValueError unless it is given or the only one with geometry."""
    try:
        layers = pyogrio.list_layers(path)
    except Exception as error:  # readers raise errors of any class on damaged files
        raise ValueError(f"{what} {path} cannot be read as GeoPackage: {_first_line(error)}") from error
    names = [str(name) for name, kind in layers if kind is not None]
    listed = ", ".join(f"'{name}'" for name in names)
    if wanted is not None and wanted not in names:
        raise ValueError(f"{what} {path} has no layer '{wanted}' with geometry; it has {listed or 'none'}")
    if wanted is None and len(names) != 1:
        if not names:
            raise ValueError(f"{what} {path} has no layer with geometry; expected polygons or points")
        raise ValueError(
            f"{what} {path} has {len(names)} layers: {listed}; name one with the key layer, or keep it in a file of its own"
        )
    return wanted or names[0]


def _encoding(path: Path, what: str, wanted: str | None) -> str:
    """Encoding of the texts of a shapefile; raises ValueError if it is unknown or unclear."""
    if wanted is None:
        try:
            return dbf_encoding(path.with_suffix(".dbf"))
        except UnclearEncodingError as error:
            raise ValueError(
                f"{what} {path}: the encoding of the texts is unclear ({error}); give it with the key encoding, or write "
                f"its name into a file {path.with_suffix('.cpg').name}"
            ) from None
    try:
        return codecs.lookup(wanted).name
    except LookupError:
        raise ValueError(
            f"{what} {path}: '{wanted}' is not an encoding; expected one such as utf-8 or gb18030"
        ) from None


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
    missing = [s for s in NEEDED_PARTS if not path.with_suffix(s).is_file()]
    if missing:
        raise FileNotFoundError(f"{what} {path}: the {', '.join(missing)} file is missing; a shapefile needs it")
    with path.open("rb") as file:
        stated = 2 * struct.unpack(">i", file.read(28)[24:].ljust(4, b"\0"))[0]
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
