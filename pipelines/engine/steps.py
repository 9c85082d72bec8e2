"""Steps of a run: work over blocks, files made from the results of earlier steps, or a model that is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from croplayer.tasks.reading import Reading
from stores.block_digests import BlockDigests
from stores.fingerprints import fingerprint_of
from stores.grid import BlockIndex
from stores.records import BlockRecord, BlockTask


@dataclass(frozen=True)
class BlockStep:
    """The same task over many blocks; every finished block has a line in the step's ledger."""

    name: str
    made_of: Mapping[str, Any]
    """Everything the results depend on, by name: settings, digests of inputs, fingerprints of earlier steps."""
    blocks: Sequence[BlockIndex]
    task_for: Callable[[Sequence[BlockIndex]], BlockTask]
    """The task for a group of blocks; it is sent to a worker, so it should be small."""
    blocks_per_task: int
    runs_network: bool = False
    """Whether the task runs a network that a GPU makes faster."""
    follows: BlockDigests | None = None
    """What earlier steps found for each block; a record made from other results is not one of this step."""
    reading: Reading | None = None
    """The files that the task reads under a block."""
    known: BlockDigests | None = None
    """Content of the files under the blocks whose pixels the task reads from the cube."""

    @cached_property
    def fingerprint(self) -> str:
        """Digest of what the step is made of; a record of another fingerprint is not a result of this step."""
        return fingerprint_of(self.made_of)

    def known_around(self, block: BlockIndex) -> dict[str, str]:
        """Content of the files around a block whose pixels an earlier step wrote, by the name of their block."""
        if self.reading is None or self.known is None:
            return {}
        return {near.name: self.known.of(near) for near in self.reading.around(block) if near in self.known.blocks}

    def is_read_beside(self, block: BlockIndex, read: Mapping[str, str], under: Sequence[BlockIndex]) -> bool:
        """Whether a record's block was read beside the imagery that is in the cube now.

        Parameters
        ----------
        read : content by the name of its block, as the record has it
        under : the blocks whose files are read for the block now
        """
        known = self.known_around(block)
        names = {*known, *(near.name for near in under)}
        return read.keys() == names and all(read[name] == content for name, content in known.items())

    def completed(self, record: BlockRecord) -> BlockRecord:
        """A record of the task with what it follows."""
        if self.follows is None and self.known is None:
            return record
        follows = self.follows.of(record.block) if self.follows else ""
        return replace(record, follows=follows, read={**record.read, **self.known_around(record.block)})


@dataclass(frozen=True)
class OutputStep:
    """Files that the client makes from the results of earlier steps."""

    name: str
    made_of: Mapping[str, Any]
    make: Callable[[], Sequence[Path]]
    """Writes the files durably and returns their paths; the same inputs give the same bytes."""

    @cached_property
    def fingerprint(self) -> str:
        """Digest of what the step is made of."""
        return fingerprint_of(self.made_of)


@dataclass(frozen=True)
class ModelStep:
    """A model that is trained where it is missing.

    It has checkpoints, digests and a folder of its own, named after what it was trained from, so a run keeps no
    record of it.
    """

    name: str
    is_there: Callable[[], bool]
    make: Callable[[], None]


Step = BlockStep | OutputStep | ModelStep


@dataclass(frozen=True)
class StepResult:
    """What running a step did."""

    name: str
    total: int
    worked: int
    """Blocks or files made now; 0 when nothing was left to do."""
    failed: Sequence[BlockRecord] = field(default_factory=tuple)
    seconds: float = 0.0
