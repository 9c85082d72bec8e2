"""Steps of a run: work over blocks, files made from the results of earlier steps, or a model that is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

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

    @cached_property
    def fingerprint(self) -> str:
        """Digest of what the step is made of; a record of another fingerprint is not a result of this step."""
        return fingerprint_of(self.made_of)


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
