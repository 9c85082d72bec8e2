"""What a worker returns for a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stores.durable import FileDigest
from stores.grid import BlockIndex

Value = float | int | str | None
"""A number or word in a block's record; None is "not known"."""


class Status(StrEnum):
    """How a block left a step."""

    DONE = "done"
    NO_IMAGERY = "no_imagery"
    FAILED = "failed"

    @property
    def is_finished(self) -> bool:
        """Whether the block needs no more work in this step."""
        return self is not Status.FAILED


@dataclass(frozen=True)
class BlockRecord:
    """The result of one step for one block."""

    block: BlockIndex
    status: Status = Status.DONE
    reason: str = ""
    """Why the block failed: one sentence; empty otherwise."""
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    """Digest of each file written, by its key in the store."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """Numbers of the block by name; missing values are None."""
    seconds: float = 0.0
    """Time the worker spent."""

    def to_json(self) -> dict[str, Any]:
        return {
            "block": self.block.name,
            "status": self.status.value,
            "reason": self.reason,
            "files": {key: list(digest) for key, digest in self.files.items()},
            "values": dict(self.values),
            "seconds": round(self.seconds, 4),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BlockRecord:
        return cls(
            block=BlockIndex.parse(data["block"]),
            status=Status(data["status"]),
            reason=data["reason"],
            files={key: FileDigest(*digest) for key, digest in data["files"].items()},
            values=data["values"],
            seconds=data["seconds"],
        )


BlockTask = Callable[[Sequence[BlockIndex]], list[BlockRecord]]
"""A step's work on some blocks: picklable, idempotent, writes only those blocks, one record each."""


def finite(value: float | None) -> float | None:
    """A float fit for a record: NaN and infinity become None."""
    return None if value is None or value != value or abs(value) == float("inf") else float(value)
