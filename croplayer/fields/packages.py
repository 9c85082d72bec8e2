"""Cut a stream of polygons into Shapefiles, none of which passes the 2 GB that the format can address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import shapely

from stores.field_columns import FIELD_COLUMNS, FieldColumn

MOST_BYTES = 2**31 - 2**20
"""Size of a .shp or .dbf file; GDAL refuses to go on beyond 2 GB."""
_TEXT_BYTES, _NUMBER_BYTES, _FLAG_BYTES = 80, 24, 1
"""Widths of the columns that GDAL writes; it widens those of texts for a longer one, in all rows."""
_HEADER_BYTES = 100


class Sizes(NamedTuple):
    """What the files of some polygons take."""

    rows: int
    outlines: int
    """Bytes of the records of the .shp file"""
    widths: tuple[int, ...]
    """Bytes of each column"""

    @classmethod
    def of(cls, part: gpd.GeoDataFrame, columns: Sequence[FieldColumn] = FIELD_COLUMNS) -> Sizes:
        """Sizes of a table of polygons with some columns."""
        outlines = part.geometry.to_numpy()
        rings = len(part) + int(shapely.get_num_interior_rings(outlines).sum())
        records = (8 + 44) * len(part) + 4 * rings + 16 * int(shapely.get_num_coordinates(outlines).sum())
        return cls(len(part), records, tuple(_width(part, column) for column in columns))

    def joined(self, other: Sizes) -> Sizes:
        """Sizes of both together."""
        widths = (max(pair) for pair in zip(self.widths, other.widths, strict=True))
        return Sizes(self.rows + other.rows, self.outlines + other.outlines, tuple(widths))

    @property
    def largest(self) -> int:
        """Bytes of the larger one of the .shp and the .dbf file."""
        table = self.rows * (1 + sum(self.widths)) + 32 * (len(self.widths) + 1) + 2
        return max(_HEADER_BYTES + self.outlines, table)


def _width(part: gpd.GeoDataFrame, column: FieldColumn) -> int:
    if column.dtype != "string":
        return _FLAG_BYTES if column.dtype == "bool" else _NUMBER_BYTES
    lengths = part[column.name].dropna().astype(str).str.encode("utf-8").str.len()
    return _TEXT_BYTES if lengths.empty else max(_TEXT_BYTES, int(lengths.max()))


class Packages:
    """Parts of a stream, in packages that follow each other; each must be read to its end before the next."""

    def __init__(self, parts: Iterator[gpd.GeoDataFrame], columns: Sequence[FieldColumn] = FIELD_COLUMNS) -> None:
        self._parts, self._columns = parts, columns
        self._next = next(parts, None)

    def __iter__(self) -> Iterator[Iterator[gpd.GeoDataFrame]]:
        """There is at least one package, which may be empty."""
        yield self._package()
        while self._next is not None:
            yield self._package()

    def _package(self) -> Iterator[gpd.GeoDataFrame]:
        """Parts until the next one would not fit; one that fits into no package is cut in halves."""
        sizes: Sizes | None = None
        while self._next is not None:
            part, own = self._next, Sizes.of(self._next, self._columns)
            together = own if sizes is None else sizes.joined(own)
            if together.largest > MOST_BYTES and sizes is not None:
                return
            if together.largest > MOST_BYTES and len(part) > 1:
                places = np.arange(len(part)) < len(part) // 2
                self._parts = _before(part[~places], self._parts)
                self._next = part[places]
                continue
            if together.largest > MOST_BYTES:
                raise ValueError(f"polygon {part.id.iloc[0]} takes more than {MOST_BYTES:,} bytes in a Shapefile")
            sizes, self._next = together, next(self._parts, None)
            yield part


def _before(part: gpd.GeoDataFrame, parts: Iterator[gpd.GeoDataFrame]) -> Iterator[gpd.GeoDataFrame]:
    yield part
    yield from parts
