"""The lattice: exact edges, exact areas, blocks of a region."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from stores.grid import (
    LARGEST_BLOCK_PX,
    LATTICE_COLS,
    LATTICE_ROWS,
    BlockGrid,
    BlockIndex,
    BlockRange,
    Bounds,
    PixelWindow,
)

GEOD = Geod(ellps="WGS84")


@st.composite
def windows(draw: st.DrawFn) -> tuple[BlockGrid, PixelWindow]:
    """A lattice of any block size and a window of at least one pixel on it."""
    grid = BlockGrid(draw(st.integers(1, LARGEST_BLOCK_PX)))
    row = draw(st.integers(0, 180 * grid.px_per_degree - 1))
    col = draw(st.integers(0, 360 * grid.px_per_degree - 1))
    height = draw(st.integers(1, min(3 * grid.block_px, 180 * grid.px_per_degree - row)))
    width = draw(st.integers(1, min(3 * grid.block_px, 360 * grid.px_per_degree - col)))
    return grid, PixelWindow(row, col, height, width)


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
    bounds = grid.bounds(block)
    assert grid.window_bounds(window) == bounds
    assert bounds.west == (block.col - 3600) / 20
    right = window._replace(col=window.col_stop)
    below = window._replace(row=window.row_stop)
    assert grid.window_bounds(right).west == bounds.east and grid.window_bounds(below).north == bounds.south


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
    for row in (0, 17, 63):
        west, south, east, north = grid.window_bounds(PixelWindow(window.row + row, window.col, 1, 1))
        expected = abs(GEOD.polygon_area_perimeter([west, east, east, west], [south, south, north, north])[0])
        assert grid.pixel_area_m2(window.row, 64)[row] == pytest.approx(expected, rel=1e-9)


def test_block_edges_of_every_size_are_the_edges_of_their_pixels() -> None:
    """Every column and row of blocks, with all block sizes that a cube may have dealt out among them."""
    sizes = itertools.cycle(range(1, LARGEST_BLOCK_PX + 1))
    for col in range(LATTICE_COLS):
        grid, block = BlockGrid(next(sizes)), BlockIndex(col // 2, col)
        window = grid.window(block)
        assert grid.pixels_of(grid.bounds(block)) == window
        assert grid.pixel_at(grid.bounds(block).west, grid.bounds(block).north) == (window.row, window.col)
    block = BlockIndex(1337, 5867)
    for size in range(1, LARGEST_BLOCK_PX + 1):
        grid = BlockGrid(size)
        assert grid.pixels_of(grid.bounds(block)) == grid.window(block)


@given(windows())
def test_a_window_is_the_pixels_of_its_bounds(case: tuple[BlockGrid, PixelWindow]) -> None:
    grid, window = case
    assert grid.pixels_of(grid.window_bounds(window)) == window


@given(windows(), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_a_point_inside_a_pixel_is_that_pixel(case: tuple[BlockGrid, PixelWindow], right: float, down: float) -> None:
    grid, (row, col, _, _) = case
    lon, lat = grid.longitudes(col, 1)[0], grid.latitudes(row, 1)[0]
    west, south, east, north = grid.window_bounds(PixelWindow(row, col, 1, 1))
    assert grid.pixel_at(lon, lat) == grid.pixel_at(west, north) == (row, col)
    assert grid.pixel_at(west + right * (east - west), north + down * (south - north)) == (row, col)
    block = grid.block_at(lon, lat)
    assert PixelWindow(row, col, 1, 1).common(grid.window(block)) == PixelWindow(row, col, 1, 1)


@given(windows(), windows())
def test_a_point_of_one_lattice_lies_in_the_same_block_on_every_other(
    case: tuple[BlockGrid, PixelWindow], other: tuple[BlockGrid, PixelWindow]
) -> None:
    grid, _ = other
    west, _, _, north = case[0].window_bounds(case[1])
    y, x = grid.pixel_at(west, north)
    assert grid.block_at(west, north) == (y // grid.block_px, x // grid.block_px)


@given(windows())
def test_a_box_that_misses_an_edge_by_rounding_has_the_same_pixels(case: tuple[BlockGrid, PixelWindow]) -> None:
    grid, window = case
    box = grid.window_bounds(window)
    for away in (-np.inf, np.inf):
        near = Bounds(*(float(np.nextafter(v, away)) for v in box))
        assert grid.pixels_of(near) == window
    px = grid.px_deg
    inside = Bounds(box.west + 0.01 * px, box.south + 0.01 * px, box.east - 0.01 * px, box.north - 0.01 * px)
    assert grid.pixels_of(inside) == window


def test_pixels_of_boxes_beyond_the_lattice_and_without_area() -> None:
    grid = BlockGrid(10)
    assert grid.pixels_of(Bounds(-180.01, 89.99, -179.99, 90.01)) == PixelWindow(-2, -2, 4, 4)
    assert grid.pixels_of(Bounds(0, 0, 0, 0)).is_empty
    assert grid.pixels_of(Bounds(0, 0, -1, -1)).is_empty
    assert grid.pixel_at(180, -90) == (36_000 - 1, 72_000 - 1)


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


small_windows = st.builds(PixelWindow, *[st.integers(-20, 20)] * 2, *[st.integers(0, 12)] * 2)


@given(small_windows, small_windows)
def test_common_pixels_are_those_in_both(a: PixelWindow, b: PixelWindow) -> None:
    def pixels(window: PixelWindow) -> set[tuple[int, int]]:
        rows, cols = range(window.row, window.row_stop), range(window.col, window.col_stop)
        return set(itertools.product(rows, cols))

    common = a.common(b)
    assert pixels(common) == pixels(b.common(a)) == pixels(a) & pixels(b)
    assert common.is_empty == (not pixels(common)) and min(common.height, common.width) >= 0
    if not common.is_empty:
        rows, cols = np.indices(a[2:]) + np.array([a.row, a.col])[:, None, None]
        area = common.slices_in(a)
        assert set(zip(rows[area].ravel().tolist(), cols[area].ravel().tolist(), strict=True)) == pixels(common)


def test_a_window_outside_another_has_no_slices_in_it() -> None:
    whole = PixelWindow(10, 20, 5, 6)
    assert whole.slices_in(whole) == (slice(0, 5), slice(0, 6))
    assert whole.slices_in(whole.grown(2)) == (slice(2, 7), slice(2, 8))
    for outside in (PixelWindow(9, 20, 2, 2), PixelWindow(10, 25, 1, 2), PixelWindow(14, 20, 2, 1), whole.grown(1)):
        with pytest.raises(ValueError, match="does not lie in window"):
            outside.slices_in(whole)


@given(windows())
def test_blocks_under_a_window_are_those_of_its_bounds(case: tuple[BlockGrid, PixelWindow]) -> None:
    grid, window = case
    found = list(grid.blocks_under(window))
    assert found == list(grid.blocks_in(grid.window_bounds(window)))
    assert sum(part.height * part.width for b in found if (part := window.common(grid.window(b)))) == (
        window.height * window.width
    )


def test_blocks_under_a_window_are_blocks_of_the_lattice() -> None:
    grid = BlockGrid(10)
    assert list(grid.blocks_under(PixelWindow(-5, -5, 10, 10))) == [BlockIndex(0, 0)]
    assert list(grid.blocks_under(PixelWindow(-5, -5, 5, 10))) == []
    assert list(grid.blocks_under(PixelWindow(35_995, 71_999, 30, 30))) == [BlockIndex(3599, 7199)]


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
        (lambda: BlockGrid().pixel_at(0, -91), "not a longitude and latitude"),
        (lambda: BlockGrid().pixels_of(Bounds(0, np.nan, 1, 1)), "not a box in degrees"),
        (lambda: list(BlockGrid().blocks_in(Bounds(10, 5, 9, 6))), "not a box in degrees"),
        (lambda: BlockRange.around([]), "holds no block"),
        (lambda: BlockIndex.parse("r1c1"), "not a block name"),
    ],
)
def test_bad_input_is_named(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
