"""Networks for the cropland mask and the coverage type: architectures, training, bundles and inference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from croplayer.models.bundles.kinds import load_coverage, load_segmenter

__all__ = ["load", "load_coverage", "load_segmenter"]

if TYPE_CHECKING:
    from croplayer.models.networks.coverage_network import CoverageNetwork
    from croplayer.models.networks.segmentation import SegmentationNetwork


def load(
    name_or_path: Path | str, digest: str | None = None, runtime: str = "torch"
) -> SegmentationNetwork | CoverageNetwork:
    """The network of a bundle, ready to predict. torch is imported only when this is called.

    Parameters
    ----------
    name_or_path : name of an included model ("default" maps cropland, "default_coverage" classifies coverage
        types), or the folder of a bundle
    digest : ``bundle_digest`` that the bundle must have; None accepts any
    runtime : "torch" or, for a segmentation, "torch-bf16" (on CUDA), "openvino" or "openvino-bf16" (on a CPU, an extra)

    Raises
    ------
    FileNotFoundError or ValueError for a missing, damaged, exchanged or unknown bundle.
    """
    from croplayer.models.bundles.bundle import load as load_bundle
    from croplayer.models.bundles.catalogue import find_bundle

    return load_bundle(find_bundle(name_or_path), digest, runtime=runtime)
