"""A finished run of 2 x 3 blocks with provinces, counties, fields and licences, as offices hand it out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from croplayer.fields.files import write_fields
from croplayer.files.tables import with_geometry, write_csv, write_parquet
from shared.two_editions import BLOCKS, GRID, RANGE, patches, write_run
from stores.field_columns import FIELD_COLUMNS
from stores.grid import CRS
from stores.run_folder import RunFolder
from stores.step_memory import FIELD_FILES

RECIPE = """
name = "north"
title = "Cropland of the north"
about = "Made up."
edition = "2020"
[region]
bounds = [114.0, 34.15, 114.15, 34.25]
[grid]
block_px = 96
cell_px = 96
blend_px = 8
[segmentation]
model = "none"
[[sources]]
name = "one"
kind = "raster"
paths = ["/nowhere/one.tif"]
{source}
[[sources]]
name = "two"
kind = "raster"
paths = ["/nowhere/two.tif"]
licence = "CC0-1.0"
[publication]
licence = "CC-BY-4.0"
producer = "An office"
"""
OPEN = {"role": "imagery", "name": "one", "licence": "CC-BY-4.0", "terms": "https://example.org/one"}
OTHER = {"role": "imagery", "name": "two", "licence": "CC0-1.0"}


def handed_out_run(root: Path, inputs: tuple[dict[str, Any], ...] = (OPEN, OTHER), with_fields: bool = True) -> Path:
    """A run with two provinces; the western one has two counties of a city, the eastern one a county whose name is there twice."""
    crop, grey = patches(3)
    crop[0:20, 0:30] = 254
    write_run(root, "2020", crop, grey, sources=("one", "two"))
    folder = RunFolder(root)
    folder.recipe.write_text(RECIPE.format(source='licence = "CC-BY-4.0"'), encoding="utf-8")
    folder.provenance.write_text(json.dumps({"croplayer": "0.1.0", "models": {}, "licences": inputs}), encoding="utf-8")
    made_units().to_parquet(folder.boundaries)
    write_blocks(folder)
    areas = pd.DataFrame(
        {
            "adcode": ["1101"],
            "name_en": ["Old Town"],
            "name_zh": ["老城"],
            "croplayer_km2": [1.5],
            "croplayer_known": [0.9],
        }
    )
    write_csv(folder.table("units_3.csv"), areas)
    if with_fields:
        write_field_files(folder)
    return root


def made_units() -> gpd.GeoDataFrame:
    """Two provinces, three cities, four counties; two counties share a name, one city has no Chinese name."""
    west, south, east, north = GRID.window_bounds(RANGE.window(GRID))
    middle, half, x = west + 0.06, (south + north) / 2, west + 0.1
    box = shapely.box
    rows = [
        ("11", "West", "西省", 1, box(west, south, middle, north)),
        ("12", "East", "东省", 1, box(middle, south, east, north)),
        ("110", "West City", "西市", 2, box(west, south, middle, north)),
        ("120", "East City", "", 2, box(middle, south, x, north)),
        ("121", "Far City", "远市", 2, box(x, south, east, north)),
        ("1101", "Old Town", "老城", 3, box(west, south, middle, half)),
        ("1102", "Drum Tower", "鼓楼区", 3, box(west, half, middle, north)),
        ("1201", "Drum Tower", "鼓楼区", 3, box(middle, south, x, north)),
        ("1211", "Drum Tower", "鼓楼区", 3, box(x, south, east, north)),
    ]
    names = ["adcode", "name_en", "name_zh", "level", "geometry"]
    return gpd.GeoDataFrame(pd.DataFrame(rows, columns=names), geometry="geometry", crs=CRS)


def write_blocks(folder: RunFolder) -> None:
    """A block table in which one block is cloudy in the first source."""
    table = pd.DataFrame([(b.name, *b) for b in BLOCKS], columns=["block", "row", "col"])
    table["coverage_type_one"] = ["Cloudy", *["Planting"] * 5]
    table["coverage_type_two"] = "Planting"
    table["correctness_one"] = [None, *["TP"] * 5]
    table["familiarity_one"] = np.linspace(0.1, 0.6, 6)
    table["known_croplayer"], table["area_km2_croplayer"] = 1.0, np.arange(6.0)
    write_parquet(folder.blocks, with_geometry(table))


def write_field_files(folder: RunFolder) -> None:
    """One file of four fields, two of them in the first county."""
    box = made_units().set_index("adcode").geometry
    codes = ["1101", "1101", "1102", "1211"]
    points = [box[code].centroid for code in codes]
    columns: dict[str, Any] = {}
    for column in FIELD_COLUMNS:
        kinds = {"string": [f"{column.name}{k}" for k in range(4)], "bool": [False] * 4}
        columns[column.name] = kinds.get(column.dtype, np.arange(1, 5) / 5)
    columns |= {"adcode": codes, "edition": ["2020"] * 4, "source": ["one+two"] * 4}
    shapes = [shapely.box(p.x + 0.002 * k, p.y, p.x + 0.002 * k + 0.001, p.y + 0.001) for k, p in enumerate(points)]
    table = gpd.GeoDataFrame(columns, geometry=shapely.orient_polygons(np.array(shapes)), crs=CRS)
    paths = write_fields([table], folder.fields / "cf_11_西省.parquet")
    step = f"{FIELD_FILES}11"
    folder.memory.begin(step, "f" * 64)
    folder.memory.finish(step, "f" * 64, paths)
