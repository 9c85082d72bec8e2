"""Which sources the map takes in each block, from a run's table of decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from pyarrow import parquet

from stores.block_list import BlockList
from stores.columns import DECIDES
from stores.grid import BlockIndex
from stores.legends import Integration

_PLACES = {
    Integration.NEITHER: slice(0),
    Integration.ONLY_A: slice(0, 1),
    Integration.ONLY_B: slice(1, 2),
    Integration.MERGE_BOTH: slice(None),
}


@lru_cache(maxsize=2)
def decisions_of(path: str, digest: str) -> dict[str, tuple[int, bool]]:
    """`read_decisions` of a file; ``digest`` is that of the file, which is read again when it changes."""
    return read_decisions(path)


def read_decisions(file: str | BinaryIO) -> dict[str, tuple[int, bool]]:
    """Choice and whether no imagery was usable, by the name of the block, from a Parquet table of `columns.DECIDES`."""
    table = parquet.ParquetFile(file).read(columns=["block", *DECIDES])
    rows = zip(*(table[name].to_pylist() for name in ("block", *DECIDES)), strict=True)
    return {block: (int(choice), bool(unusable)) for block, choice, unusable in rows}


@dataclass(frozen=True)
class Taken:
    """The sources that the map takes in each of its blocks."""

    sources: tuple[str, ...]
    """Of the cube."""
    choices: Mapping[str, tuple[int, bool]]
    """`Integration` of each block by its name, and whether no imagery was usable."""

    def only(self, blocks: BlockList) -> Taken:
        """The same for some blocks alone; the others, which are not finished, count as without a map."""
        names = (block.name for block in blocks)
        return Taken(self.sources, {name: self.choices[name] for name in names if name in self.choices})

    def of(self, block: BlockIndex) -> tuple[str, ...] | None:
        """Sources of a block, none where the map takes neither; None where there is no map."""
        decided = self.choices.get(block.name)
        return None if decided is None else self.sources[_PLACES[Integration(decided[0])]]
