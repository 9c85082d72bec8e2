"""Which blocks of a run's cube are finished, by the ledgers beside it."""

from __future__ import annotations

from pathlib import Path

from croplayer.block_list import BlockList
from croplayer.ledger import Ledger
from croplayer.results import Results, read_results

LEDGER_FOLDER = "ledger"
STEPS_OF_CUBE = ("mosaic", "segment", "integrate")
"""Steps that write the cube's arrays; a block is finished when all of them are."""
NAMES_SHOWN = 3


class MissingBlocksError(LookupError):
    """Blocks that were asked for are not finished."""


def check_finished(cube: Path, edition: str, blocks: BlockList) -> None:
    """Raise MissingBlocksError unless every block is finished in every step that writes an edition.

    A block counts when its last record, under the newest fingerprint of the step's ledger, says so and
    its files have the recorded size. Safe while a run writes.
    """
    for step in STEPS_OF_CUBE:
        path = cube.parent / LEDGER_FOLDER / f"{step}.jsonl"
        fingerprint = Ledger(path).last_fingerprint()
        found = read_results(path, fingerprint or "", blocks, cube)
        left = blocks.without(found.blocks) if _is_of(edition, found) else blocks
        if left:
            names = ", ".join(b.name for b in left[:NAMES_SHOWN]) + (", ..." if len(left) > NAMES_SHOWN else "")
            raise MissingBlocksError(
                f"{len(left)} of {len(blocks)} blocks of edition '{edition}' of {cube} have no finished '{step}': {names}; "
                "run the recipe to its end, ask for a region that is finished, or open the cube without strict"
            )


def _is_of(edition: str, found: Results) -> bool:
    """Whether the files of a step are those of an edition; all its records are of one."""
    first = next(found.records(), None)
    return first is None or all(key.startswith(f"{edition}/") for key in first.files)
