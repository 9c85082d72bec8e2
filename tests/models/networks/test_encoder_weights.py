"""Weights that learned on ImageNet, as Python packages hold them."""

from __future__ import annotations

import hashlib
import pickle
import sys
from importlib.util import find_spec

import pytest
import torch
from shared.lite_weights import published_weights

from croplayer.models.networks import encoder_weights
from croplayer.models.networks.architectures import architecture_config, build_from_config
from croplayer.models.networks.encoder_weights import PUBLISHED, PublishedWeights, imagenet_weights
from croplayer.models.training.start import start_from

SIZE = "efficientnet-lite0"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the right name and layout, with what a test puts into its file."""

    def made(save, digest=None):
        folder = tmp_path / "lite_weights_of_a_test"
        (folder / "models").mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('nothing of the package needs to run')\n")
        path = folder / "models" / "weights.pth"
        save(path)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        entry = PublishedWeights(folder.name, path.name, digest or found)
        monkeypatch.setitem(encoder_weights.PUBLISHED, SIZE, entry)
        monkeypatch.syspath_prepend(tmp_path)
        return path

    return made


def unet(size=SIZE):
    return build_from_config("unet", architecture_config("unet", size), seed=0)


def test_weights_of_a_package_fill_the_whole_encoder_and_nothing_else(package):
    weights = published_weights("lite0")
    package(lambda path: torch.save(weights, path))
    model, fresh = unet(), unet().state_dict()
    start_from(model, "imagenet", "unet", SIZE)
    for name, tensor in model.state_dict().items():
        if not name.startswith("encoder."):
            assert torch.equal(tensor, fresh[name]), name
        elif name.endswith(".weight") and tensor.ndim > 1:
            assert not torch.equal(tensor, fresh[name]), name
    assert torch.equal(model.encoder.stem[0].weight, weights["_conv_stem.weight"])
    assert torch.equal(model.encoder.blocks[-1].project[1].running_var, weights["_blocks.15._bn2.running_var"])
    assert "lite_weights_of_a_test" not in sys.modules


def test_a_package_that_is_not_installed_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setitem(encoder_weights.PUBLISHED, SIZE, PublishedWeights("no_such_package", "x.pth", "0"))
    with pytest.raises(
        ValueError, match=r"ImageNet weights of efficientnet-lite0 are not installed; .*\[pretrained\]"
    ) as error:
        imagenet_weights(SIZE)
    assert "\n" not in str(error.value)


def test_a_file_with_another_digest_is_told_in_one_sentence_before_it_is_unpickled(package, tmp_path):
    class Hostile:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    path = package(lambda path: path.write_bytes(pickle.dumps(Hostile())), digest="0" * 64)
    with pytest.raises(ValueError, match="install the package again") as error:
        imagenet_weights(SIZE)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_a_package_without_its_file_is_told(package):
    package(lambda path: torch.save({}, path)).unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=r"weights\.pth"):
        imagenet_weights(SIZE)


def test_sizes_without_published_weights_are_told():
    with pytest.raises(ValueError, match="no ImageNet weights for size 'tiny'; expected one of efficientnet-lite0"):
        imagenet_weights("tiny")


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_published_packages_fill_the_whole_encoder(size):
    if find_spec(PUBLISHED[size].package) is None:
        pytest.skip(f"{PUBLISHED[size].package} is not installed")
    model = unet(size)
    needed = model.encoder.state_dict()
    weights = imagenet_weights(size)
    assert {name: tensor.shape for name, tensor in weights.items()} == {n: t.shape for n, t in needed.items()}
    start_from(model, "imagenet", "unet", size)
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(tensor, weights[name]), name
    with torch.no_grad():
        maps = model.eval().encoder(torch.zeros(1, 3, 64, 64))
    assert all(bool(m.isfinite().all()) and float(m.std()) > 0 for m in maps)
