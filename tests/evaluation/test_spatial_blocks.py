"""The block table in spatial partitions: the same rows, and sums over polygons that are those of the pixels or of areas."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

import croplayer
from croplayer.evaluation.provinces import interior_sums
from croplayer.evaluation.spatial_blocks import sums_over
from croplayer.files.tables import with_geometry, write_parquet
from croplayer.vector.boundaries import BORDER_CODE, OUTSIDE_CODE
from croplayer.vector.zones import zones_of_blocks
from stores.grid import BlockIndex

ROWS, COLS = 12, 20


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with a block table of 12 x 20 blocks from 115 E and 35 N, two of which are not known."""
    row, col = (a.ravel() for a in np.meshgrid(np.arange(ROWS) + 1100, np.arange(COLS) + 5900, indexing="ij"))
    table = pd.DataFrame({"block": [f"r{r}c{c}" for r, c in zip(row, col, strict=True)], "row": row, "col": col})
    table["block_km2"], table["area_km2_croplayer"] = 25.0, np.arange(len(table)) / 10
    table["integration_label"] = "Only A"
    table.loc[[3, 44], "area_km2_croplayer"] = np.nan
    folder = tmp_path / "run"
    folder.mkdir()
    write_parquet(folder / "blocks.parquet", with_geometry(table))
    (folder / "recipe.toml").write_text("")
    return folder


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    return shapely.box(115 + west * 0.05, 35 - north * 0.05, 115 + east * 0.05, 35 - south * 0.05)


def test_the_partitions_hold_every_block_once_and_are_compact(run: Path) -> None:
    blocks = croplayer.open_blocks(run, ["area_km2_croplayer"], partition_blocks=30)
    assert blocks.npartitions == 8 and list(blocks.columns) == [
        "block", "row", "col", "block_km2", "area_km2_croplayer", "geometry"
    ]  # fmt: skip
    found, table = blocks.compute(), gpd.read_parquet(run / "blocks.parquet")
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.sort_values("block").reset_index(drop=True)),
        pd.DataFrame(table[list(found.columns)]),
        check_dtype=False,
    )
    # Rows in the order of the table would reach over all columns.
    widths = blocks.spatial_partitions.bounds.eval("maxx - minx")
    assert widths.max() < 0.8 * COLS * 0.05
    assert len(blocks.cx[115.0:115.02, 34.98:35.0].compute()) == 1


def test_sums_of_whole_blocks_are_those_of_the_unit_table(run: Path) -> None:
    edges = [0, 6, 6.5, 20]
    units = gpd.GeoDataFrame(
        {"code": list("abc"), "geometry": [box(edges[i], 0, edges[i + 1], 12) for i in range(3)]}, crs=4326
    )
    table = gpd.read_parquet(run / "blocks.parquet")
    zones = zones_of_blocks(units, [BlockIndex(r, c) for r, c in zip(table.row, table.col, strict=True)])
    table["adcode_1"] = np.array(["a", "b", "c", BORDER_CODE, OUTSIDE_CODE], dtype=object)[zones]
    own = interior_sums(write_parquet(run / "t.parquet", table), "adcode_1", {"area_km2_croplayer": "map"}, {})
    sums = sums_over(croplayer.open_blocks(run, partition_blocks=50), units, "code", ["area_km2_croplayer"])
    assert sums.index.tolist() == ["a", "b", "c"]
    assert sums.area_km2_croplayer["a"] == pytest.approx(own["map"]["a"])
    # The column of blocks in which the unit b lies is split in halves.
    shared = table[table.col == 5906].area_km2_croplayer.sum()
    assert sums.area_km2_croplayer["b"] == pytest.approx(shared / 2)
    assert sums.area_km2_croplayer.sum() == pytest.approx(table.area_km2_croplayer.sum())


def test_what_is_not_known_is_no_zero(run: Path) -> None:
    polygons = gpd.GeoDataFrame(
        {"name": ["far", "unknown", "half"]}, geometry=[box(50, 50, 51, 51), box(3, 0, 4, 1), box(3, 0, 5, 1)], crs=4326
    ).to_crs("EPSG:32650")
    sums = sums_over(croplayer.open_blocks(run), polygons, "name", ["area_km2_croplayer"])
    assert sums.area_km2_croplayer.isna().tolist() == [True, False, False]  # slivers of neighbours after the projection
    assert sums.area_km2_croplayer_known.fillna(-1).round(2).tolist() == [-1, 0.0, 0.5]
    assert sums.area_km2_croplayer["half"] == pytest.approx(0.4, abs=0.01)


def test_the_partitions_do_not_decide_the_sums(run: Path) -> None:
    rng = np.random.default_rng(1)
    points = shapely.points(115 + rng.random(9), 34.4 + 0.6 * rng.random(9))
    polygons = gpd.GeoDataFrame({"k": range(9)}, geometry=shapely.buffer(points, 0.13), crs=4326)
    columns = ["area_km2_croplayer", "block_km2"]
    one, many = (sums_over(croplayer.open_blocks(run, partition_blocks=n), polygons, "k", columns) for n in (1000, 17))
    pd.testing.assert_frame_equal(one, many)


def test_bad_input_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        croplayer.open_blocks(tmp_path / "nothing")
    with pytest.raises(ValueError, match="has no column area_km2_crop;"):
        croplayer.open_blocks(run, ["area_km2_crop"])
    blocks = croplayer.open_blocks(run)
    polygons = gpd.GeoDataFrame({"k": ["x", "x"]}, geometry=[box(0, 0, 1, 1)] * 2)
    with pytest.raises(ValueError, match="no CRS"):
        sums_over(blocks, polygons, "k", [])
    with pytest.raises(ValueError, match="'k' holds x twice"):
        sums_over(blocks, polygons.set_crs(4326), "k", [])
    with pytest.raises(ValueError, match="no column 'code'; they have k, geometry"):
        sums_over(blocks, polygons.set_crs(4326), "code", [])
