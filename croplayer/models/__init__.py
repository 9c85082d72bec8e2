"""Networks for the cropland mask and the coverage type: built, trained, run and shipped here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from croplayer.models.coverage_network import CoverageNetwork
    from croplayer.models.segmentation import SegmentationNetwork


def load(folder: Path | str, digest: str | None = None) -> SegmentationNetwork | CoverageNetwork:
    """The network of a bundle: see ``bundle.load``. torch is imported here and not before."""
    from croplayer.models.bundle import load as load_bundle

    return load_bundle(folder, digest)
