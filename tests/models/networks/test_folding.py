"""Batch norms folded into convolutions give the same logits, and leave the network that is kept as it is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from croplayer.models.networks.architectures import ARCHITECTURES
from croplayer.models.networks.folding import fold_batch_norms, prepared
from croplayer.models.networks.segmentation import build_segmenter


def trained(network):
    """In evaluation mode and double precision, with the statistics and scales that a training leaves."""
    network.double()
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.2, 3.0),
                (module.weight.data, 0.5, 1.5),
                (module.bias.data, -0.5, 0.5),
            ):
                tensor.uniform_(low, high, generator=generator)
    return network.eval()


class InvertedResidual(nn.Module):
    """A block of an EfficientNet-Lite."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width), nn.ReLU6())
        self.depthwise = nn.Sequential(
            nn.Conv2d(4 * width, 4 * width, 5, padding=2, groups=4 * width, bias=False),
            nn.BatchNorm2d(4 * width, eps=1e-3),
            nn.ReLU6(),
        )
        self.project = nn.Sequential(nn.Conv2d(4 * width, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.project(self.depthwise(self.expand(x)))


def of(network: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_logits_are_the_same_and_the_bundle_is_too(architecture: str) -> None:
    network = trained(build_segmenter(architecture, "tiny", seed=2))
    before = copy.deepcopy(network.state_dict())
    pixels = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(prepared(network)(pixels), network(pixels), atol=1e-4, rtol=1e-5)
        assert torch.equal(prepared(network)(pixels), prepared(copy.deepcopy(network))(pixels))
    after = network.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)
    assert prepared(network) is prepared(network)
    if architecture == "unet":
        assert of(prepared(network), nn.BatchNorm2d) == 0 < of(network, nn.BatchNorm2d)
    if architecture in ("pidnet", "pspnet"):
        assert of(prepared(network), nn.BatchNorm2d) < of(network, nn.BatchNorm2d)


def test_every_batch_norm_of_a_mobile_encoder_is_folded() -> None:
    network = trained(
        nn.Sequential(nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8)), InvertedResidual(8))
    )
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    folded = prepared(network)
    assert of(network, nn.BatchNorm2d) == 4 and of(folded, nn.BatchNorm2d) == 0
    assert all(
        m.weight.is_contiguous(memory_format=torch.channels_last) for m in folded.modules() if hasattr(m, "weight")
    )
    with torch.no_grad():
        torch.testing.assert_close(folded(pixels), network(pixels), atol=1e-4, rtol=1e-5)


def test_new_weights_are_predicted_with() -> None:
    network = trained(build_segmenter("pidnet", "tiny", seed=2))
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    old = prepared(network)(pixels)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network.train()
    assert prepared(network) is network
    for parameter in network.parameters():
        parameter.grad = parameter.detach().clone()
    optimizer.step()
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(prepared(network)(pixels), network(pixels), atol=1e-4, rtol=1e-5)
        assert not torch.allclose(prepared(network)(pixels), old, atol=1e-3)
    network.model.load_state_dict(trained(build_segmenter("pidnet", "tiny", seed=9)).model.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(prepared(network)(pixels), network(pixels), atol=1e-4, rtol=1e-5)


def test_new_attributes_are_predicted_with() -> None:
    network = trained(build_segmenter("pspnet", "tiny", seed=2))
    assert prepared(network).precision == "float32"
    network.precision = "bfloat16"
    assert prepared(network).precision == "bfloat16"


def test_a_convolution_that_others_use_keeps_its_weights() -> None:
    conv = nn.Conv2d(4, 4, 1)
    shared = trained(nn.ModuleList([nn.Sequential(conv, nn.BatchNorm2d(4)), nn.Sequential(conv, nn.ReLU())]))
    assert fold_batch_norms(shared) == 0
    inside = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
    twice = trained(nn.Sequential(inside, inside, nn.BatchNorm2d(4)))
    assert fold_batch_norms(twice) == 0
    watched = trained(nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)))
    watched[0].register_forward_hook(lambda module, args, output: output * 2)
    assert fold_batch_norms(watched) == 0
    in_training = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)).train()
    assert fold_batch_norms(in_training) == 0
