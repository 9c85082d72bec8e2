"""A selection of a cube is written and read again as it was, and says nothing that is true of the whole cube alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
import xarray as xr
from shared.small_cubes import RANGE, fill_checkerboard, make_cube

from croplayer.cube.opening import open_cube
from stores.grid import BlockGrid, BlockIndex, PixelWindow

SELECTIONS: dict[str, Callable[[Path], xr.Dataset]] = {
    "whole": open_cube,
    "box": lambda path: open_cube(path, (114.0131, 34.9207, 114.1209, 34.9755)),
    "polygon": lambda path: open_cube(path, shapely.Point(114.07, 34.953).buffer(0.035)),
    "row": lambda path: open_cube(path).isel(y=[70], x=slice(3, 9)),
    "loaded": lambda path: open_cube(path).isel(y=slice(10, 99)).load(),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    cube = make_cube(tmp_path / "cube.zarr")
    fill_checkerboard(cube)
    rng = np.random.default_rng(2)
    for row, col in np.ndindex(RANGE.rows, RANGE.cols):
        block = BlockIndex(RANGE.row + row, RANGE.col + col)
        cube.write_block("rgb", block, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), "aster")
        cube.write_block("imagery_valid", block, rng.random((64, 64)) < 0.5, "aster")
    return tmp_path / "cube.zarr"


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
@pytest.mark.parametrize("name", SELECTIONS)
def test_what_is_written_opens_again_as_it_was(path: Path, tmp_path: Path, name: str, kind: str) -> None:
    dataset = SELECTIONS[name](path)
    if kind == "netcdf":
        dataset.to_netcdf(tmp_path / "part.nc")
        again = xr.open_dataset(tmp_path / "part.nc", decode_coords="all")
    else:
        dataset.to_zarr(tmp_path / "part.zarr", consolidated=False)
        again = xr.open_zarr(tmp_path / "part.zarr", decode_coords="all", consolidated=False)
    xr.testing.assert_identical(again, dataset)
    assert again.rio.crs == "EPSG:4326" and ("in_region" in again.coords) == (name == "polygon")
    assert again.crop.area().equals(dataset.crop.area())
    assert again.crop.polygons().equals(dataset.crop.polygons())
    again.close()


def test_a_selection_across_chunks_is_written_after_it_is_chunked_anew(path: Path, tmp_path: Path) -> None:
    part = open_cube(path).isel(y=slice(9, 121), x=slice(20, 170))
    part.chunk(y=32, x=32).to_zarr(tmp_path / "part.zarr", consolidated=False)
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "part.zarr", decode_coords="all", consolidated=False), part)


@pytest.mark.parametrize("name", SELECTIONS)
def test_no_attribute_places_the_selection_elsewhere(path: Path, name: str) -> None:
    dataset = SELECTIONS[name](path)
    assert dataset.attrs == {"Conventions": "CF-1.11", "proj:code": "EPSG:4326", "block_px": 64, "edition": "2020"}
    assert "GeoTransform" not in dataset.spatial_ref.attrs
    if name == "row":
        return
    grid = BlockGrid(64)
    row, col = grid.pixel_at(float(dataset.x[0]), float(dataset.y[0]))
    window = PixelWindow(row, col, dataset.sizes["y"], dataset.sizes["x"])
    assert dataset.rio.transform().almost_equals(grid.transform(window), 1e-12)
    assert dataset.rio.bounds() == pytest.approx(grid.window_bounds(window), abs=1e-12)


def test_plain_xarray_is_told_where_the_editions_are(path: Path) -> None:
    shown = xr.open_zarr(path, consolidated=False)
    (how,) = [part for part in shown.attrs["comment"].split(" or ") if part.startswith("xarray.open_zarr")]
    plain = eval(how, {"xarray": xr, "path": path})
    np.testing.assert_array_equal(plain.croplayer, open_cube(path).croplayer)
