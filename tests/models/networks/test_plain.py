"""Networks that predict without transformers equal those that are trained with it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from transformers import PreTrainedModel, ResNetConfig, ResNetForImageClassification

from croplayer.models.networks.architectures import architecture_config, build_from_config
from croplayer.models.networks.coverage_network import build_coverage_network
from croplayer.models.networks.layers import COVERAGE
from croplayer.models.networks.plain import network_of

SMALL = {"embedding_size": 8, "hidden_sizes": [16, 24], "depths": [2, 1], "num_labels": 3}
RESNETS = {
    "basic": {"layer_type": "basic"},
    "bottleneck": {"layer_type": "bottleneck"},
    "early strides": {
        "layer_type": "bottleneck",
        "downsample_in_first_stage": True,
        "downsample_in_bottleneck": True,
    },
}


def values_of(model) -> dict:
    """What a bundle keeps of a model's configuration."""
    return json.loads(model.config.to_json_string(use_diff=False))


def perturbed(model):
    """The model with statistics and biases that are not those of a fresh one."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("bias", "running_mean", "running_var")):
                tensor.add_(torch.rand(tensor.shape, generator=generator) * 0.1)
    return model.eval()


def assert_same(model, plain) -> None:
    assert isinstance(model, PreTrainedModel) and not isinstance(plain, PreTrainedModel)
    state = model.state_dict()
    assert [(k, v.shape) for k, v in plain.state_dict().items()] == [(k, v.shape) for k, v in state.items()]
    plain.load_state_dict(state, strict=True)
    plain.eval()
    pixels = torch.randn((2, 3, 64, 96), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs, ours = model(pixel_values=pixels), plain(pixel_values=pixels)
    assert torch.isfinite(ours.logits).all() and ours.logits.std() > 0
    assert torch.equal(theirs.logits, ours.logits)
    if (boundaries := getattr(theirs, "boundary_logits", None)) is not None:
        assert torch.equal(boundaries, ours.boundary_logits)
    assert plain.config.to_json_string(use_diff=False) == model.config.to_json_string(use_diff=False)
    assert plain.config.num_labels == model.config.num_labels


@pytest.mark.parametrize(
    ("architecture", "size"),
    [("pidnet", "tiny"), ("pidnet", "lite"), ("pidnet", "l"), ("pspnet", "tiny"), ("unet", "tiny")],
)
def test_own_networks_predict_the_same_without_transformers(architecture, size):
    model = build_from_config(architecture, architecture_config(architecture, size), seed=1)
    assert_same(perturbed(model), network_of(architecture, values_of(model)))


@pytest.mark.parametrize("kind", RESNETS)
def test_coverage_networks_predict_the_same_without_transformers(kind):
    torch.manual_seed(0)
    model = ResNetForImageClassification(ResNetConfig(**SMALL, **RESNETS[kind]))
    assert_same(perturbed(model), network_of(COVERAGE, values_of(model)))


def test_a_shallow_coverage_network_is_the_trained_one():
    model = build_coverage_network("tiny", seed=2).model
    assert_same(perturbed(model), network_of(COVERAGE, values_of(model)))


def test_laying_out_leaves_the_generator_alone():
    values = values_of(build_from_config("unet", architecture_config("unet", "tiny"), seed=0))
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    network_of("unet", values)
    assert torch.equal(torch.rand(3), expected)


def test_what_a_configuration_leaves_out_comes_from_transformers():
    model = build_from_config("pidnet", architecture_config("pidnet", "tiny"), seed=0)
    values = values_of(model)
    del values["pools_count_padding"]  # a bundle of an earlier version
    again = network_of("pidnet", values)
    assert isinstance(again, PreTrainedModel)
    assert again.config.pools_count_padding == model.config.pools_count_padding
    coverage = values_of(build_coverage_network("tiny", seed=0).model) | {"hidden_act": "gelu"}
    assert isinstance(network_of(COVERAGE, coverage), PreTrainedModel)


@pytest.mark.parametrize("change", [{"layer_type": "wide"}, {"depths": [1]}, {"hidden_sizes": "many"}])
def test_a_configuration_of_no_network_is_an_error(change):
    values = values_of(build_coverage_network("tiny", seed=0).model) | change
    with pytest.raises((ValueError, IndexError, TypeError)):
        network_of(COVERAGE, values)


def test_included_models_are_loaded_without_transformers():
    code = (
        "import sys; from croplayer.models.bundles.kinds import load_coverage, load_segmenter; "
        "[load_segmenter(name, None, 'torch', 'cpu') for name in ('default', 'default_fast')]; "
        "[load_coverage(name, None, 'cpu') for name in ('default_coverage', 'landscape_coverage')]; "
        "sys.exit('transformers' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
