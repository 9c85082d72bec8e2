"""GeoParquet of fields is what fiboa 0.3.0 and Vecorel 0.1.0 ask for: their schemas' facts, restated, against the file's bytes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fields.test_field_files import fields

from croplayer.fields.fiboa import DATETIME
from croplayer.fields.files import read_fields, write_fields

VECOREL = "https://vecorel.org/specification/v0.1.0/schema.yaml"
FIBOA = "https://fiboa.org/specification/v0.3.0/schema.yaml"


class Property(NamedTuple):
    """A property of the schemas."""

    physical: str
    """Type in Parquet"""
    logical: str = "NONE"
    must_be: bool = False
    """Whether each field must have it"""
    only_rows: bool = False
    """Whether it may not stand for a collection as a whole"""
    least: float | None = None
    """Values are above this"""
    most: float | None = None
    words: tuple[str, ...] = ()


PROPERTIES = {
    "id": Property("BYTE_ARRAY", "STRING", must_be=True, only_rows=True),
    "collection": Property("BYTE_ARRAY", "STRING", must_be=True),
    "geometry": Property("BYTE_ARRAY", must_be=True, only_rows=True),
    "metrics:area": Property("FLOAT", only_rows=True, least=0, most=1e9),
    "metrics:perimeter": Property("FLOAT", only_rows=True, least=0, most=1.25e9),
    "determination:datetime": Property("INT64", "TIMESTAMP"),
    "determination:method": Property(
        "BYTE_ARRAY", "STRING", words=("manual", "driven", "surveyed", "auto-operation", "auto-imagery", "unknown")
    ),
    "determination:details": Property("BYTE_ARRAY", "STRING"),
}
TYPES = {"string": ("BYTE_ARRAY", "STRING"), "double": ("DOUBLE", "NONE"), "float": ("FLOAT", "NONE"), "boolean": ("BOOLEAN", "NONE")}  # fmt: skip
"""Types of Parquet of the words of Vecorel."""


def faults(path: Path) -> list[str]:
    """What a validator of both schemas would say of a file."""
    file = pq.ParquetFile(path)
    about = json.loads(file.schema_arrow.metadata[b"collection"])
    columns = {c.path: c for c in (file.schema.column(i) for i in range(len(file.schema)))}
    table = file.read()
    custom = about.get("schemas:custom", {}).get("properties", {})
    said = [
        f"{name}: the schemas of its collection are {schemas}"
        for name, schemas in about["schemas"].items()
        if not {VECOREL, FIBOA} <= set(schemas)
    ]
    said += [f"{name}: no schemas" for name in set(table["collection"].to_pylist()) - set(about["schemas"])]
    for name, rule in PROPERTIES.items():
        if name in about and (rule.only_rows or (rule.words and about[name] not in rule.words)):
            said.append(f"{name}: '{about[name]}' for the whole collection")
        if name not in columns:
            said += [f"{name} is missing"] if rule.must_be and name not in about else []
            continue
        column, values = columns[name], table[name]
        if (column.physical_type, column.logical_type.type) != (rule.physical, rule.logical):
            said.append(f"{name} is {column.physical_type} {column.logical_type.type}")
        if rule.must_be and (values.null_count or any(len(value) == 0 for value in values.to_pylist())):
            said.append(f"{name} is missing in some rows")
        numbers = values.drop_null().to_numpy() if rule.least is not None else np.empty(0)
        if len(numbers) and not (numbers.min() > rule.least and numbers.max() <= rule.most):
            said.append(f"{name} reaches from {numbers.min()} to {numbers.max()}")
    for name, column in columns.items():
        if name in PROPERTIES or name.startswith("bbox."):
            continue
        declared = TYPES[custom[name]["type"]] if name in custom else None
        if declared != (column.physical_type, column.logical_type.type):
            said.append(f"{name} is {column.physical_type} {column.logical_type.type}, declared as {declared}")
    sides = [f"bbox.{side}" for side in ("xmin", "ymin", "xmax", "ymax")]
    if any(name not in columns or columns[name].physical_type not in ("FLOAT", "DOUBLE") for name in sides):
        said.append("bbox is no box")
    return said


@pytest.mark.parametrize("count", [0, 1, 60])
def test_files_are_valid(tmp_path, count):
    (path,) = write_fields([fields(1, count)], tmp_path / "a.parquet", "guangdong/2020")
    assert faults(path) == []


def changed(path: Path, change) -> Path:
    """A copy of a file with another table or metadata."""
    table = pq.read_table(path)
    out = path.with_name("changed.parquet")
    pq.write_table(change(table), out)
    return out


def with_about(table: pa.Table, **more: object) -> pa.Table:
    about = json.loads(table.schema.metadata[b"collection"])
    return table.replace_schema_metadata({**table.schema.metadata, b"collection": json.dumps({**about, **more})})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop_columns("metrics:area").append_column("metrics:area", pa.array([-1.0] * len(t), pa.float32())), "metrics:area reaches from -1"),
        (lambda t: t.drop_columns("metrics:area").append_column("metrics:area", pa.array([1.0] * len(t))), "metrics:area is DOUBLE"),
        (lambda t: t.drop_columns("id"), "id is missing"),
        (lambda t: with_about(t, **{"determination:method": "guessed"}), "determination:method: 'guessed'"),
        (lambda t: with_about(t, schemas={"a": [VECOREL]}), "the schemas of its collection"),
        (lambda t: t.append_column("extra", pa.array([1] * len(t))), "extra is INT64"),
    ],
)  # fmt: skip
def test_what_is_not_valid_is_found(tmp_path, change, said):
    """The check can fail."""
    (path,) = write_fields([fields(1, 8)], tmp_path / "a.parquet", "a")
    assert any(text.startswith(said) or said in text for text in faults(changed(path, change)))


def test_the_date_of_the_imagery_is_written_where_it_is_known(tmp_path):
    when = datetime(2020, 5, 3, 10, 30, tzinfo=UTC)
    dated, other = fields(1, 20), fields(2, 5)
    dated[DATETIME] = pd.Series([when, None] * 10, dtype="datetime64[ms, UTC]")
    (path,) = write_fields([dated, other], tmp_path / "a.parquet", "a", is_dated=True)
    assert faults(path) == []
    read = pq.read_table(path).to_pandas().set_index("id")[DATETIME]
    known = dict(zip(dated.id, dated[DATETIME].notna(), strict=True))
    assert {i for i, time in read.items() if pd.notna(time)} == {i for i, is_known in known.items() if is_known}
    assert set(read.dropna()) == {pd.Timestamp(when)}
    again = pd.concat(read_fields(path)).set_index("id")[DATETIME]
    assert again.dtype == "datetime64[ms, UTC]" and again.equals(read.astype(again.dtype))
    (path,) = write_fields([dated], tmp_path / "b.parquet", "a")
    assert DATETIME not in pq.read_schema(path).names and DATETIME not in next(read_fields(path))
