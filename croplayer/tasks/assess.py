"""Image quality, coverage type and terrain of a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube import Cube
from croplayer.grid import BlockIndex
from croplayer.kernels.image import image_quality
from croplayer.legends import CoverageType
from croplayer.records import BlockRecord, Value, finite
from croplayer.sources.elevation import UNKNOWN_TERRAIN, ElevationRaster
from croplayer.tasks.each import each_block


@dataclass(frozen=True)
class AssessTask:
    """Measure a block's imagery; writes nothing to the cube."""

    cube: Cube
    elevation: ElevationRaster | None
    coverage_model: str | None
    """Folder of the coverage classifier; None leaves the type to the share of missing pixels."""
    coverage_digest: str | None
    nodata_above: float
    """Share of pixels without imagery above which a block's type is Nodata."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with its image and terrain features."""
        terrain = self.elevation.block_medians(block) if self.elevation else UNKNOWN_TERRAIN
        values: dict[str, Value] = {name: finite(v) for name, v in terrain._asdict().items()}
        for source in self.cube.sources:
            rgb = self.cube.read_block("rgb", block, source)
            valid = self.cube.read_block("imagery_valid", block, source)
            quality = image_quality(rgb, valid)
            values |= {f"{name}_{source}": finite(v) for name, v in quality._asdict().items()}
            coverage, confidence = self._coverage(rgb, valid)
            values[f"coverage_type_{source}"] = coverage
            values[f"coverage_confidence_{source}"] = confidence
            values[f"valid_fraction_{source}"] = float(valid.mean())
        return BlockRecord(block, values=values)

    def _coverage(self, rgb: np.ndarray, valid: np.ndarray) -> tuple[str | None, float | None]:
        """Type and its calibrated probability; missing pixels are counted, everything else is classified."""
        if 1 - valid.mean() > self.nodata_above:
            return CoverageType.NODATA.label, 1.0
        if self.coverage_model is None:
            return None, None
        from croplayer.models.bundle import load_cached
        from croplayer.models.coverage import predict_coverage, thumbnail

        model = load_cached(self.coverage_model, self.coverage_digest)
        probability = predict_coverage(model, thumbnail(rgb, valid)[None])[0]
        best = int(probability.argmax())
        return CoverageType(best).label, float(probability[best])
