"""Every table that a run writes has a dictionary of its columns, and every column of it is declared."""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import shapely

import pipelines.stages
from stores.tables import (
    FIELD_MATCHES,
    FIELD_RELIABILITY,
    FIELD_UNITS,
    PARCEL_SCORES,
    SAMPLE_ACCURACY,
    TABLES,
    words_of,
)

WRITTEN = re.compile(r"""\btable\(f?"(?P<name>[\w{}]+)\.(?:csv|parquet)"\)""")


def written_names() -> set[str]:
    """Names of the tables in the stages; a level in braces is LEVEL, the name of a decision is that of one of them."""
    stages = Path(next(iter(pipelines.stages.__path__))).glob("*.py")
    found = {match["name"] for path in stages for match in WRITTEN.finditer(path.read_text(encoding="utf-8"))}
    plain = {re.sub(r"\{(?:a\.)?level\}|(?<=_)\d$", "LEVEL", name) for name in found}
    return {re.sub(r"\{name\}", "correctness", name) for name in plain} - {"{n}"}


def test_every_table_of_the_stages_is_declared() -> None:
    names = written_names()
    assert {"levels", "units_LEVEL", "field_worst", "sample_notes", "correctness_method"} <= names
    assert names <= set(TABLES)


@pytest.mark.parametrize("run", ["finished_small_run", "field_run"])
def test_every_column_of_the_tables_of_a_run_is_declared(run: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(run)
    tables = [*(folder / "tables").iterdir(), folder / "boundaries.parquet"]
    assert len(tables) > 8
    for path in tables:
        if path.suffix == ".csv":
            columns = list(pd.read_csv(path, nrows=0).columns)
        else:
            columns = pyarrow.parquet.read_schema(path).names
        assert set(columns) == set(words_of(path.stem, columns)), path.name


def test_tables_of_fields_parcels_and_samples_have_the_declared_columns() -> None:
    from croplayer.evaluation.area_estimates import accuracy_row
    from croplayer.evaluation.field_units import unit_figures
    from croplayer.evaluation.interval import Estimate
    from croplayer.evaluation.parcels import segmentation_scores
    from croplayer.evaluation.reliability import reliability
    from croplayer.fields.matching import match_fields

    fields = pd.DataFrame({"area_ha": [0.03, 7.0], "confidence": [0.4, 1.0]})
    row = unit_figures("1", "one", fields)
    assert set(words_of("fields", row)) == set(row) and len(row) > len(FIELD_UNITS)
    assert list(reliability(np.array([0.2, 0.9]), np.array([False, True]))) == list(FIELD_RELIABILITY)
    one = gpd.GeoDataFrame({"id": ["a"], "area_ha": [1.0]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    assert [*match_fields(one, one), "id"] == list(FIELD_MATCHES)
    scores = segmentation_scores(np.ones((2, 2), np.int32), np.ones((2, 2), np.int32), np.ones(2))
    assert ["map", *scores] == list(PARCEL_SCORES)
    assert list(accuracy_row("overall accuracy", Estimate(0.9, 0.01), "", 0.95)) == list(SAMPLE_ACCURACY)


def test_a_level_stands_for_any_number() -> None:
    assert words_of("units_2", ["adcode", "esa_km2", "geometry"]).keys() == {"adcode", "esa_km2", "geometry"}
    assert words_of("units_2", ["nonsense"]) == {} and words_of("no_table", ["adcode"]) == {}
