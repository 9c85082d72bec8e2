"""Far out, tiles come from the overviews of a cube: the right level, the mean colours, and nothing that is not finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shared.small_cubes import RANGE
from viewer.test_tiles import tile_of

from croplayer.cube.overviews import level_cubes, write_block_overviews, write_square_overviews
from croplayer.cube.whole_blocks import Cube
from croplayer.viewer.coarse import CoarsePixels
from croplayer.viewer.layers import layers_of, mixed
from croplayer.viewer.memory import RecentlyUsed
from croplayer.viewer.mercator import TILE_PX, Places, Tile, pixels_of_tile, tiles_over
from croplayer.viewer.pixels import CubePixels
from stores.block_list import BlockList
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, Bounds
from stores.levels import squares_of
from stores.overviews import create_overviews


@pytest.fixture
def coarse(cube: Cube) -> CoarsePixels:
    """The overviews of the noisy cube, whose masks of sources are made from its map."""
    create_overviews(DurableStore(cube.path), cube.edition, cube.grid, cube.blocks, cube.sources)
    blocks = BlockList.under(cube.blocks.window(cube.grid), cube.grid.block_px)
    for block in blocks:
        for i, source in enumerate(cube.sources):
            cube.write_block("cropland", block, np.roll(cube.read_block("croplayer", block), i + 1, 0), source)
        write_block_overviews(cube, block)
    for square in squares_of(blocks):
        write_square_overviews(cube, square, blocks)
    found = CoarsePixels.of(cube, RecentlyUsed(10**7), {})
    assert found is not None
    return found


def places_of(cube: Cube, zoom: int) -> Places:
    return pixels_of_tile(tile_of(cube, zoom), cube.grid)


@pytest.mark.parametrize(("zoom", "factor"), [(10, 1), (9, 4), (8, 4), (7, 16), (6, 16), (5, 64), (4, 64)])
def test_a_tile_is_read_from_the_level_that_is_as_coarse_as_it(
    cube: Cube, coarse: CoarsePixels, zoom: int, factor: int
) -> None:
    places = places_of(cube, zoom)
    found = coarse.shares(places, "borealis")
    if factor == 1:
        assert found is None and coarse.imagery(places, "borealis") is None
        return
    (each,) = (each for each in level_cubes(cube) if each.level.factor == factor)
    window = cube.blocks.window(each.cube.grid)
    rows, cols = places.rows // factor - window.row, places.cols // factor - window.col
    y, x = (rows >= 0) & (rows < window.height), (cols >= 0) & (cols < window.width)
    assert found is not None and y.any() and x.any()
    for pixels, name, fill in zip(found, ("area_fraction", "known_fraction"), (255, 0), strict=True):
        expected = each.read(name, window, 2)[np.ix_(rows[y], cols[x])]
        np.testing.assert_array_equal(pixels[np.ix_(y, x)], expected)
        assert (pixels[~y] == fill).all() and (pixels[:, ~x] == fill).all()
    imagery = coarse.imagery(places, "borealis")
    assert imagery is not None and imagery.shape == (TILE_PX, TILE_PX, 4)
    np.testing.assert_array_equal(imagery[np.ix_(y, x)][..., :3], each.read("rgb", window, 1)[np.ix_(rows[y], cols[x])])
    np.testing.assert_array_equal(imagery[..., 3] == 255, found[1] > 0)


def test_a_tile_of_too_many_files_takes_a_coarser_level(
    cube: Cube, coarse: CoarsePixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = places_of(cube, 7)
    monkeypatch.setattr("croplayer.viewer.coarse.MOST_FILES", 5)  # six blocks lie under it
    found = coarse.shares(places, None)
    assert found is not None and len(np.unique(found[0])) <= 7  # a value for each block, and what lies beyond


def test_what_is_not_finished_is_not_shown(cube: Cube, coarse: CoarsePixels) -> None:
    first = BlockList.of([(RANGE.row, RANGE.col)])
    some = replace(coarse, finished={"overviews": first})
    for zoom, part in ((8, 1 / 6), (4, 1)):
        places = places_of(cube, zoom)
        shown, every = (one.shares(places, None) for one in (some, coarse))
        assert shown is not None and every is not None and every[1].any()
        assert (shown[1] > 0).sum() == pytest.approx(part * (every[1] > 0).sum(), rel=0.2)
    none = replace(coarse, finished={"overview_squares": BlockList.of(())}, memory=RecentlyUsed(10**7))
    shown = none.shares(places_of(cube, 4), None)
    assert shown is not None and not shown[1].any() and (shown[0] == 255).all()


def test_colours_are_means_that_weigh_what_is_opaque() -> None:
    palette = np.zeros((256, 4), np.uint8)
    palette[1], palette[0], palette[254] = (0, 100, 0, 255), (200, 200, 200, 85), (9, 9, 9, 255)
    fraction = np.array([[250, 0, 125, 125, 254, 255]], np.uint8)
    known = np.array([[250, 250, 250, 125, 0, 0]], np.uint8)
    half = [50, 125, 50]  # 255 parts of the first to 85 of the second
    expected = [[0, 100, 0, 255], [200, 200, 200, 85], [*half, 170], [*half, 85], [9, 9, 9, 255], [0, 0, 0, 0]]
    np.testing.assert_array_equal(mixed(fraction, known, palette)[0], expected)


def test_layers_with_overviews_are_drawn_where_the_others_show_too_much(
    cube: Cube, coarse: CoarsePixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("croplayer.viewer.pixels.MOST_FILES", 1)
    shown = CubePixels(cube, RecentlyUsed(10**7), coarse=coarse)
    layers = layers_of(shown, None, [])
    assert [key for key, layer in layers.items() if layer.has_overviews(shown)] == [
        "map", "imagery-0", "imagery-1", "mask-0", "mask-1"
    ]  # fmt: skip
    for key in ("map", "imagery-1"):
        tile = layers[key].rgba(shown, places_of(cube, 6))
        assert tile is not None and tile[..., 3].any()
    assert layers["probability-0"].rgba(shown, places_of(cube, 6)) is None


def test_tiles_over_a_box_are_those_that_share_area_with_it() -> None:
    assert tiles_over(Bounds(-180, -85.0511287, 180, 85.0511287), 2) == (range(0, 4), range(0, 4))
    assert tiles_over(Bounds(0, 0, 90, 66.51326044311186), 2) == (range(2, 3), range(1, 2))
    assert tiles_over(Bounds(-1e-3, 0, 90 + 1e-3, 1), 2) == (range(1, 4), range(1, 2))
    assert tiles_over(Bounds(10, -90, 11, 90), 0) == (range(0, 1), range(0, 1))
    grid, (xs, ys) = BlockGrid(64), tiles_over(BlockGrid(64).bounds(BlockIndex(1100, 5880)), 12)
    window = grid.window(BlockIndex(1100, 5880))
    for x in range(xs.start - 1, xs.stop + 1):
        for y in range(ys.start - 1, ys.stop + 1):
            rows, cols, _ = pixels_of_tile(Tile(12, x, y), grid)
            touches = bool(((rows >= window.row) & (rows < window.row_stop)).any()) and bool(
                ((cols >= window.col) & (cols < window.col_stop)).any()
            )
            assert touches == (x in xs and y in ys)


def test_a_damaged_file_of_a_level_is_named(cube: Cube, coarse: CoarsePixels) -> None:
    each = coarse.levels[0]
    path = next(
        p
        for p in sorted((Path(cube.path) / each.cube.edition / "rgb").rglob("*"))
        if p.is_file() and p.name != "zarr.json"
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(RuntimeError, match=f"{path} is damaged"):
        each.read("rgb", each.cube.blocks.window(each.cube.grid))
