"""Cubes are opened lazily with their CRS, whole or cut to a region."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
import zarr
from shared.small_cubes import RANGE, SOURCES, fill_checkerboard, make_cube

from croplayer.cube.opening import open_cube
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.edition import SchemaError
from stores.grid import BlockGrid, BlockIndex, BlockRange, Bounds


def test_open_cube_is_lazy_and_knows_its_crs(tmp_path: Path) -> None:
    make_cube(tmp_path / "cube.zarr")
    cube = open_cube(tmp_path / "cube.zarr")
    assert cube.rio.crs == "EPSG:4326"
    assert cube.croplayer.dtype == np.uint8
    assert cube.croplayer.chunksizes == {"y": (64, 64), "x": (64, 64, 64)}
    assert list(cube.source.to_numpy()) == list(SOURCES)
    west, south, east, north = cube.rio.bounds()
    assert (west, north) == pytest.approx((114.0, 35.0), abs=1e-12)
    assert (east, south) == pytest.approx((114.15, 34.9), abs=1e-12)


def test_cubes_of_two_runs_join_exactly(tmp_path: Path) -> None:
    """The same coordinates to the last bit, also where one starts elsewhere: nothing is lost in a sum."""
    make_cube(tmp_path / "one.zarr")
    shifted = BlockRange(RANGE.row + 1, RANGE.col + 1, 2, 2)
    CUBE.create(DurableStore(tmp_path / "two.zarr"), "2020", BlockGrid(64), shifted, SOURCES)
    box = BlockGrid(64).bounds(BlockIndex(RANGE.row + 1, RANGE.col + 1))
    one, two = (open_cube(tmp_path / f"{name}.zarr", box).croplayer for name in ("one", "two"))
    with xr.set_options(arithmetic_join="exact"):
        assert (one + two).shape == (64, 64)


def test_region_by_bounds_is_cut_first_and_chunked_by_block_after(tmp_path: Path) -> None:
    make_cube(tmp_path / "cube.zarr")
    cube = open_cube(tmp_path / "cube.zarr", (114.03, 34.93, 114.12, 34.97))
    ppd = 20 * 64
    assert cube.sizes["x"] == round(0.12 * ppd + 0.4999) - int(0.03 * ppd)
    assert sum(cube.chunksizes["x"]) == cube.sizes["x"]
    assert len(cube.chunksizes["x"]) == 3
    with pytest.raises(ValueError, match="does not overlap the cube"):
        open_cube(tmp_path / "cube.zarr", Bounds(10.0, 10.0, 11.0, 11.0))


def test_region_by_name_and_polygon(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    fill_checkerboard(cube)
    units = gpd.GeoDataFrame(
        {"adcode": ["1", "2"], "name_en": ["West Land", "East Land"], "name_zh": ["西", "东"], "level": [1, 1]},
        geometry=[shapely.box(114.0, 34.9, 114.05, 35.0), shapely.Point(114.1, 34.95).buffer(0.03)],
        crs="EPSG:4326",
    )
    units.to_parquet(tmp_path / "boundaries.parquet")
    west = open_cube(tmp_path / "cube.zarr", "west land")
    assert west.sizes == {"source": 2, "y": 128, "x": 64, "band": 3}
    assert bool(west.in_region.all())
    east = open_cube(tmp_path / "cube.zarr", "东")
    pixels = int(east.in_region.sum())
    assert pixels == pytest.approx(np.pi * (0.03 * 20 * 64) ** 2, rel=0.01)
    with pytest.raises(ValueError, match=r"admin unit 'Nowhere' is not in .*West Land"):
        open_cube(tmp_path / "cube.zarr", "Nowhere")


def test_missing_or_foreign_cube_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not a cube"):
        open_cube(tmp_path / "nothing.zarr")
    zarr.open_group(str(tmp_path / "other.zarr"), mode="w").create_group("x")
    with pytest.raises(SchemaError, match="not a croplayer edition"):
        open_cube(tmp_path / "other.zarr")
    make_cube(tmp_path / "cube.zarr")
    with pytest.raises(ValueError, match="no edition '1999'"):
        open_cube(tmp_path / "cube.zarr", edition="1999")


def test_plain_xarray_reads_the_cube_too(tmp_path: Path) -> None:
    make_cube(tmp_path / "cube.zarr")
    plain = xr.open_zarr(tmp_path / "cube.zarr", group="2020", decode_coords="all", consolidated=False)
    assert plain.rio.crs == "EPSG:4326"


def test_a_region_too_large_for_one_piece_is_refused_before_it_is_read() -> None:
    import dask.array
    import xarray as xr

    from croplayer.cube.query import cut_region

    whole = xr.Dataset({"croplayer": (("y", "x"), dask.array.zeros((50_000, 50_000), np.uint8, chunks=5_000))})
    with pytest.raises(ValueError, match="the region is 50000 x 50000 px; at most 2,000,000,000 are cut in one piece"):
        cut_region(whole)
