"""A segmentation network as a graph that runs without croplayer."""

from __future__ import annotations

from pathlib import Path

import torch

from croplayer.models.bundles.graph import PixelsToProbability, example_pixels, exported
from croplayer.models.bundles.openvino_runtime import converted, save
from croplayer.models.networks.segmentation import SegmentationNetwork

TORCH_NAME = "model.pt2"
OPENVINO_NAME = "model.xml"
CARD = "MODEL.md"


def export_network(
    network: SegmentationNetwork, folder: Path, kind: str, shape: tuple[int, int, int]
) -> tuple[Path, ...]:
    """Write a network as a graph for one input shape.

    Parameters
    ----------
    network : in evaluation mode
    folder : created; files of the same names are replaced
    kind : "torch" (torch.export, read with ``torch.export.load``) or "openvino" (needs the extra ``openvino``)
    shape : images per pass, height and width; sides are multiples of 32

    Returns
    -------
    the files written: the graph and, where the network came from a bundle, its model card
    """
    graph = PixelsToProbability(network.eval().cpu()).eval()
    example = example_pixels(shape)
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "torch":
        torch.export.save(exported(graph, example), folder / TORCH_NAME)
        written = [folder / TORCH_NAME]
    elif kind == "openvino":
        written = list(save(converted(graph, example), folder / OPENVINO_NAME))
    else:
        raise ValueError(f"kind is '{kind}'; expected torch or openvino")
    if network.manifest is not None:
        from croplayer.models.bundles.card import model_card

        (folder / CARD).write_text(model_card(network.manifest), encoding="utf-8")
        written.append(folder / CARD)
    return tuple(written)
