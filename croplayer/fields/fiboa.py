"""GeoParquet of fields after fiboa 0.3 (https://fiboa.org), an extension of Vecorel 0.1."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stores.field_columns import AREA, FIELD_COLUMNS, ID, PERIMETER, FieldColumn
from stores.grid import CRS

SCHEMAS = (
    "https://vecorel.org/specification/v0.1.0/schema.yaml",
    "https://fiboa.org/specification/v0.3.0/schema.yaml",
)
METHOD = "auto-imagery"
"""How the outlines were found, in the words of fiboa."""
COLLECTION = "collection"
DATETIME = "determination:datetime"
"""When the imagery of a field was taken, in files where it is known of some."""
FIBOA_AREA, FIBOA_PERIMETER = "metrics:area", "metrics:perimeter"
BOX = pa.struct([(side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")])
CUSTOM_TYPES = {"string": "string", "float64": "double", "float32": "float", "bool": "boolean"}
"""Words of Vecorel for the types of `FIELD_COLUMNS`."""


class FiboaWriter:
    """Writes tables of fields as row groups of one file; a context manager.

    fiboa's area (m2) and perimeter (m) are added as float32; the other columns stay as they are.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, collection: str, is_dated: bool = False,
        columns: Sequence[FieldColumn] = FIELD_COLUMNS,
    ) -> None:  # fmt: skip
        """``schema`` is that of the tables, with the id first and the geometry as WKB last; ``is_dated`` adds `DATETIME`.

        ``columns`` describe the columns of the schema.
        """
        self._collection, self._described = collection, columns
        own = [field for field in schema if field.name not in (ID, "geometry")]
        self._schema = pa.schema(
            [
                schema.field(ID),
                pa.field(COLLECTION, pa.string(), nullable=False),
                pa.field(FIBOA_AREA, pa.float32()),
                pa.field(FIBOA_PERIMETER, pa.float32()),
                *([pa.field(DATETIME, pa.timestamp("ms", tz="UTC"))] if is_dated else []),
                *own,
                schema.field("geometry"),
                pa.field("bbox", BOX),
            ]
        )
        self._box = np.array([np.inf, np.inf, -np.inf, -np.inf])
        # With the schema in Arrow's own words, readers look there for what is only known at the end.
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", store_schema=False)

    def __enter__(self) -> FiboaWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._writer.add_key_value_metadata({"geo": self._geo(), COLLECTION: json.dumps(self._about())})
        self._writer.close()

    def write(self, table: pa.Table, boxes: np.ndarray, times: pa.Array | None = None) -> None:
        """Write a row group.

        Parameters
        ----------
        boxes : (n, 4) float64, west, south, east and north ends of the outlines
        times : (n,) when the imagery of each was taken, UTC; only for a file that is dated
        """
        columns: dict[str, Any] = {name: table.column(name) for name in table.column_names}
        columns[COLLECTION] = pa.repeat(self._collection, len(table))
        columns[FIBOA_AREA] = pc.multiply(columns[AREA], 1e4).cast(pa.float32())
        columns[FIBOA_PERIMETER] = columns[PERIMETER]
        columns[DATETIME] = times
        columns["bbox"] = pa.StructArray.from_arrays(
            [pa.array(np.ascontiguousarray(side)) for side in boxes.T], fields=list(BOX)
        )
        group = pa.Table.from_arrays([columns[field.name] for field in self._schema], schema=self._schema)
        self._writer.write_table(group, row_group_size=len(group))
        self._box[:2] = np.minimum(self._box[:2], boxes[:, :2].min(axis=0))
        self._box[2:] = np.maximum(self._box[2:], boxes[:, 2:].max(axis=0))

    def _geo(self) -> str:
        from pyproj import CRS as Crs

        column: dict[str, Any] = {
            "encoding": "WKB",
            "crs": Crs(CRS).to_json_dict(),
            "geometry_types": ["Polygon"],
            "orientation": "counterclockwise",
            "covering": {"bbox": {side.name: ["bbox", side.name] for side in BOX}},
        }
        if np.isfinite(self._box).all():
            column["bbox"] = self._box.tolist()
        return json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}})

    def _about(self) -> dict[str, Any]:
        """What holds for all fields of the file."""
        return {
            "schemas": {self._collection: list(SCHEMAS)},
            "determination:method": METHOD,
            "schemas:custom": {
                "properties": {
                    column.name: {
                        "type": CUSTOM_TYPES[column.dtype],
                        "description": _described(column.unit, column.about),
                    }
                    for column in self._described
                    if column.name != ID
                }
            },
        }


def _described(unit: str, about: str) -> str:
    return f"{about} ({unit})" if unit not in ("", "1") else about
