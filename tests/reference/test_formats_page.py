"""The data dictionary: every array of the schemas and every column that a run writes is told."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from shared.places import REPOSITORY

from croplayer.measures.features import SHAPE, feature_table
from reference.pages import MADE, written
from stores import tables
from stores.change import CHANGE_CUBE
from stores.cube import CUBE

PAGE = "docs/formats.md"
NAMES = {"SOURCE": ("aster", "borealis"), "LEVEL": ("1", "2"), "STEP": ("assess", "describe", "integrate", "compare"),
         "FEATURE": tuple(f.name for f in (*SHAPE,))}  # fmt: skip
MAPS = ("aster", "borealis", "merge_both", "croplayer", "coarse", "truth")


def columns_of(told: tables.Columns) -> set[str]:
    """Every column that a dictionary can mean in the small run."""
    found = set(told)
    for word, names in {**NAMES, "MAP": MAPS, "OTHER": MAPS}.items():
        found |= {column.replace(word, name) for column in found for name in names if word in column}
    return found


def test_the_page_is_that_of_the_code() -> None:
    assert (REPOSITORY / PAGE).read_text(encoding="utf-8") == written()[PAGE]


def test_every_array_and_declared_column_is_told() -> None:
    page = written()[PAGE].removeprefix(MADE)
    told = set(re.findall(r"^\| `([^`]+)` \|", page, re.M))
    assert {spec.name for schema in (CUBE, CHANGE_CUBE) for spec in schema.arrays} <= told
    values = [value for name, value in vars(tables).items() if name.isupper() and isinstance(value, dict)]
    dictionaries = [
        d for value in values for d in ([value] if all(isinstance(v, str) for v in value.values()) else value.values())
    ]
    assert len(dictionaries) > 20
    assert {column for columns in dictionaries for column in columns} <= told


def test_every_column_of_the_block_table_of_a_run_is_told(finished_small_run: Path) -> None:
    features = set(feature_table(NAMES["SOURCE"]).column)
    told = features.union(*map(columns_of, (tables.BLOCKS, tables.CORRECTNESS, tables.INTEGRATION)))
    assert set(pd.read_parquet(finished_small_run / "blocks.parquet").columns) <= told


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("units_1.csv", tables.UNITS),
        ("units_2.csv", tables.UNITS),
        ("agreement.csv", tables.AGREEMENT),
        ("products.csv", tables.PRODUCTS),
    ],
)
def test_every_column_of_a_table_of_a_run_is_told(finished_small_run: Path, name: str, columns: tables.Columns) -> None:
    found = list(pd.read_csv(finished_small_run / "tables" / name).columns)
    assert set(found) <= columns_of(columns)
    assert {column for column in columns if not re.search("[A-Z]{3}|statistic", column)} <= set(found)
