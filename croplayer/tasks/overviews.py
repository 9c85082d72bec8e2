"""Average a block's map and imagery to coarser pixels, and those of the blocks of a square to still coarser ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from croplayer.cube.overviews import write_block_overviews, write_square_overviews
from croplayer.cube.whole_blocks import Cube
from croplayer.tasks.each import each_block
from stores.block_list import BlockList
from stores.grid import BlockIndex
from stores.levels import blocks_of_square
from stores.records import BlockRecord


@dataclass(frozen=True)
class OverviewsTask:
    """Write the levels of factor 4 and 16 of a block whose map is finished."""

    cube: Cube

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block."""
        return BlockRecord(block, files=write_block_overviews(self.cube, block))


@dataclass(frozen=True)
class SquaresTask:
    """Write the coarser levels of a square of blocks, which is named by its first block."""

    cube: Cube
    finished: BlockList
    """Blocks of the task's squares whose levels of factor 4 and 16 are written."""

    def __call__(self, squares: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, squares)

    def narrowed(self, squares: Sequence[BlockIndex]) -> SquaresTask:
        """The same task with only the blocks of some squares, so that it is small to send."""
        inside = BlockList.of([block for square in squares for block in blocks_of_square(square)])
        return replace(self, finished=self.finished.both(inside))

    def one(self, square: BlockIndex) -> BlockRecord:
        """Record of one square."""
        return BlockRecord(square, files=write_square_overviews(self.cube, square, self.finished))
