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
    strips,
    thinned,
)
from stores.grid import BlockIndex, BlockRange, PixelWindow


def test_a_small_region_is_shown_whole_and_a_large_one_around_its_middle() -> None:
    small = BlockRange(1100, 5900, 4, 6)
    assert blocks_shown(small, BlockIndex(1102, 5903)) == small
    large = BlockRange(1100, 5900, 10, 10)
    assert blocks_shown(large, BlockIndex(1105, 5905)) == BlockRange(1103, 5902, 4, 6)
    assert blocks_shown(large, BlockIndex(1109, 5900)) == BlockRange(1106, 5900, 4, 6)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_strips_give_the_picture_of_the_whole_window(height: int, width: int) -> None:
    window = PixelWindow(7, 11, height, width)
    step = picture_step(window)
    rows = np.arange(height)
    found = np.concatenate([rows[s.slices_in(window)[0]][thinned(step)] for s in strips(window, step)])
    np.testing.assert_array_equal(found, rows[thinned(step)])
    assert len(found) <= PICTURE_PX


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
