"""Which pixels and which blocks the pictures of a report show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.measures.agreement import Agreement, ious
from croplayer.report.windows import (
    PICTURE_PX,
    blocks_shown,
    picture_step,
    place_step,
    place_window,
    places_by_agreement,
    thinned,
    thinned_picture,
)
from stores.block_list import BlockList
from stores.grid import BlockGrid, BlockIndex, BlockRange, PixelWindow


def test_a_small_region_is_shown_whole_and_a_large_one_around_its_middle() -> None:
    small = BlockRange(1100, 5900, 4, 6)
    assert blocks_shown(small, BlockIndex(1102, 5903)) == small
    large = BlockRange(1100, 5900, 10, 10)
    assert blocks_shown(large, BlockIndex(1105, 5905)) == BlockRange(1103, 5902, 4, 6)
    assert blocks_shown(large, BlockIndex(1109, 5900)) == BlockRange(1106, 5900, 4, 6)


@given(st.integers(0, 900), st.integers(0, 900), st.integers(1, 3000), st.integers(1, 3000), st.integers(300, 900))
def test_a_picture_read_block_by_block_is_the_thinned_window(
    row: int, col: int, height: int, width: int, block_px: int
) -> None:
    window, grid = PixelWindow(row, col, height, width), BlockGrid(block_px)
    step = picture_step(window)
    pixels = np.random.default_rng(block_px).integers(0, 256, (height, width), np.uint8)
    found = thinned_picture(window, step, grid, lambda part: pixels[part.slices_in(window)])
    np.testing.assert_array_equal(found, pixels[thinned(step), thinned(step)])
    assert max(found.shape) <= PICTURE_PX


def test_a_picture_has_the_bands_that_are_read() -> None:
    window, pixels = PixelWindow(3, 5, 1500, 900), np.random.default_rng(0).integers(0, 256, (1500, 900, 3), np.uint8)
    found = thinned_picture(window, 3, BlockGrid(512), lambda part: pixels[part.slices_in(window)], (3,))
    np.testing.assert_array_equal(found, pixels[1::3, 1::3])


@pytest.mark.parametrize("step", [1, 3])
def test_pixels_of_blocks_that_are_not_finished_are_never_shown(step: int) -> None:
    mask, window, finished = (
        np.arange(48, dtype=np.uint8).reshape(6, 8),
        PixelWindow(41, 81, 6, 8),
        [(10, 20), (11, 21)],
    )
    blocks = BlockList.of([*finished, (30, 30)])
    found = thinned_picture(window, step, BlockGrid(4), lambda part: mask[part.slices_in(window)], finished=blocks)
    rows, cols = np.indices(mask.shape)
    block_row, block_col = (rows + 41) // 4, (cols + 81) // 4
    shown = (block_row == 10) & (block_col == 20) | (block_row == 11) & (block_col == 21)
    np.testing.assert_array_equal(found, np.where(shown, mask, 255)[thinned(step), thinned(step)])


def test_a_place_is_the_middle_of_its_block() -> None:
    assert place_window(BlockIndex(2, 3), 2560) == PixelWindow(2 * 2560 + 1024, 3 * 2560 + 1024, 512, 512)
    assert place_window(BlockIndex(2, 3), 128) == PixelWindow(256, 384, 128, 128)
    assert place_step(place_window(BlockIndex(2, 3), 2560)) == 2
    assert place_step(place_window(BlockIndex(2, 3), 128)) == 1


def test_places_run_from_the_best_agreement_to_the_least() -> None:
    blocks = pd.DataFrame(
        {
            "block": [f"r1100c590{i}" for i in range(5)],
            "area_fraction_croplayer": [0.5, 0.5, 0.5, 0.99, 0.5],
            "tp_croplayer_esa": [5, 9, 1, 10, np.nan],
            "fp_croplayer_esa": [5, 0, 4, 0, np.nan],
            "fn_croplayer_esa": [0, 1, 5, 0, np.nan],
            "tn_croplayer_esa": [0, 0, 0, 0, np.nan],
        }
    )
    found = places_by_agreement(blocks, "croplayer", ["esa", "percentages"])
    assert [(p.block.name, p.title.replace("\n", " ")) for p in found] == [
        ("r1100c5901", "best: r1100c5901 mean IoU 0.90"),
        ("r1100c5900", "middle: r1100c5900 mean IoU 0.50"),
        ("r1100c5902", "least: r1100c5902 mean IoU 0.10"),
    ]
    assert [p.block.name for p in places_by_agreement(blocks[:1], "croplayer", ["esa"])] == ["r1100c5900"]
    assert not places_by_agreement(blocks[3:], "croplayer", ["esa"])
    assert not places_by_agreement(blocks, "croplayer", ["percentages"])


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 3), max_size=5))
def test_many_ratios_are_those_of_each(counts: list[tuple[int, int, int]]) -> None:
    tp, fp, fn = np.array(counts, float).reshape(-1, 3).T
    assert ious(tp, fp, fn) == pytest.approx([Agreement(*c).iou for c in counts], nan_ok=True)
