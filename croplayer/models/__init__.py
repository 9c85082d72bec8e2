"""Networks for the cropland mask and the coverage type: built, trained, run and shipped here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from croplayer.models.networks.coverage_network import CoverageNetwork
    from croplayer.models.networks.segmentation import SegmentationNetwork


def load(
    name_or_path: Path | str, digest: str | None = None, runtime: str = "torch"
) -> SegmentationNetwork | CoverageNetwork:
    """The network of a bundle, ready to predict. torch is imported here and not before.

    Parameters
    ----------
    name_or_path : name of a model that comes with croplayer ("default" maps cropland, "default_coverage"
        tells coverage types), or the folder of a bundle
    digest : ``bundle_digest`` it must have; None takes the bundle as it is
    runtime : what computes a segmentation: "torch", or on CPUs "openvino" or "openvino-bf16" (an extra)

    Raises
    ------
    FileNotFoundError or ValueError, in one sentence, for a missing, damaged, swapped or unknown bundle.
    """
    from croplayer.models.bundles.bundle import load as load_bundle
    from croplayer.models.bundles.catalogue import find_bundle

    return load_bundle(find_bundle(name_or_path), digest, runtime=runtime)
