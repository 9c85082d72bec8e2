"""Lists of blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stores.block_list import BlockList


@given(st.sets(st.tuples(st.integers(0, 3599), st.integers(0, 7199)), max_size=40), st.integers(1, 9))
def test_every_block_is_in_one_neighbourhood(places: set[tuple[int, int]], size: int) -> None:
    blocks = BlockList.of(places)
    groups = list(blocks.neighbourhoods(size))
    assert [len(group) for group in groups[:-1]] == [size] * (len(groups) - 1)
    assert sorted(block for group in groups for block in group) == list(blocks)


def test_neighbourhoods_are_squares() -> None:
    groups = list(BlockList.rectangle(1096, 5888, 8, 8).neighbourhoods(16))
    assert groups == [BlockList.rectangle(1096 + 4 * i, 5888 + 4 * j, 4, 4) for i in range(2) for j in range(2)]
