from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.active.tasks import task_id, window_of_task
from croplayer.active.windows import beside_any, places, window_edge, windows_of
from stores.grid import BlockGrid, BlockIndex


@given(
    st.integers(0, 3599),
    st.integers(0, 7199),
    st.sampled_from([(2560, 512), (128, 32), (128, 128), (1000, 500)]),
    st.data(),
)
def test_an_id_names_its_window(row: int, col: int, sizes: tuple[int, int], data: st.DataObject) -> None:
    grid = BlockGrid(sizes[0])
    window = data.draw(st.sampled_from(windows_of(BlockIndex(row, col), grid, sizes[1])))
    assert window_of_task(task_id(window, grid), grid) == window


@pytest.mark.parametrize(
    "name",
    [
        "", "field 3", "r1100c5900", "r1100c5900-512-5-0", "r1100c5900-500-0-0", "r9999c5900-512-0-0", "r1100c5900-0-0-0",
        "r1100c5900-512-03-0", "r1100c5900-0512-3-0", "r1100c5900-512-٣-0",
    ],
)  # fmt: skip
def test_another_text_is_no_task(name: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a task"):
        window_of_task(name, BlockGrid(2560))


def test_windows_fill_a_block() -> None:
    grid, block = BlockGrid(1000), BlockIndex(1100, 5880)
    hit = np.zeros((1000, 1000), int)
    for window in windows_of(block, grid, window_edge(1000)):
        hit[window.slices_in(grid.window(block))] += 1
    assert window_edge(1000) == 500 and (hit == 1).all()
    assert [window_edge(n) for n in (2560, 128, 10_240, 521)] == [512, 128, 512, 1]
    with pytest.raises(
        ValueError, match="windows of 600 px do not fill a block of 2560 px; expected a divisor, such as 512"
    ):
        window_edge(2560, 600)


def test_neighbours_are_known_across_blocks() -> None:
    grid = BlockGrid(128)
    west, east = windows_of(BlockIndex(1100, 5880), grid, 32), windows_of(BlockIndex(1100, 5881), grid, 32)
    beside = beside_any(places(east), places([west[7]]))  # the second row of windows, at the eastern edge
    assert np.flatnonzero(beside).tolist() == [0, 4, 8]
    assert beside_any(places(west), places([west[5]])).sum() == 9
    assert not beside_any(places(west), places([])).any()
