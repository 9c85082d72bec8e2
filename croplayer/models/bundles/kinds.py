"""Loading a model of the kind that is needed: one that segments, or one that classifies coverage types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from croplayer.models.networks.coverage_network import CoverageNetwork
    from croplayer.models.networks.segmentation import SegmentationNetwork


def load_segmenter(
    name_or_path: Path | str,
    digest: str | None = None,
    runtime: str = "torch",
    device: torch.device | str | None = None,
) -> SegmentationNetwork:
    """A segmentation network as ``load`` finds it; with a digest it is loaded once per process.

    Parameters
    ----------
    name_or_path, digest, runtime : as in ``load``
    device : where the network goes; None is the CUDA device where there is one, else the CPU

    Raises ValueError when the model is of another kind, and what ``load`` raises.
    """
    from croplayer.models.networks.segmentation import SegmentationNetwork

    network = _loaded(name_or_path, digest, runtime, device)
    if not isinstance(network, SegmentationNetwork):
        raise ValueError(f"model '{name_or_path}' does not segment; name a segmentation model")
    return network


def load_coverage(
    name_or_path: Path | str, digest: str | None = None, device: torch.device | str | None = None
) -> CoverageNetwork:
    """A classifier of coverage types as ``load`` finds it; arguments and errors as of ``load_segmenter``."""
    from croplayer.models.networks.coverage_network import CoverageNetwork

    network = _loaded(name_or_path, digest, "torch", device)
    if not isinstance(network, CoverageNetwork):
        raise ValueError(f"model '{name_or_path}' does not tell coverage types; name a coverage model")
    return network


def _loaded(
    name_or_path: Path | str, digest: str | None, runtime: str, device: torch.device | str | None
) -> SegmentationNetwork | CoverageNetwork:
    from croplayer.models.bundles.bundle import load as load_bundle
    from croplayer.models.bundles.bundle import load_cached
    from croplayer.models.bundles.catalogue import find_bundle

    folder = find_bundle(name_or_path)
    if digest is None:
        return load_bundle(folder, None, device, runtime)
    return load_cached(folder, digest, runtime, device)
