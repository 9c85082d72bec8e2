"""Read from a cube what fields are found in and measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube.decisions import Taken
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.pieces import BlockLayers, BlockPieces, block_pieces
from croplayer.fields.separation import HALO_PX, Ground
from croplayer.fields.whole import BLOCKS_KEPT
from croplayer.files.file_cache import cached_file_reads
from stores.columns import BOUNDARY_PROBABILITY, CORRECTION, CROPLAND_PROBABILITY, FIELD, FIELD_JOIN, RGB
from stores.grid import BlockIndex, PixelWindow
from stores.legends import CROPLAND, INTEGRATED, NO_IMAGERY, PROBABILITY_SCALE, Correction

AGREED = (Correction.NONE, Correction.CONFIRMED_CROPLAND, Correction.CONFIRMED_NOT_CROPLAND)
"""Corrections of pixels of which no person said anything else than the map."""


@dataclass(frozen=True)
class FieldLayers:
    """The layers of a cube and the sources that its map takes."""

    cube: Cube
    taken: Taken
    tells_boundaries: bool
    """Whether the network of the map tells boundaries; the cube may still hold those of an earlier one."""

    def ground(self, block: BlockIndex) -> Ground:
        """What the fields of a block are found from: the block and the pixels around it that are mapped.

        Around it the map may take other sources, whose colours and scores differ also inside of one field. So ground there is
        seen in the block's own sources as far as all of them show it.
        """
        grid = self.cube.grid
        window = grid.window(block).grown(min(HALO_PX, grid.block_px)).common(self.cube.blocks.window(grid))
        shape = (window.height, window.width)
        inside = np.zeros(shape, bool)
        cropland, boundary = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        rgb = np.zeros((*shape, 3), np.uint8)
        own = self.taken.of(block) or ()
        for near in grid.blocks_under(window):
            sources = self.taken.of(near)
            if sources is None:
                continue
            part = window.common(grid.window(near))
            area = part.slices_in(window)
            inside[area] = self.cube.read_window(INTEGRATED, part) == CROPLAND
            for some in dict.fromkeys([sources, own]):
                if not some:
                    continue
                shown = self._shown(part, some) if some != sources else np.ones((part.height, part.width), bool)
                cropland[area][shown] = self.scores(CROPLAND_PROBABILITY, part, some)[shown]
                if self.tells_boundaries:
                    boundary[area][shown] = self.scores(BOUNDARY_PROBABILITY, part, some)[shown]
                rgb[area][shown] = self.cube.read_window(RGB, part, some[0])[shown]
            # A person is sure of what they drew, also where the map takes no source.
            cropland[area][inside[area] & self.corrected(part)] = PROBABILITY_SCALE
        return Ground(window, inside, cropland, boundary, rgb)

    def _shown(self, window: PixelWindow, sources: Sequence[str]) -> np.ndarray:
        """Pixels (h, w) bool that the network scored in each of some sources."""
        shown = np.ones((window.height, window.width), bool)
        for source in sources:
            shown &= self.cube.read_window(CROPLAND_PROBABILITY, window, source) <= PROBABILITY_SCALE
        return shown

    def scores(self, name: str, window: PixelWindow, sources: Sequence[str]) -> np.ndarray:
        """The largest score (h, w) uint8, 0..250, that any of some sources gives each pixel; 0 where none gives one."""
        return _scores(self.cube, name, window, sources)[0]

    def corrected(self, window: PixelWindow) -> np.ndarray:
        """Pixels (h, w) bool that a person corrected by hand; none in a cube without corrections."""
        return _corrections(self.cube, window) != Correction.NONE

    def numbers(self, block: BlockIndex) -> np.ndarray:
        """Numbers (n, n) uint32 of the pieces of a block."""
        return self.cube.read_block(FIELD, block)

    def pieces(self, block: BlockIndex) -> BlockPieces | None:
        """The pieces of a block with all that is summed over them; None where the map has none."""
        sources = self.taken.of(block)
        if sources is None:
            return None
        return _pieces(self.cube, block, sources, self.tells_boundaries)


def _scores(cube: Cube, name: str, window: PixelWindow, sources: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The largest score (h, w) uint8 of some sources, 0 where none gives one, and where one does, (h, w) bool."""
    best = np.zeros((window.height, window.width), np.uint8)
    scored = np.zeros(best.shape, bool)
    for source in sources:
        found = cube.read_window(name, window, source)
        is_score = found <= PROBABILITY_SCALE
        np.maximum(best, np.where(is_score, found, 0).astype(np.uint8), out=best)
        scored |= is_score
    return best, scored


def _corrections(cube: Cube, window: PixelWindow) -> np.ndarray:
    if not cube.has_array(CORRECTION):
        return np.full((window.height, window.width), Correction.NONE, np.uint8)
    return cube.read_window(CORRECTION, window)


@cached_file_reads(BLOCKS_KEPT)
def _pieces(cube: Cube, block: BlockIndex, sources: tuple[str, ...], tells_boundaries: bool) -> BlockPieces:
    """Pieces of a block; groups of blocks that a process works on one after the other see many of the same."""
    window = cube.grid.window(block)
    cropland, scored = _scores(cube, CROPLAND_PROBABILITY, window, sources)
    layers = BlockLayers(
        field=cube.read_window(FIELD, window),
        join=cube.read_window(FIELD_JOIN, window),
        cropland=cropland,
        boundary=_scores(cube, BOUNDARY_PROBABILITY, window, sources if tells_boundaries else ())[0],
        gap=cube.read_window(INTEGRATED, window) == NO_IMAGERY,
        told=scored & np.isin(_corrections(cube, window), AGREED),
    )
    return block_pieces(layers, block, cube.grid)
