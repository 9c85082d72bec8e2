"""A task some of whose blocks are poison, for the tests of what a bad block costs."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from croplayer.tasks.each import each_block
from stores.durable import write_durable
from stores.grid import BlockIndex
from stores.records import BlockRecord

KINDS = ("raise", "exit", "kill", "segfault", "hang", "hold", "hog", "memory_error")


@dataclass(frozen=True)
class PoisonTask:
    """Write a small file per block; a block that ``poison`` names goes wrong in its way."""

    root: str
    poison: dict[BlockIndex, str]
    seconds: float = 0.0
    """Time that a healthy block takes."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        if kind := self.poison.get(block):
            go_wrong(kind)
        time.sleep(self.seconds)
        key = f"2020/croplayer/c/{block.row}/{block.col}"
        digest = write_durable(Path(self.root) / key, (block.name * 40).encode())
        return BlockRecord(block, files={key: digest}, values={"sum": block.row + block.col})


def go_wrong(kind: str) -> None:
    """Go wrong in one of KINDS."""
    match kind:
        case "raise":
            raise ValueError("poison")
        case "memory_error":
            raise MemoryError("poison")
        case "exit":
            os._exit(7)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "hang":
            time.sleep(3600)
        case "hold":  # a match that backtracks for hours and never lets go of the interpreter
            re.match(r"(a+)+$", "a" * 64 + "b")
        case "hog":
            held = b"x" * 600_000_000
            time.sleep(3600 * len(held[:1]))
