"""Digests of many blocks: by block, for some of the blocks, and joined with others."""

from __future__ import annotations

import hashlib
import timeit

import numpy as np
import pytest

from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.grid import BlockIndex

BLOCKS = BlockList.of([(5, 7), (5, 8), (6, 7)])


def test_digests_are_those_of_their_texts() -> None:
    digests = BlockDigests.of_texts(BLOCKS, ["a", "b", "c"])
    assert digests.of(BlockIndex(5, 8)) == hashlib.blake2b(b"b", digest_size=16).hexdigest()
    some = digests.only(BlockList.of([(6, 7), (5, 7)]))
    assert [some.of(block) for block in some.blocks] == [digests.of(block) for block in some.blocks]
    with pytest.raises(KeyError, match="r0000c0000"):
        digests.of(BlockIndex(0, 0))
    with pytest.raises(KeyError, match="r0001c0001"):
        digests.under(BlockList.of([(1, 1)]))


@pytest.mark.parametrize("changed", [0, 1])
def test_joined_digests_change_with_each_of_them_and_for_that_block_alone(changed: int) -> None:
    """So a map that stays as it is does not hide that a mask beside it changed."""
    before = [["a", "b", "c"], ["d", "e", "f"]]
    after = [list(texts) for texts in before]
    after[changed][1] = "x"
    first, second = (
        BlockDigests.of_texts(BLOCKS, one).joined(BlockDigests.of_texts(BLOCKS, other))
        for one, other in (before, after)
    )
    assert (first.digests != second.digests).any(axis=1).tolist() == [False, True, False]
    swapped = BlockDigests.of_texts(BLOCKS, before[1]).joined(BlockDigests.of_texts(BLOCKS, before[0]))
    assert (swapped.digests != first.digests).any(axis=1).all()


@pytest.mark.parametrize("steps", [1, 3])
def test_digests_change_with_blocks_as_far_as_asked_and_no_farther(steps: int) -> None:
    blocks = BlockList.rectangle(100, 200, 9, 11)
    texts = [block.name for block in blocks]
    before = BlockDigests.of_texts(blocks, texts).with_neighbours(steps)
    changed = BlockIndex(103, 204)
    texts[blocks.place_of(changed)] = "other"
    after = BlockDigests.of_texts(blocks, texts).with_neighbours(steps)
    differ = BlockList(blocks.codes[(before.digests != after.digests).any(axis=1)])
    assert differ == BlockList.of([changed]).grown(steps).both(blocks)


def test_neighbours_of_blocks_stop_at_the_poles_and_go_round_the_world() -> None:
    grown = BlockList.of([(0, 0)]).grown()
    assert {tuple(block) for block in grown} == {(0, 7199), (0, 0), (0, 1), (1, 7199), (1, 0), (1, 1)}
    assert np.all(np.diff(BLOCKS.grown().codes) > 0) and len(BLOCKS.grown()) == 15
    assert BLOCKS.grown(3) == BLOCKS.grown().grown().grown()


def test_a_block_is_found_among_those_of_a_nation_as_fast_as_among_a_few() -> None:
    """Each block of a nation asks for those around it: a look at all of them each time would take hours."""

    def seconds(blocks: BlockList) -> float:
        digests = BlockDigests(blocks, np.zeros((len(blocks), 16), np.uint8))
        return min(timeit.repeat(lambda: (blocks[2] in blocks, digests.of(blocks[2])), number=50, repeat=5))

    nation = BlockList.rectangle(600, 5000, 600, 650)
    assert seconds(nation) < 20 * seconds(nation[:10])
