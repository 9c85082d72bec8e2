"""Map cropland in a block of every source, blending neighbouring cells of the global lattice."""

from __future__ import annotations

from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.cell_memory import CellMemory
from croplayer.models.networks.cells import blended_halo_px
from croplayer.sources.imagery import Imagery, ImagerySource, empty_imagery
from croplayer.tasks.each import each_block
from croplayer.tasks.reading import Reading
from croplayer.workers.own_number import own_number
from stores.columns import (
    BOUNDARY_PROBABILITY,
    CROPLAND_MASK,
    CROPLAND_PROBABILITY,
    FAMILIARITY,
    IMAGERY_VALID,
    RGB,
    map_column,
)
from stores.durable import FileDigest
from stores.grid import BlockIndex
from stores.records import BlockRecord, Status, Value, finite

CELLS_KEPT = 192
"""Predicted cells that a process keeps for the blocks beside them: the edges of five blocks with two sources, 60 MB a layer."""

FAMILIARITY_DIGITS = 4
"""Decimals of a block's familiarity; further ones depend on the device."""


@dataclass(frozen=True)
class SegmentTask:
    """Write ``cropland_probability`` and ``cropland`` of a block, and ``boundary_probability`` where the model tells it.

    The record tells how familiar the block's imagery is to the network.

    The context around the block comes from the cube where a neighbour has been mosaicked and from the
    source itself elsewhere. Both hold the same pixels, so the map does not depend on the region.
    """

    cube: Cube
    sources: tuple[ImagerySource, ...]
    mosaicked: Container[BlockIndex]
    """Blocks near those of the task whose imagery is in the cube."""
    model: str
    model_digest: str
    cell_px: int
    blend_px: int
    batch_cells: int
    threshold: float
    runtime: str = "torch"
    """What runs the network: see ``models.bundles.runtimes``."""
    device: str | None = None
    """Kind of device that the network runs on; None is CUDA where the worker has it."""
    mirrors: bool = False
    """Whether each cell is looked at four times, mirrored, and the mean is told."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks, self.reading)

    @property
    def reading(self) -> Reading:
        """The imagery around a block that is not in the cube; a provider is not asked to compare it."""
        return Reading(self.sources, self.cube.grid, self.halo_px, self.mosaicked, asks_network=False)

    def narrowed(self, blocks: Sequence[BlockIndex], mosaicked: Container[BlockIndex]) -> SegmentTask:
        """The same task with only the mosaicked blocks next to some blocks, so that it is small to send."""
        near = {BlockIndex(b.row + i, b.col + j) for b in blocks for i in (-1, 0, 1) for j in (-1, 0, 1)}
        return replace(self, mosaicked=frozenset(b for b in near if b in mosaicked))

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with the digests of its masks."""
        # The client of a run, which holds the task but computes nothing, needs no torch.
        from croplayer.models.bundles.familiarity_file import load_familiarity
        from croplayer.models.networks.inference import predict_layers
        from croplayer.models.networks.mirrors import mirrored

        model = load_segmenter(self.model, self.model_digest, self.runtime, own_device(self.device))
        looking = mirrored(model) if self.mirrors else model
        known = load_familiarity(self.model, self.model_digest)
        has_imagery = False
        values: dict[str, Value] = {}
        writes = []
        with ThreadPoolExecutor(2) as beside_the_network:
            coming = beside_the_network.submit(self.context, block, self.sources[0])
            for i, source in enumerate(self.sources):
                context = coming.result()
                if i + 1 < len(self.sources):
                    coming = beside_the_network.submit(self.context, block, self.sources[i + 1])
                layers = predict_layers(
                    looking, context.rgb, context.valid,
                    cell_px=self.cell_px, halo_px=self.halo_px, blend_px=self.blend_px, batch_cells=self.batch_cells,
                    memory=_cells_of(self.model_digest, self.runtime, self.device, self.mirrors),
                )  # fmt: skip
                writes.append(beside_the_network.submit(self._write, block, source.name, layers))
                rgb, valid = context.rgb[self._inner], context.valid[self._inner]
                familiarity = known.of_image(model, rgb, valid) if known else float("nan")
                values[map_column(FAMILIARITY, source.name)] = finite(round(familiarity, FAMILIARITY_DIGITS))
                has_imagery |= bool(valid.any())
        files: dict[str, FileDigest] = {}
        for write in writes:
            files |= write.result()
        return BlockRecord(block, Status.DONE if has_imagery else Status.NO_IMAGERY, files=files, values=values)

    def _write(self, block: BlockIndex, source: str, layers: np.ndarray) -> dict[str, FileDigest]:
        from croplayer.models.networks.inference import mask_from_probability

        probability, *boundaries = layers
        mask = mask_from_probability(probability, self.threshold)
        files = self.cube.write_block(CROPLAND_PROBABILITY, block, probability, source)
        files |= self.cube.write_block(CROPLAND_MASK, block, mask, source)
        for boundary in boundaries:
            files |= self.cube.write_block(BOUNDARY_PROBABILITY, block, boundary, source)
        if not boundaries and self.cube.has_array(BOUNDARY_PROBABILITY):
            # Another model told them before, and they would pass for those of this one.
            self.cube.remove_block(BOUNDARY_PROBABILITY, block, source)
        return files

    @property
    def halo_px(self) -> int:
        """Context around the block."""
        return blended_halo_px(self.cell_px, self.blend_px)

    @property
    def _inner(self) -> tuple[slice, slice]:
        inner = slice(self.halo_px, self.halo_px + self.cube.grid.block_px)
        return inner, inner

    def context(self, block: BlockIndex, source: ImagerySource) -> Imagery:
        """Imagery of a block and its halo; none beyond the edge of the lattice."""
        grid = self.cube.grid
        whole = grid.window(block).grown(self.halo_px)
        out = empty_imagery(whole)
        stored = whole.common(self.cube.blocks.window(grid))
        area = stored.slices_in(whole)
        out.rgb[area] = self.cube.read_window(RGB, stored, source.name)
        out.valid[area] = self.cube.read_window(IMAGERY_VALID, stored, source.name)
        for neighbour in self.reading.under(block):
            part = whole.common(grid.window(neighbour))
            imagery = source.read(part, grid)
            area = part.slices_in(whole)
            out.rgb[area], out.valid[area] = imagery.rgb, imagery.valid
        return out


def own_device(kind: str | None) -> str | None:
    """The device of a kind that this process computes on: processes of one machine take its CUDA devices in turn."""
    import torch

    count = torch.cuda.device_count() if kind == "cuda" else 0
    return f"cuda:{own_number() % count}" if count else kind


@lru_cache(maxsize=1)
def _cells_of(model_digest: str, runtime: str, device: str | None, mirrors: bool) -> CellMemory:
    """The cells that this process predicted with a network."""
    return CellMemory(CELLS_KEPT)
