"""Which blocks of a run's cube are finished, by the ledgers beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from croplayer.block_list import BlockList
from croplayer.durable import digest_text
from croplayer.results import Results, read_results

LEDGER_FOLDER = "ledger"
STEPS_FILE = "outputs.json"
STEPS_OF_CUBE = ("mosaic", "segment", "integrate")
"""Steps that write the cube's arrays, each from what those before it wrote; a block is finished when all of them are."""
NAMES_SHOWN = 3


def steps_of_cube_after(step: str) -> tuple[str, ...]:
    """Steps that write the cube from what a step wrote; none after a step that does not write it."""
    return STEPS_OF_CUBE[STEPS_OF_CUBE.index(step) + 1 :] if step in STEPS_OF_CUBE else ()


class MissingBlocksError(LookupError):
    """Blocks that were asked for are not finished."""


def check_finished(cube: Path, edition: str, blocks: BlockList) -> None:
    """Raise MissingBlocksError unless every block is finished in every step that writes an edition.

    A block counts when its last record, under the settings with which the run began the step last, says so and
    its files have the recorded size. Safe while a run writes.
    """
    folder = cube.parent / LEDGER_FOLDER
    steps = read_steps(folder / STEPS_FILE)
    for step in STEPS_OF_CUBE:
        fingerprint = steps[step]["fingerprint"] if step in steps else ""
        found = read_results(folder / f"{step}.jsonl", fingerprint, blocks, cube)
        left = blocks.without(found.blocks) if _is_of(edition, found) else blocks
        if left:
            names = ", ".join(b.name for b in left[:NAMES_SHOWN]) + (", ..." if len(left) > NAMES_SHOWN else "")
            raise MissingBlocksError(
                f"{len(left)} of {len(blocks)} blocks of edition '{edition}' of {cube} have no finished '{step}': "
                f"{names}; run the recipe to its end, ask for a region that is finished, or open the cube without strict"
            )


def _is_of(edition: str, found: Results) -> bool:
    """Whether the files of a step are those of an edition; all its records are of one."""
    first = next(found.records(), None)
    return first is None or all(key.startswith(f"{edition}/") for key in first.files)


def read_steps(path: Path) -> dict[str, dict[str, Any]]:
    """What a run remembers of its steps (pipelines.steps), by their names; nothing where the file is not there.

    Raises ValueError when a byte of it is not what was written.
    """
    try:
        head, _, text = path.read_bytes().decode(errors="replace").partition("\n")
    except FileNotFoundError:
        return {}
    try:
        if head != _head(text):
            raise ValueError
        steps: dict[str, dict[str, Any]] = json.loads("{" + text)["steps"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged; remove it to make the outputs again") from None
    return steps


def steps_text(steps: Mapping[str, Mapping[str, Any]]) -> str:
    """What a run remembers of its steps, as JSON."""
    return json.dumps(steps, sort_keys=True, separators=(",", ":"))


def encode_steps(steps: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The bytes of what a run remembers: one JSON object with the steps and a digest of its own second line."""
    text = f'"steps":{steps_text(steps)}}}\n'
    return f"{_head(text)}\n{text}".encode()


def _head(text: str) -> str:
    """What comes before a text, so that any changed byte is noticed."""
    return f'{{"digest":"{digest_text(text)}",'
