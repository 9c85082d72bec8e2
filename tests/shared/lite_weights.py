"""Random weights in the layout of the published port of EfficientNet-Lite."""

from __future__ import annotations

import math

import numpy as np
import torch

BLOCKS = (
    ("r1_k3_s1_e1", (16, 16)),
    ("r2_k3_s2_e6", (24, 24)),
    ("r2_k5_s2_e6", (40, 48)),
    ("r3_k3_s2_e6", (80, 88)),
    ("r3_k5_s1_e6", (112, 120)),
    ("r4_k5_s2_e6", (192, 208)),
    ("r1_k3_s1_e6", (320, 352)),
)
"""The authors' strings of a stage, with its widths in Lite0 and Lite2."""
REPEATS = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite2": (1, 3, 3, 4, 4, 5, 1)}


def blocks_of(variant):
    """(inputs, outputs, kernel, stride, expansion) of every block."""
    inputs, found = 32, []
    for (text, widths), repeats in zip(BLOCKS, REPEATS[variant], strict=True):
        kernel, stride, expansion = (int(part[1:]) for part in text.split("_")[1:])
        for i in range(repeats):
            outputs = widths[variant == "lite2"]
            found.append((inputs, outputs, kernel, stride if i == 0 else 1, expansion))
            inputs = outputs
    return found


def published_weights(variant, seed=0):
    """Random weights under the names of the published port, its head and classifier included."""
    generator, weights = torch.Generator().manual_seed(seed), {}

    def conv(name, *shape):
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) / math.sqrt(np.prod(shape[1:]))

    def norm(name, width):
        for leaf, low in (("weight", 0.8), ("bias", -0.2), ("running_mean", -0.2), ("running_var", 0.7)):
            weights[f"{name}.{leaf}"] = low + 0.4 * torch.rand(width, generator=generator)
        weights[f"{name}.num_batches_tracked"] = torch.tensor(1)

    conv("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    for i, (inputs, outputs, kernel, _, expansion) in enumerate(blocks_of(variant)):
        inner = inputs * expansion
        if expansion > 1:
            conv(f"_blocks.{i}._expand_conv", inner, inputs, 1, 1)
            norm(f"_blocks.{i}._bn0", inner)
        conv(f"_blocks.{i}._depthwise_conv", inner, 1, kernel, kernel)
        norm(f"_blocks.{i}._bn1", inner)
        conv(f"_blocks.{i}._project_conv", outputs, inner, 1, 1)
        norm(f"_blocks.{i}._bn2", outputs)
    conv("_conv_head", 1280, blocks_of(variant)[-1][1], 1, 1)
    norm("_bn1", 1280)
    weights |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    return weights
