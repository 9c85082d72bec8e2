"""Steps of a stage: work over blocks, or files made from the results of steps before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stores.grid import BlockIndex
from stores.records import BlockRecord, BlockTask


@dataclass(frozen=True)
class BlockStep:
    """The same task over many blocks; every finished block has a line in the step's ledger."""

    name: str
    fingerprint: str
    blocks: Sequence[BlockIndex]
    task_for: Callable[[Sequence[BlockIndex]], BlockTask]
    """The task for a group of blocks, as light to send as it can be."""
    blocks_per_task: int
    runs_network: bool = False
    """Whether the task runs a network that a GPU makes faster."""


@dataclass(frozen=True)
class OutputStep:
    """Files that the client makes from what earlier steps found."""

    name: str
    fingerprint: str
    make: Callable[[], Sequence[Path]]
    """Writes the files durably and returns their paths; the same inputs give the same bytes."""


Step = BlockStep | OutputStep


@dataclass(frozen=True)
class StepResult:
    """What running a step did."""

    name: str
    total: int
    worked: int
    """Blocks or files made now; 0 when everything was there."""
    failed: Sequence[BlockRecord] = field(default_factory=tuple)
    seconds: float = 0.0
