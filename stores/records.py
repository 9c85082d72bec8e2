"""Records: the result of one step for one block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from stores.durable import FileDigest
from stores.grid import BlockIndex
from stores.inner_paths import check_name

DIGEST_BYTES = 16
"""Number of bytes of the digests in ``follows`` and ``read``."""
Value = float | int | str | None
"""A number or text in a block's record; None means "not known"."""


class Status(StrEnum):
    """Status of a block after a step."""

    DONE = "done"
    NO_IMAGERY = "no_imagery"
    FAILED = "failed"
    VOID = "void"
    """What the block was made of is about to be rewritten. The record before holds again if it turns out the same."""

    @property
    def is_finished(self) -> bool:
        """Whether the block needs no more work in this step."""
        return self in (Status.DONE, Status.NO_IMAGERY)


@dataclass(frozen=True)
class BlockRecord:
    """The result of one step for one block."""

    block: BlockIndex
    status: Status = Status.DONE
    reason: str = ""
    """Why the block failed, in one sentence; empty if it did not."""
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    """Digest of each file written, by its key in the store."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """Values of the block by name; None where missing."""
    seconds: float = 0.0
    """Time that the worker spent on the block."""
    follows: str = ""
    """Digest of what earlier steps found for the block; empty where the step follows none block by block."""
    read: Mapping[str, str] = field(default_factory=dict)
    """Digest of the content of the files that were read, by the name of the block under which they were read."""
    seen: Mapping[str, str] = field(default_factory=dict)
    """Digest of the sizes and change times of these files before they were read; empty where times prove nothing."""

    def to_json(self) -> dict[str, Any]:
        """The record as an object for ``json.dumps``; seconds are rounded to 4 decimals, empty origins are left out."""
        origins = {"follows": self.follows, "read": dict(self.read), "seen": dict(self.seen)}
        return {
            "block": self.block.name,
            "status": self.status.value,
            "reason": self.reason,
            "files": {key: list(digest) for key, digest in self.files.items()},
            "values": dict(self.values),
            "seconds": round(self.seconds, 4),
            **{name: origin for name, origin in origins.items() if origin},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BlockRecord:
        """The record in an object of ``to_json``.

        Raises KeyError or ValueError if it is not one, or if a file's key leads out of the store.
        """
        for key in data["files"]:
            check_name(key)
        return cls(
            block=BlockIndex.parse(data["block"]),
            status=Status(data["status"]),
            reason=data["reason"],
            files={key: FileDigest(*digest) for key, digest in data["files"].items()},
            values=data["values"],
            seconds=data["seconds"],
            follows=data.get("follows", ""),
            read=data.get("read", {}),
            seen=data.get("seen", {}),
        )


BlockTask = Callable[[Sequence[BlockIndex]], list[BlockRecord]]
"""Work of a step on blocks: picklable, idempotent, writes only these blocks and returns one record for each."""


def finite(value: float | None) -> float | None:
    """A float as the value of a record: NaN and infinity become None."""
    return None if value is None or value != value or abs(value) == float("inf") else float(value)
