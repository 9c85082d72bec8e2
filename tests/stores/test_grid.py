"""The lattice: exact edges, exact areas, blocks of a region."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from stores.grid import LATTICE_COLS, LATTICE_ROWS, BlockGrid, BlockIndex, BlockRange, Bounds, PixelWindow

GEOD = Geod(ellps="WGS84")
blocks = st.builds(BlockIndex, st.integers(0, LATTICE_ROWS - 1), st.integers(0, LATTICE_COLS - 1))


@given(blocks)
def test_name_and_centre_lead_back_to_the_block(block: BlockIndex) -> None:
    grid = BlockGrid()
    west, south, east, north = grid.bounds(block)
    assert grid.block_at((west + east) / 2, (south + north) / 2) == block
    assert grid.block_at(west, north) == block
    assert BlockIndex.parse(block.name) == block


@given(blocks, st.sampled_from([1, 16, 625, 2560]))
def test_neighbours_share_their_edges_exactly(block: BlockIndex, block_px: int) -> None:
    grid = BlockGrid(block_px)
    window = grid.window(block)
    x = grid.longitude_edges(window.col, block_px)
    y = grid.latitude_edges(window.row, block_px)
    bounds = grid.bounds(block)
    assert (x[0], y[-1], x[-1], y[0]) == bounds
    assert x[0] == (block.col - 3600) / 20
    np.testing.assert_array_equal(np.diff(x) > 0, True)


@given(blocks, st.integers(1, 64), st.integers(0, 40))
def test_coordinates_do_not_depend_on_the_window(block: BlockIndex, block_px: int, shift: int) -> None:
    grid = BlockGrid(block_px)
    start = block.col * block_px
    whole = grid.longitudes(start, 80)
    np.testing.assert_array_equal(whole[shift:], grid.longitudes(start + shift, 80 - shift))


@pytest.mark.parametrize("latitude", [-60.0, -34.05, 0.0, 35.1, 53.5, 84.9])
def test_pixel_area_equals_the_geodesic_area(latitude: float) -> None:
    grid = BlockGrid(64)
    window = grid.window(grid.block_at(113.3, latitude))
    x, y = grid.longitude_edges(window.col, 1), grid.latitude_edges(window.row, 64)
    for row in (0, 17, 63):
        lon, lat = [x[0], x[1], x[1], x[0]], [y[row + 1], y[row + 1], y[row], y[row]]
        expected = abs(GEOD.polygon_area_perimeter(lon, lat)[0])
        assert grid.pixel_area_m2(window.row, 64)[row] == pytest.approx(expected, rel=1e-9)


def test_the_rows_add_up_to_the_ellipsoid() -> None:
    grid = BlockGrid(1)
    total = grid.pixel_area_m2(0, LATTICE_ROWS).sum() * LATTICE_COLS
    assert total == pytest.approx(510_065_621_724_088.0, rel=1e-12)


def test_a_box_on_block_edges_holds_just_its_blocks() -> None:
    found = list(BlockGrid().blocks_in(Bounds(113.3, 23.1, 113.4, 23.2)))
    assert found == [BlockIndex(r, c) for r in (1336, 1337) for c in (5866, 5867)]


@given(
    st.integers(-3500, 3500), st.integers(-1700, 1700), st.integers(1, 5), st.integers(1, 5),
)  # fmt: skip
def test_polygon_and_box_of_the_same_shape_hold_the_same_blocks(col: int, row: int, width: int, height: int) -> None:
    bounds = Bounds(col / 20, row / 20, (col + width) / 20, (row + height) / 20)
    as_box = set(BlockGrid().blocks_in(bounds))
    assert as_box == set(BlockGrid().blocks_in(shapely.box(*bounds)))
    assert len(as_box) == width * height


def test_a_block_that_only_touches_is_not_in_the_region() -> None:
    triangle = shapely.Polygon([(113.3, 23.1), (113.35, 23.1), (113.3, 23.15)])
    assert list(BlockGrid().blocks_in(triangle)) == [BlockIndex(1337, 5866)]


def test_range_and_slices() -> None:
    grid = BlockGrid(4)
    around = BlockRange.around([BlockIndex(10, 20), BlockIndex(12, 21)])
    assert around == BlockRange(10, 20, 3, 2)
    assert around.window(grid) == PixelWindow(40, 80, 12, 8)
    assert around.slices(grid, BlockIndex(11, 21)) == (slice(4, 8), slice(4, 8))
    with pytest.raises(ValueError, match="r0013c0020 is outside the cube"):
        around.slices(grid, BlockIndex(13, 20))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BlockGrid(0), "block_px is 0"),
        (lambda: BlockGrid().bounds(BlockIndex(3600, 0)), "outside the lattice of 3600 x 7200"),
        (lambda: BlockGrid().block_at(200, 0), "not a longitude and latitude"),
        (lambda: list(BlockGrid().blocks_in(Bounds(10, 5, 9, 6))), "not a box in degrees"),
        (lambda: BlockRange.around([]), "holds no block"),
        (lambda: BlockIndex.parse("r1c1"), "not a block name"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
