"""Which blocks of a run's cube are finished, according to the ledgers beside it."""

from __future__ import annotations

from pathlib import Path

from stores.block_list import BlockList
from stores.results import Results, read_results
from stores.run_folder import RunFolder
from stores.step_memory import STEPS_OF_CUBE

NAMES_SHOWN = 3


class MissingBlocksError(LookupError):
    """Blocks that were asked for are not finished."""


def check_finished(cube: Path, edition: str, blocks: BlockList) -> None:
    """Raise MissingBlocksError unless every block is finished in every step that writes an edition.

    A block counts as finished when its last record under the latest settings of the step says so and its files have
    the recorded size. Safe while a run writes.
    """
    folder = RunFolder(cube.parent)
    steps = folder.memory.entries()
    for step in STEPS_OF_CUBE:
        fingerprint = steps[step].fingerprint if step in steps else ""
        found = read_results(folder.ledger(step), fingerprint, blocks, cube)
        left = blocks.without(found.blocks) if _is_of(edition, found) else blocks
        if left:
            names = ", ".join(b.name for b in left[:NAMES_SHOWN]) + (", ..." if len(left) > NAMES_SHOWN else "")
            raise MissingBlocksError(
                f"{len(left)} of {len(blocks)} blocks of edition '{edition}' of {cube} have no finished '{step}': "
                f"{names}; finish the run, ask for a region that is finished, or open the cube without strict"
            )


def _is_of(edition: str, found: Results) -> bool:
    """Whether the files of a step are those of an edition; all its records are of one."""
    first = next(found.records(), None)
    return first is None or all(key.startswith(f"{edition}/") for key in first.files)
