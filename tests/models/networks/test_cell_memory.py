"""Cells that blocks share are predicted once, and nothing changes."""

from __future__ import annotations

import numpy as np
import pytest

from croplayer.models.networks import inference
from croplayer.models.networks.cell_memory import CellMemory
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.networks.inference import predict_block
from croplayer.models.networks.segmentation import build_segmenter

CELL, BLEND, BLOCK = 32, 4, 64
HALO = blended_halo_px(CELL, BLEND)


@pytest.mark.parametrize("batch_cells", [1, 5])
def test_blocks_side_by_side_share_the_cells_at_their_edge(batch_cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_segmenter("pidnet", "tiny", seed=0).eval()
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (BLOCK + 2 * HALO, 3 * BLOCK + 2 * HALO, 3), dtype=np.uint8)
    valid = random.random(rgb.shape[:2]) < 0.9
    passes: list[int] = []
    plain = inference.predict_cells
    monkeypatch.setattr(inference, "predict_cells", lambda *a: passes.append(len(a[1])) or plain(*a))

    def predict(block: int, memory: CellMemory | None) -> np.ndarray:
        cols = slice(block * BLOCK, (block + 1) * BLOCK + 2 * HALO)
        return predict_block(
            network, rgb[:, cols], valid[:, cols],
            cell_px=CELL, halo_px=HALO, batch_cells=batch_cells, blend_px=BLEND, memory=memory,
        )  # fmt: skip

    alone = [predict(block, None) for block in range(3)]
    once = len(passes)
    memory = CellMemory(100)
    for block in (0, 1, 2, 1):
        np.testing.assert_array_equal(predict(block, memory), alone[block])
    # Each block has 3 x 3 cells; the 3 at an edge are those of the next block, and the one in the middle is not kept.
    assert once == 3 * -(-9 // batch_cells)
    assert len(passes) - once == -(-9 // batch_cells) + 2 * -(-6 // batch_cells) + 1


def test_the_cell_that_was_used_the_longest_ago_is_forgotten() -> None:
    memory, cell = CellMemory(2), np.zeros((2, 2), np.uint8)
    one, two, three = (memory.digest(np.full((2, 2, 3), i, np.uint8), np.ones((2, 2), bool)) for i in range(3))
    for digest in (one, two):
        memory.add(digest, cell)
    assert memory.get(one) is cell
    memory.add(three, cell)
    assert memory.get(two) is None and memory.get(one) is cell and memory.get(three) is cell


def test_other_pixels_or_gaps_are_another_cell() -> None:
    memory, rgb, valid = CellMemory(1), np.zeros((4, 9, 3), np.uint8), np.ones((4, 9), bool)
    other, gap = rgb.copy(), valid.copy()
    other[3, 8, 2], gap[0, 0] = 1, False
    digests = {memory.digest(*cell) for cell in ((rgb, valid), (other, valid), (rgb, gap), (rgb[:, :8], valid[:, :8]))}
    assert len(digests) == 4
