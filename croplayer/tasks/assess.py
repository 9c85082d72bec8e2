"""Image quality, coverage type and terrain of a block."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.kernels.haze import haze
from croplayer.kernels.image import image_quality
from croplayer.kernels.stitch import strongest_seam
from croplayer.measures.gaps import gap_share, gaps
from croplayer.models.bundles.kinds import load_coverage
from croplayer.sources.elevation import UNKNOWN_TERRAIN, ElevationRaster
from croplayer.tasks.each import each_block
from croplayer.tasks.reading import Reading
from croplayer.vector.region import Region, pixels_of_region
from stores.columns import COVERAGE_TYPE, IMAGERY_VALID, RGB, VALID_FRACTION, map_column
from stores.grid import BlockIndex
from stores.legends import CoverageType
from stores.records import BlockRecord, Value, finite

SHIFT_WINDOW_PX = 512
"""Edge of the window in which the two sources' displacement is measured."""

COVERAGE_DEVICE = "cpu"
"""A thumbnail is small and every worker has a CPU, so a block's type does not depend on the worker."""


@dataclass(frozen=True)
class AssessTask:
    """Measure a block's imagery; writes nothing to the cube."""

    cube: Cube
    elevation: ElevationRaster | None
    coverage_model: str | None
    """Folder of the coverage classifier; with None only the share of missing pixels decides the type."""
    coverage_digest: str | None
    nodata_above: float
    """Share of gaps (`measures.gaps`) in the imagery above which a block's type is Nodata."""
    region: Region | None = None
    """The region, whose pixels count; None counts all."""
    mosaicked: Container[BlockIndex] = frozenset()
    """Blocks next to those of the task whose imagery is in the cube."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks, self.reading)

    @property
    def reading(self) -> Reading | None:
        """The elevation model, where there is one."""
        return Reading((self.elevation,), self.cube.grid) if self.elevation else None

    def narrowed(self, blocks: Sequence[BlockIndex], mosaicked: Container[BlockIndex]) -> AssessTask:
        """The same task with only the mosaicked blocks beside some blocks, so that it is small to send."""
        near = {beside for b in blocks for beside in b.beside}
        return replace(self, mosaicked=frozenset(b for b in near if b in mosaicked))

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with its image and terrain features."""
        terrain = self.elevation.block_terrain(block) if self.elevation else UNKNOWN_TERRAIN
        values: dict[str, Value] = {name: finite(v) for name, v in terrain._asdict().items()}
        middles = []
        for source in self.cube.sources:
            rgb = self.cube.read_block(RGB, block, source)
            valid = self.cube.read_block(IMAGERY_VALID, block, source)
            middles.append(_middle(rgb, valid))
            quality = image_quality(rgb, valid)
            values |= {
                map_column(name, source): finite(v)
                for name, v in (quality._asdict() | haze(rgb, valid)._asdict()).items()
            }
            seam = strongest_seam(rgb, valid)
            values[map_column("seam_strength", source)] = finite(seam.strength)
            values[map_column("seam_position_px", source)] = finite(seam.position_px)
            values[map_column("seam_orientation", source)] = seam.orientation
            coverage, confidence = self._coverage(rgb, valid, self._gaps(block, source, valid), block)
            values[map_column(COVERAGE_TYPE, source)] = coverage
            values[map_column("coverage_confidence", source)] = confidence
            values[map_column(VALID_FRACTION, source)] = np.count_nonzero(valid) / valid.size
        if len(middles) == 2:
            values |= _shift(middles)
        return BlockRecord(block, values=values)

    def _gaps(self, block: BlockIndex, source: str, valid: np.ndarray) -> np.ndarray:
        """Gaps in the imagery of a block, told from it and from the four blocks beside it in the cube: (n, n) bool."""
        if valid.all():
            return ~valid
        n, (north, west, east, south) = valid.shape[0], block.beside
        nothing = np.zeros((n, n), bool)
        up, left, right, down = (
            self.cube.read_block(IMAGERY_VALID, near, source) if near in self.mosaicked else nothing
            for near in (north, west, east, south)
        )
        return gaps(np.hstack([left, valid, right]), np.vstack([up, valid, down]), n, n)

    def _coverage(
        self, rgb: np.ndarray, valid: np.ndarray, gap: np.ndarray, block: BlockIndex
    ) -> tuple[str | None, float | None]:
        """Type and its calibrated probability; gaps are counted, everything else is classified."""
        inside = None
        if self.region is not None and not valid.all():
            inside = pixels_of_region(self.region, self.cube.grid.window(block), self.cube.grid)
        if gap_share(valid, gap, inside) > self.nodata_above or not valid.any():
            return CoverageType.NODATA.label, 1.0
        if self.coverage_model is None:
            return None, None
        from croplayer.models.networks.coverage_network import predict_coverage, thumbnail

        model = load_coverage(self.coverage_model, self.coverage_digest, COVERAGE_DEVICE)
        known = _box_of(valid)
        shown, seen = _without_outside(rgb[known], valid[known], gap[known])
        probability = predict_coverage(model, thumbnail(shown, seen)[None])[0]
        best = int(probability.argmax())
        return CoverageType(best).label, float(probability[best])


def _middle(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray | None:
    """Grey values (m, m) float64 in the middle of a block; None where imagery is missing there."""
    n = len(valid)
    side = min(n, SHIFT_WINDOW_PX)
    middle = slice((n - side) // 2, (n - side) // 2 + side)
    grey: np.ndarray = rgb[middle, middle].mean(axis=2)
    return grey if valid[middle, middle].all() else None


def _shift(middles: Sequence[np.ndarray | None]) -> dict[str, Value]:
    """Displacement of the second source relative to the first in the middle of the block, in pixels.

    By phase correlation of the sources' grey values (skimage.registration.phase_cross_correlation);
    missing where either lacks imagery.
    """
    if any(grey is None or grey.std() == 0 for grey in middles):
        return {"shift_rows_px": None, "shift_cols_px": None}
    from skimage.registration import phase_cross_correlation

    (rows, cols), _, _ = phase_cross_correlation(*middles, upsample_factor=10)
    return {"shift_rows_px": finite(float(rows)), "shift_cols_px": finite(float(cols))}


def _without_outside(rgb: np.ndarray, valid: np.ndarray, gap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Imagery in which ground beyond the edge of the imagery has its mean colour, so that it does not look missing."""
    outside = ~valid & ~gap
    if not outside.any():
        return rgb, valid
    shown = rgb.copy()
    shown[outside] = np.rint(rgb[valid].mean(axis=0)).astype(np.uint8)
    return shown, valid | outside


def _box_of(valid: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns that hold all imagery, so that missing pixels around it do not affect its type."""
    rows, cols = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
