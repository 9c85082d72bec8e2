"""What a catalog says of files, measured from them: rasters, tables and the cube."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import zarr
from pyarrow import parquet

from croplayer.cube.whole_blocks import Cube
from croplayer.files.tables import read_csv
from stores.durable import digest_file
from stores.grid import Bounds
from stores.places import open_store

SHA256_CODE = "1220"
"""The beginning of a multihash of SHA-256 with its 32 bytes."""
ROWS_AT_ONCE = 4096
"""Rows of a raster that are counted together."""


@dataclass(frozen=True)
class FileFacts:
    """Size and digest of a file."""

    size: int
    checksum: str
    """Multihash in hexadecimal digits."""

    @classmethod
    def of(cls, path: Path) -> FileFacts:
        """The facts of a file, which is read once."""
        digest = digest_file(path)
        return cls(digest.size, SHA256_CODE + digest.sha256)


@dataclass(frozen=True)
class RasterFacts:
    """Grid and content of a raster of flags in EPSG:4326."""

    bounds: Bounds
    shape: tuple[int, int]
    """Rows and columns."""
    transform: tuple[float, ...]
    """Six numbers from column and row to degrees, as rasterio has them."""
    code: str
    """CRS, such as EPSG:4326."""
    data_type: str
    nodata: float | None
    overviews: tuple[int, ...]
    counts: dict[int, int]
    """Pixels of each value that occurs."""

    @classmethod
    def of(cls, path: Path) -> RasterFacts:
        """The facts of the first band of a raster of bytes, read in strips."""
        with rasterio.open(path) as file:
            counts = np.zeros(256, np.int64)
            for top in range(0, file.height, ROWS_AT_ONCE):
                rows = file.read(1, window=((top, min(top + ROWS_AT_ONCE, file.height)), (0, file.width)))
                counts += np.bincount(rows.ravel(), minlength=256)
            return cls(
                Bounds(*file.bounds), (file.height, file.width), tuple(file.transform)[:6], str(file.crs), file.dtypes[0],
                file.nodata, tuple(file.overviews(1)), {int(v): int(counts[v]) for v in np.flatnonzero(counts)},
            )  # fmt: skip


@dataclass(frozen=True)
class TableFacts:
    """Columns and rows of a table."""

    columns: tuple[tuple[str, str], ...]
    """Name and type of each."""
    rows: int
    geometry: str | None = None
    """Name of the column of geometries; None for a table without any."""
    bounds: Bounds | None = None
    """Box around the geometries, where the file tells it."""

    @classmethod
    def of(cls, path: Path) -> TableFacts:
        """The facts of a Parquet file, or of a CSV file that `write_csv` wrote."""
        if path.suffix == ".csv":
            head = read_csv(path)
            return cls(tuple((str(name), str(kind)) for name, kind in head.dtypes.items()), len(head))
        file = parquet.ParquetFile(path)
        columns = tuple((field.name, str(field.type)) for field in file.schema_arrow)
        stored = file.metadata.metadata or {}
        geo = json.loads(stored.get(b"geo", b"{}"))
        name = geo.get("primary_column")
        box = geo.get("columns", {}).get(name, {}).get("bbox") if name else None
        return cls(columns, file.metadata.num_rows, name, Bounds(*box) if box else None)


@dataclass(frozen=True)
class ArrayFacts:
    """An array of a cube."""

    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    data_type: str
    fill_value: float | None
    """What pixels read as that no run has written."""
    about: str
    unit: str


def cube_arrays(cube: Cube) -> dict[str, ArrayFacts]:
    """The arrays of an edition with dimensions, without the coordinates themselves, by name."""
    group = zarr.open_group(open_store(cube.path, read_only=True), mode="r", path=cube.edition, use_consolidated=False)
    found = {}
    for name, array in sorted(group.arrays()):
        metadata: Any = array.metadata
        dimensions = tuple(metadata.dimension_names or ())
        if not dimensions or dimensions == (name,):
            continue
        attributes: dict[str, Any] = dict(array.attrs)
        fill = array.fill_value
        found[name] = ArrayFacts(
            dimensions, tuple(array.shape), tuple(array.chunks), str(array.dtype), None if fill is None else float(fill),
            str(attributes.get("long_name", "")), str(attributes.get("units", "")),
        )  # fmt: skip
    return found
