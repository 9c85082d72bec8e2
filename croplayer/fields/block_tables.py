"""The fields that one block names as one table of bytes, which workers write and from which files are made in a stream."""

from __future__ import annotations

import json
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from pyarrow import ipc

from croplayer.fields.files import arrow_table, field_schema, fields_of_arrow
from stores.field_columns import AREA

OUTLINES = "outlines"
"""Name of the tables beside the chunks of the array of fields."""
LEFT_OUT = SMALL, LARGE, UNSURE, WIDE = "too_small", "too_large", "unsure", "too_wide"
"""Why cropland is in no field: the field is too small or too large, its confidence is too low, it reaches over too many blocks."""
_LON, _LAT = "lon", "lat"
_LEFT_OUT = b"left_out"


@dataclass(frozen=True)
class FoundFields:
    """The fields that one block names."""

    table: gpd.GeoDataFrame
    """One row per field, with `FIELD_COLUMNS` and the geometry."""
    points: np.ndarray
    """(n, 2) float64, longitude and latitude of a point inside of each; the unit that holds it is the field's"""
    left_out: pd.DataFrame
    """What is in no field: why (one of `LEFT_OUT`), area_ha, lon and lat of a point in it. What is too wide has a row for each
    piece in the block."""

    @classmethod
    def of(cls, table: gpd.GeoDataFrame, left_out: pd.DataFrame) -> FoundFields:
        """Fields with the inner points that GEOS chooses."""
        inner = shapely.point_on_surface(table.geometry.to_numpy())
        return cls(table, np.stack([shapely.get_x(inner), shapely.get_y(inner)], axis=1), left_out)


def encode_fields(found: FoundFields) -> bytes:
    """The bytes of the fields of one block: an Arrow file with the fields and what was left out."""
    table = arrow_table(found.table)
    for name, values in zip((_LON, _LAT), found.points.T, strict=True):
        table = table.append_column(name, pa.array(values, pa.float64()))
    rest = found.left_out
    codes = [LEFT_OUT.index(why) for why in rest.why]
    told = {"why": codes, **{name: rest[name].tolist() for name in (AREA, _LON, _LAT)}}
    schema = table.schema.with_metadata({_LEFT_OUT: json.dumps(told, separators=(",", ":"))})
    sink = pa.BufferOutputStream()
    with ipc.new_file(sink, schema, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table.replace_schema_metadata(schema.metadata))
    return bytes(sink.getvalue())


def decode_fields(data: bytes) -> FoundFields:
    """The fields of `encode_fields`, to the bit."""
    table = ipc.open_file(pa.BufferReader(data)).read_all()
    told = json.loads(table.schema.metadata[_LEFT_OUT])
    rest = pd.DataFrame({"why": [LEFT_OUT[code] for code in told.pop("why")], **told})
    points = np.stack([table[name].to_numpy() for name in (_LON, _LAT)], axis=1)
    return FoundFields(fields_of_arrow(table.select(field_schema().names)), points, rest)
