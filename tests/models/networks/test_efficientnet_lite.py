"""The encoder, compared with a forward pass written from the blocks of its authors' code and TensorFlow's padding."""

from __future__ import annotations

import math

import pytest
import torch
from shared.lite_weights import blocks_of, published_weights
from torch.nn import functional

from croplayer.models.networks.efficientnet_lite import (
    STRIDES,
    EfficientNetLite,
    SameConv,
    renamed_weights,
    scaled_stages,
)

FACTORS = {"lite0": (1.0, 1.0), "lite2": (1.1, 1.2)}


def same_conv(x, weight, stride, groups=1):
    """TensorFlow's SAME: ceil(side / stride) results, and of an odd padding the larger part below and to the right."""
    pads = []
    for side, kernel in ((x.shape[3], weight.shape[3]), (x.shape[2], weight.shape[2])):
        total = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        pads += [total // 2, total - total // 2]
    return functional.conv2d(functional.pad(x, pads), weight, stride=stride, groups=groups)


def reference_maps(weights, variant, pixels):
    """Feature maps in front of each reduction of the resolution, and the last."""

    def norm(x, name):
        mean, var, weight, bias = (
            weights[f"{name}.{leaf}"].view(1, -1, 1, 1) for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-3) * weight + bias

    x = norm(same_conv(pixels, weights["_conv_stem.weight"], 2), "_bn0").clamp(0, 6)
    maps = []
    for i, (inputs, outputs, _, stride, expansion) in enumerate(blocks_of(variant)):
        before, name = x, f"_blocks.{i}"
        if stride == 2:
            maps.append(x)
        if expansion > 1:
            x = norm(same_conv(x, weights[f"{name}._expand_conv.weight"], 1), f"{name}._bn0").clamp(0, 6)
        depthwise = weights[f"{name}._depthwise_conv.weight"]
        x = norm(same_conv(x, depthwise, stride, groups=len(depthwise)), f"{name}._bn1").clamp(0, 6)
        x = norm(same_conv(x, weights[f"{name}._project_conv.weight"], 1), f"{name}._bn2")
        if stride == 1 and inputs == outputs:
            x = x + before
    return [*maps, x]


def encoder(variant):
    return EfficientNetLite(scaled_stages(*FACTORS[variant]), 32, drop=0.1).eval()


@pytest.mark.parametrize(("variant", "shape"), [("lite0", (64, 96)), ("lite2", (32, 64))])
def test_feature_maps_are_those_of_the_published_network(variant, shape):
    weights, network = published_weights(variant), encoder(variant)
    network.load_state_dict(renamed_weights(weights), strict=True)
    pixels = torch.randn((2, 3, *shape), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = network(pixels), reference_maps(weights, variant, pixels)
    assert len(found) == len(expected) == len(STRIDES)
    for a, b, stride in zip(found, expected, STRIDES, strict=True):
        assert a.shape[2:] == (shape[0] // stride, shape[1] // stride) and float(b.std()) > 0.05
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("sides", [(2, 4), (6, 10), (32, 18)])
def test_padding_is_tensorflows_same_for_even_sides(kernel, stride, sides):
    conv = SameConv(4, 6, kernel, stride, groups=2).double()
    x = torch.randn((1, 4, *sides), dtype=torch.float64)
    torch.testing.assert_close(conv(x), same_conv(x, conv.weight, stride, groups=2))


@pytest.mark.parametrize(
    ("variant", "widths", "parameters"),
    [
        # All parameters as published, without the last convolution, its norm and the classifier of 1000 classes.
        ("lite0", (16, 24, 40, 112, 320), 4_652_008 - 320 * 1280 - 2 * 1280 - 1281 * 1000),
        ("lite2", (16, 24, 48, 120, 352), 6_092_072 - 352 * 1280 - 2 * 1280 - 1281 * 1000),
    ],
)
def test_variants_have_the_published_widths_and_numbers_of_parameters(variant, widths, parameters):
    network = encoder(variant)
    assert network.channels == widths
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_a_block_is_skipped_in_training_only_and_keeps_the_mean():
    network = EfficientNetLite(scaled_stages(1.0, 1.0), 32, drop=0.9)
    block = network.blocks[-2].train()
    block.project[1].eval(), block.depthwise[1].eval(), block.expand[1].eval()
    x = torch.randn((400, 192, 1, 1), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        changed = block(x) - x
        whole = block.eval()(x) - x
    skipped = changed.abs().amax((1, 2, 3)) == 0
    assert abs(float(skipped.float().mean()) - block.drop) < 0.1
    torch.testing.assert_close(changed[~skipped], whole[~skipped] / (1 - block.drop), rtol=1e-3, atol=1e-5)
