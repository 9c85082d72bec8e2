"""Bring every source's imagery of a block onto the lattice and into the cube."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.time_spans import ImageryTimes
from croplayer.tasks.each import each_block
from croplayer.tasks.reading import Reading
from stores.columns import IMAGERY_VALID, RENEWED, RGB, TAKEN_FROM, TAKEN_TO, VALID_FRACTION, map_column
from stores.durable import FileDigest
from stores.grid import BlockIndex
from stores.records import BlockRecord, Status, Value


@dataclass(frozen=True)
class MosaicTask:
    """Write ``rgb`` and ``imagery_valid`` of a block."""

    cube: Cube
    sources: tuple[ImagerySource, ...]

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks, self.reading)

    @property
    def reading(self) -> Reading:
        """The imagery."""
        return Reading(self.sources, self.cube.grid)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block; a block in which no source has a pixel is ``no_imagery``."""
        files: dict[str, FileDigest] = {}
        values: dict[str, Value] = {}
        has_imagery = False
        for source in self.sources:
            imagery = source.read(self.cube.grid.window(block), self.cube.grid)
            has_imagery |= bool(imagery.valid.any())
            files |= self.cube.write_block(RGB, block, imagery.rgb, source.name)
            files |= self.cube.write_block(IMAGERY_VALID, block, imagery.valid, source.name)
            values[map_column(VALID_FRACTION, source.name)] = np.count_nonzero(imagery.valid) / imagery.valid.size
            values |= {map_column(name, source.name): count for name, count in imagery.notes.items()}
            values |= {map_column(name, source.name): text for name, text in _texts(imagery.times).items()}
        status = Status.DONE if has_imagery else Status.NO_IMAGERY
        return BlockRecord(block, status, files=files, values=values)


def _texts(times: ImageryTimes) -> dict[str, str]:
    """What a provider says of the times of imagery, as texts of ISO 8601 by column; nothing where it says nothing."""
    taken = dict(zip((TAKEN_FROM, TAKEN_TO), times.taken or (), strict=False))
    moments = taken | ({RENEWED: times.renewed} if times.renewed else {})
    return {name: moment.isoformat() for name, moment in moments.items()}
