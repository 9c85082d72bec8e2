"""A segmentation network as a graph that runs without croplayer."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

from croplayer.models.networks.inference import STRIDE_PX
from croplayer.models.networks.segmentation import SegmentationNetwork

TORCH_NAME = "model.pt2"
OPENVINO_NAME = "model.xml"
CARD = "MODEL.md"


class PixelsToProbability(nn.Module):
    """Stored pixels in, probabilities out, so that a graph carries its normalisation.

    ``forward`` maps (n, h, w, 3) uint8 and (n, h, w) bool (where there is imagery) to (n, h, w) float32
    in 0..1; where the network fails, NaN.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, rgb: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(self.network.normalise(rgb, valid))
        return logits.float().sigmoid()


def example_pixels(shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, h, w, 3) uint8 and (n, h, w) bool to trace a network with; raises ValueError for sides not of 32 px."""
    n, h, w = shape
    if n < 1 or h % STRIDE_PX or w % STRIDE_PX or min(h, w) < STRIDE_PX:
        raise ValueError(
            f"the shape is {shape}; expected at least one image with sides that are multiples of {STRIDE_PX}"
        )
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(0, 256, (n, h, w, 3), dtype=torch.uint8, generator=generator)
    return rgb, torch.ones((n, h, w), dtype=torch.bool)


def exported(graph: PixelsToProbability, example: tuple[torch.Tensor, torch.Tensor]) -> torch.export.ExportedProgram:
    """The ``torch.export`` program of a graph for the shape of its example."""
    # torch and transformers warn about their own insides while they trace.
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(graph, example)


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
        from croplayer.models.bundles.openvino_runtime import converted, save

        written = list(save(converted(graph, example), folder / OPENVINO_NAME))
    else:
        raise ValueError(f"kind is '{kind}'; expected torch or openvino")
    if network.manifest is not None:
        from croplayer.models.bundles.card import model_card

        (folder / CARD).write_text(model_card(network.manifest), encoding="utf-8")
        written.append(folder / CARD)
    return tuple(written)
