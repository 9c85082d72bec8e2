"""Tiles of the map in the browser: the right pixels of the cube, in the right colours, from few decoded blocks."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_bounds
from rasterio.warp import Resampling, reproject
from shared.small_cubes import RANGE, make_cube

from croplayer.cube.whole_blocks import Cube
from croplayer.products.open import open_product
from croplayer.viewer.layers import layers_of
from croplayer.viewer.memory import RecentlyUsed
from croplayer.viewer.mercator import TILE_PX, Places, Tile, own_zoom, pixels_of_tile
from croplayer.viewer.pixels import CubePixels, factor_of, outlines_of, thinned
from stores.block_list import BlockList
from stores.grid import BlockGrid, BlockIndex

HALF_WORLD_M = math.pi * 6378137


def tile_at(zoom: int, lon: float, lat: float) -> Tile:
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return Tile(zoom, int((lon + 180) / 360 * 2**zoom), int(y * 2**zoom))


def places(tile: Tile, cube: Cube) -> Places:
    return pixels_of_tile(tile, cube.grid)


def tile_of(cube: Cube, zoom: int) -> Tile:
    """The tile in the middle of a cube."""
    west, south, east, north = cube.grid.window_bounds(cube.blocks.window(cube.grid))
    return tile_at(zoom, (west + east) / 2, (south + north) / 2)


def pixels(cube: Cube, **finished: BlockList) -> CubePixels:
    return CubePixels(cube, RecentlyUsed(10**8), finished)


def warped(cube: Cube, tile: Tile, values: np.ndarray) -> np.ndarray:
    """What GDAL makes of all of a cube under a tile, exactly and with the nearest pixel; 255 outside."""
    edge = 2 * HALF_WORLD_M / 2**tile.zoom
    west, north = tile.x * edge - HALF_WORLD_M, HALF_WORLD_M - tile.y * edge
    out = np.full((TILE_PX, TILE_PX), 255, np.uint8)
    reproject(
        values, out,
        src_transform=cube.grid.transform(cube.blocks.window(cube.grid)), src_crs="EPSG:4326", src_nodata=255,
        dst_transform=from_bounds(west, north - edge, west + edge, north, TILE_PX, TILE_PX), dst_crs="EPSG:3857",
        dst_nodata=255, resampling=Resampling.nearest, tolerance=0,
    )  # fmt: skip
    return out


@pytest.mark.parametrize("zoom", [11, 12, 13])
def test_a_tile_shows_the_pixels_that_gdal_shows(cube: Cube, zoom: int) -> None:
    tile = tile_of(cube, zoom)
    assert factor_of(places(tile, cube), cube) == 1
    whole = cube.read_window("croplayer", cube.blocks.window(cube.grid))
    found, expected = pixels(cube).under(places(tile, cube), "croplayer"), warped(cube, tile, whole)
    assert found is not None and (expected != 255).mean() > 0.2
    np.testing.assert_array_equal(found, expected)
    rgb = pixels(cube).under(places(tile, cube), "rgb", "borealis")
    assert rgb is not None
    green = cube.read_window("rgb", cube.blocks.window(cube.grid), "borealis")[..., 1]
    np.testing.assert_array_equal(rgb[..., 1][expected != 255], warped(cube, tile, green)[expected != 255])


@pytest.mark.parametrize("zoom", [5, 7, 8])
def test_far_out_a_tile_shows_pixels_near_its_own(cube: Cube, zoom: int) -> None:
    tile = tile_of(cube, zoom)
    factor = factor_of(places(tile, cube), cube)
    assert factor > 1
    found = pixels(cube).under(places(tile, cube), "croplayer")
    assert found is not None
    window = cube.blocks.window(cube.grid)
    rows, cols, _ = pixels_of_tile(tile, cube.grid)
    y, x = (rows >= window.row) & (rows < window.row_stop), (cols >= window.col) & (cols < window.col_stop)
    middle = [(place[inside] - start) // factor * factor + factor // 2
              for place, inside, start in ((rows, y, window.row), (cols, x, window.col))]  # fmt: skip
    expected = cube.read_window("croplayer", window)[np.ix_(*middle)]
    np.testing.assert_array_equal(found[np.ix_(y, x)], expected)
    assert (found[~y] == 255).all() and (found[:, ~x] == 255).all()


def test_what_is_not_finished_is_not_shown(cube: Cube) -> None:
    done = BlockList.of([(RANGE.row, RANGE.col)])
    found = pixels(cube, integrate=done).under(places(tile_of(cube, 9), cube), "croplayer")
    every = pixels(cube).under(places(tile_of(cube, 9), cube), "croplayer")
    assert found is not None and every is not None
    assert 0 < (found != 255).sum() < (every != 255).sum() / 4


def test_a_tile_of_too_many_blocks_is_not_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    monkeypatch.setattr("croplayer.viewer.pixels.MOST_FILES", 5)
    assert pixels(cube).under(places(tile_of(cube, 6), cube), "croplayer") is None
    assert pixels(cube).under(places(tile_of(cube, 14), cube), "croplayer") is not None


def test_tiles_beside_each_other_share_their_edge() -> None:
    grid = BlockGrid(2560)
    left, right = (pixels_of_tile(Tile(16, 54000 + i, 26000), grid).cols for i in (0, 1))
    step = 360 * grid.px_per_degree / (TILE_PX * 2**16)
    assert 0 <= right[0] - left[-1] <= math.ceil(step)
    with pytest.raises(ValueError, match="no tile 3/8/0"):
        pixels_of_tile(Tile(3, 8, 0), grid)


def test_the_own_zoom_is_the_first_as_fine_as_the_lattice() -> None:
    for block_px in (32, 512, 2560, 10240):
        grid = BlockGrid(block_px)
        degrees = [360 / (TILE_PX * 2**zoom) for zoom in (own_zoom(grid) - 1, own_zoom(grid))]
        assert degrees[0] > grid.px_deg >= degrees[1]


def test_colours_are_those_of_the_legend(cube: Cube) -> None:
    layer = layers_of(pixels(cube), None, [])["map"]
    tile = tile_of(cube, 13)
    rgba, codes = layer.rgba(pixels(cube), places(tile, cube)), pixels(cube).under(places(tile, cube), "croplayer")
    assert rgba is not None and codes is not None
    legend = {swatch.label: tuple(bytes.fromhex(swatch.colour[1:])) for swatch in layer.legend}
    assert {tuple(c) for c in rgba[codes == 1][:, :3].tolist()} == {legend["cropland"]}
    assert {tuple(c) for c in rgba[codes == 254][:, :3].tolist()} == {legend["no imagery"]}
    assert not rgba[codes == 255].any()


def test_a_block_layer_colours_each_block_and_nothing_else(cube: Cube) -> None:
    table = pd.DataFrame({
        "row": [RANGE.row, RANGE.row + 1], "col": [RANGE.col, RANGE.col + 2],
        "integration_label": ["Only A", "Neither"], "area_fraction_croplayer": [0.0, 1.0], "area_fraction_esa": [1.0, np.nan],
    })  # fmt: skip
    layers = layers_of(pixels(cube), table.get, ["esa"])
    choice = layers["integration"]
    colours = {swatch.label: tuple(bytes.fromhex(swatch.colour[1:])) for swatch in choice.legend}
    assert list(colours) == ["Neither", "Only A: aster"]

    def seen(key: str, row: int, col: int) -> tuple[int, ...]:
        west, south, east, north = cube.grid.bounds(BlockIndex(RANGE.row + row, RANGE.col + col))
        lon, lat = (west + east) / 2, (south + north) / 2
        tile = tile_at(20, lon, lat)
        found = layers[key].rgba(pixels(cube), places(tile, cube))
        assert found is not None
        return tuple(found[TILE_PX // 2, TILE_PX // 2].tolist())

    assert seen("integration", 0, 0) == (*colours["Only A: aster"], 255)
    assert seen("integration", 1, 2) == (*colours["Neither"], 255)
    assert seen("integration", 0, 1)[3] == 0 and seen("integration", 5, 0)[3] == 0
    most = layers["deviation-0"].legend[-1].colour
    assert seen("deviation-0", 0, 0) == (*bytes.fromhex(most[1:]), 255)
    assert seen("deviation-0", 1, 2)[3] == 0


def test_another_map_is_drawn_from_its_own_file(cube: Cube, tmp_path: Path) -> None:
    west, south, east, north = cube.grid.window_bounds(cube.blocks.window(cube.grid))
    codes = np.full((40, 60), 10, np.uint8)
    codes[:, 30:] = 40  # cropland in the legend of ESA WorldCover
    codes[:, :5] = 0  # no data
    profile = {"driver": "GTiff", "width": 60, "height": 40, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(
        tmp_path / "esa.tif", "w", transform=from_bounds(west, south, east, north, 60, 40), **profile
    ) as file:
        file.write(codes, 1)
    product = open_product("ESA", str(tmp_path / "esa.tif"))
    shown = CubePixels(cube, RecentlyUsed(10**8), products={product.name: product})
    layer = layers_of(shown, None, [])["product-0"]
    tile = tile_of(cube, 11)
    flags = shown.under(places(tile, cube), "product", product.name)
    assert flags is not None and layer.title.endswith(product.name)
    cols = pixels_of_tile(tile, cube.grid).cols
    share = (cols - cube.blocks.window(cube.grid).col) / cube.blocks.window(cube.grid).width
    row = flags[TILE_PX // 2]
    inside = row[(share > 0) & (share < 1)]
    expected = np.select([share < 5 / 60, share < 0.5], [254, 0], 1)[(share > 0) & (share < 1)]
    assert (inside == expected).mean() > 0.99  # but for a pixel at each border
    assert set(row[(share < 0) | (share >= 1)]) == {255}


def test_fields_are_outlined_where_another_one_begins() -> None:
    numbers = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 0, 3], [0, 0, 0, 3]], np.uint32)
    joins = np.zeros((4, 4), np.uint8)
    joins[0, 3] = 1  # goes on in the block east
    joins[3, 3] = 3  # east and south
    expected = [[0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 0]]
    np.testing.assert_array_equal(outlines_of(numbers, joins), expected)


def test_a_block_is_thinned_to_the_middle_of_its_squares() -> None:
    block = np.arange(64).reshape(8, 8)
    np.testing.assert_array_equal(thinned(block, 4), [[18, 22], [50, 54]])
    assert thinned(block, 1) is block


class Weight:
    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


def test_memory_stays_below_its_bound_and_drops_what_was_used_first() -> None:
    memory = RecentlyUsed(100)
    made: list[str] = []

    def get(key: str) -> None:
        memory.get(key, lambda: made.append(key) or Weight(40))

    for key in "abaca":
        get(key)
        assert memory.nbytes <= 100
    assert made == ["a", "b", "c"]
    get("b")
    assert made == ["a", "b", "c", "b"]
    memory.get("large", lambda: Weight(101))
    assert memory.nbytes == 0


def test_what_many_threads_ask_for_is_made_once() -> None:
    memory, made, gate = RecentlyUsed(100), [], threading.Event()

    def make() -> Weight:
        assert gate.wait(60)
        made.append(1)
        return Weight(1)

    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(memory.get, "key", make) for _ in range(8)]
        gate.set()
        assert len({id(one.result()) for one in waiting}) == 1
    assert len(made) == 1


def test_an_error_is_told_and_not_kept() -> None:
    memory = RecentlyUsed(100)

    def fails() -> Weight:
        raise OSError("a bit is wrong")

    with pytest.raises(OSError, match="bit is wrong"):
        memory.get("key", fails)
    assert memory.get("key", lambda: Weight(7)).nbytes == 7
