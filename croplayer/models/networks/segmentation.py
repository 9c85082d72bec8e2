"""One face for all segmentation architectures: normalised pixels in, cropland logits out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from croplayer.models.networks.inference import CellFunction, predict_proba
from croplayer.models.networks.layers import CLASSES, HAS_QUERIES, TELL_BOUNDARIES
from croplayer.models.networks.manifest import Manifest
from croplayer.models.networks.precision import FLOAT32
from croplayer.models.networks.queries import query_boundaries, query_logits
from stores.legends import CROPLAND

BANDS = ("red", "green", "blue")
IMAGE_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green, blue in 0..1 that normalisation takes away (the usual ImageNet value)."""
IMAGE_STD = (0.229, 0.224, 0.225)
"""Spread of red, green, blue in 0..1 that normalisation divides by (the usual ImageNet value)."""


class SegmentationNetwork(nn.Module):
    """A segmentation model behind one face: one of transformers to be trained, or a plain module that predicts the same.

    ``forward`` maps (n, 3, h, w) normalised pixels to (n, h, w) float32 logits of cropland against
    not cropland; their sigmoid is the probability of cropland. A network that tells boundaries gives
    those of both in one pass where it is asked for them.
    """

    image_mean: torch.Tensor
    image_std: torch.Tensor

    def __init__(
        self,
        architecture: str,
        size: str,
        model: nn.Module,
        *,
        mean: tuple[float, ...] = IMAGE_MEAN,
        std: tuple[float, ...] = IMAGE_STD,
        gsd_m: tuple[float, float] | None = None,
        classes: tuple[str, ...] = CLASSES,
        manifest: Manifest | None = None,
        compiled: CellFunction | None = None,
        temperature: float = 1.0,
        precision: str = FLOAT32,
    ) -> None:
        super().__init__()
        self.classes = classes
        """Name of each class of the model by index: one or more are cropland, the others are not."""
        self.cropland = cropland_indices(classes)
        """Indices of the classes that are cropland."""
        self.mean, self.std = tuple(mean), tuple(std)
        """Mean and standard deviation of each band that pixels are normalised by, in 0..1."""
        self.architecture = architecture
        self.size = size
        self.model = model
        self.gsd_m = gsd_m
        """Range of ground sample distances it was trained at, in metres; None when unknown."""
        self.manifest = manifest
        self.temperature = temperature
        """Divisor of the logits that calibrates the probabilities."""
        self.compiled = compiled
        """What computes probabilities instead of torch: see ``openvino_runtime.compiled_cells``; None is torch."""
        self.precision = precision
        """What torch predicts in: "float32" or "bfloat16"; training chooses by its own settings."""
        self.register_buffer("image_mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def with_cells_by(self, compiled: CellFunction) -> SegmentationNetwork:
        """The same model, in evaluation mode, its cells computed by a function instead of torch."""
        return SegmentationNetwork(
            self.architecture,
            self.size,
            self.model,
            mean=self.mean,
            std=self.std,
            gsd_m=self.gsd_m,
            classes=self.classes,
            manifest=self.manifest,
            compiled=compiled,
            temperature=self.temperature,
            precision=self.precision,
        ).eval()

    @property
    def device(self) -> torch.device:
        """The device that the network computes on."""
        return self.image_mean.device

    def described(
        self,
        *,
        gsd_m: tuple[float, float],
        training_data: str,
        licence: str,
        metrics: Mapping[str, Any] | None = None,
        recipe: Mapping[str, Any] | None = None,
        temperature: float = 1.0,
        instances: bool = False,
    ) -> Manifest:
        """The manifest of a bundle of this network; arguments are its fields of the same names."""
        return Manifest(
            kind="segmentation",
            architecture=self.architecture,
            size=self.size,
            classes=self.classes,
            bands=BANDS,
            mean=self.mean,
            std=self.std,
            ground_sample_distance_m=gsd_m,
            training_data=training_data,
            licence=licence,
            metrics=metrics or {},
            recipe=recipe or {},
            temperature=temperature,
            instances=instances,
        )

    @property
    def tells_boundaries(self) -> bool:
        """Whether it tells the boundaries of fields as well as cropland."""
        return self.architecture in TELL_BOUNDARIES or (self.manifest is not None and self.manifest.instances)

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.model.parameters())

    def normalise(self, rgb: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Pixels as the network expects them.

        Parameters
        ----------
        rgb : (n, h, w, 3) uint8
        valid : (n, h, w) bool; an invalid pixel becomes the mean colour (zero)

        Returns
        -------
        (n, 3, h, w) float32
        """
        pixels = rgb.permute(0, 3, 1, 2).to(torch.float32).div_(255).sub_(self.image_mean).div_(self.image_std)
        return pixels.mul_(valid[:, None])

    def forward(self, pixels: torch.Tensor, *, with_boundaries: bool = False) -> torch.Tensor:
        """Logits of normalised pixels (n, 3, h, w) float32.

        Returns
        -------
        (n, h, w) float32 of cropland, divided by the temperature; with boundaries (n, 2, h, w) float32 of cropland and of
        whether the boundary of a field is near

        Raises
        ------
        ValueError when it is asked for boundaries and tells none.
        """
        output = self.model(pixel_values=pixels)
        if self.architecture == HAS_QUERIES:
            logits = query_logits(output, self.cropland)
        else:
            logits = class_logits(output.logits, self.cropland)
        cropland = enlarge(logits if self.temperature == 1 else logits / self.temperature, pixels.shape[-2:])
        if not with_boundaries:
            return cropland
        if not self.tells_boundaries:
            raise ValueError(
                f"a {self.architecture} tells no boundaries; those that do are {', '.join(TELL_BOUNDARIES)}, and a "
                f"{HAS_QUERIES} whose queries were taught fields"
            )
        if self.architecture == HAS_QUERIES:
            boundary = query_boundaries(output, self.cropland, pixels.shape[-2:])
        else:
            boundary = enlarge(output.boundary_logits[:, 0].float(), pixels.shape[-2:])
        return torch.stack([cropland, boundary], dim=1)

    def predict_proba(
        self, rgb: np.ndarray, *, ground_sample_distance_m: float, valid: np.ndarray | None = None
    ) -> np.ndarray:
        """Probability of cropland of an image of any size: see ``inference.predict_proba``."""
        return predict_proba(self, rgb, ground_sample_distance_m=ground_sample_distance_m, valid=valid)


def enlarge(logits: torch.Tensor, shape: torch.Size | tuple[int, int]) -> torch.Tensor:
    """Bilinear enlargement of (n, h, w) logits to a shape (pixel centres kept)."""
    return nn.functional.interpolate(logits[:, None], size=tuple(shape), mode="bilinear", align_corners=False)[:, 0]


def cropland_indices(classes: Sequence[str]) -> tuple[int, ...]:
    """Indices of the classes named as cropland; of two that are named otherwise, the second.

    Raises ValueError if none, or all, are cropland.
    """
    found = tuple(i for i, name in enumerate(classes) if name == CLASSES[CROPLAND])
    if not found and len(classes) == len(CLASSES):
        return (CROPLAND,)
    if not found or len(found) == len(classes):
        raise ValueError(
            f"the classes are {', '.join(classes)}; expected some '{CLASSES[CROPLAND]}', and some that are not"
        )
    return found


def class_logits(logits: torch.Tensor, cropland: tuple[int, ...] = (CROPLAND,)) -> torch.Tensor:
    """Cropland logits (n, h, w) float32 from class logits (n, k, h, w).

    Of two classes, the difference; of more, the logit of the sum of the softmax over the classes that are cropland.
    """
    logits = logits.float()
    if logits.shape[1] == 2:
        return logits[:, cropland[0]] - logits[:, 1 - cropland[0]]
    others = [i for i in range(logits.shape[1]) if i not in cropland]
    return logits[:, list(cropland)].logsumexp(1) - logits[:, others].logsumexp(1)


def pick_device() -> torch.device:
    """The CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build_segmenter(
    architecture: str,
    size: str,
    seed: int,
    mean: tuple[float, ...] = IMAGE_MEAN,
    std: tuple[float, ...] = IMAGE_STD,
) -> SegmentationNetwork:
    """A segmentation network with random weights from a seed, on the CPU, in training mode.

    ``mean`` and ``std`` normalise its pixels: see ``SegmentationNetwork``.

    Raises ValueError for an unknown architecture or size.
    """
    from croplayer.models.networks.architectures import architecture_config, build_from_config

    config = architecture_config(architecture, size)
    model = build_from_config(architecture, config, seed)
    return SegmentationNetwork(architecture, size, model, mean=mean, std=std).train()
