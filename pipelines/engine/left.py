"""What is left of a step over blocks: what has no result, what follows from something that changed, what may have changed."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from stores.block_list import BlockList
from stores.grid import BlockIndex


@dataclass(frozen=True)
class Left:
    """Blocks of a step that are not known to be finished."""

    new: BlockList
    """Never finished under these settings, failed, or with files that are missing or have another size."""
    outdated: BlockList
    """Finished from other results of earlier steps, or beside other imagery, than there are now."""
    unsure: BlockList
    """Finished from files whose sizes or times are others now, or prove nothing; their content decides."""

    @property
    def blocks(self) -> BlockList:
        """All of them."""
        return BlockList.of([*self.new, *self.outdated, *self.unsure])

    def in_words(self, total: int) -> str:
        """What is left, of a step with so many blocks, such as "3 of 480 blocks"; empty when nothing is."""
        redo = len(self.new) + len(self.outdated)
        parts = [f"{redo} of {total} blocks"] if redo else []
        parts += [f"a comparison of the files of {len(self.unsure)} of {total} blocks"] if self.unsure else []
        return " and ".join(parts)


def left_of_step(step: BlockStep, ledgers: StepLedgers, trusts_times: bool = True) -> Left:
    """What is left of a step; nothing is written, and of the files only the times are looked at.

    Parameters
    ----------
    trusts_times : without it every block that was read from files is unsure
    """
    results = ledgers.results(step)
    new = BlockList.of(step.blocks).without(results.blocks).without(results.outdated)
    outdated: list[BlockIndex] = []
    unsure: list[BlockIndex] = []
    if step.reading is not None:
        for block, read, seen in results.read():
            under = step.reading.under(block)
            if not step.is_read_beside(block, read, under):
                outdated.append(block)
            elif under and not (
                trusts_times and all(seen.get(near.name) == step.reading.times_under(near) for near in under)
            ):
                unsure.append(block)
    return Left(new, BlockList.of([*outdated, *results.outdated]), BlockList.of(unsure))
