from __future__ import annotations

import os
import tempfile

import numpy as np
import pytest
import torch

from croplayer.models.bundles import kept_graphs
from croplayer.models.bundles.graph import PixelsToProbability, example_pixels
from croplayer.models.bundles.kept_graphs import DIGEST, GRAPH, WEIGHTS, kept_graph
from croplayer.models.networks.segmentation import build_segmenter

openvino = pytest.importorskip("openvino")
SHAPE = (1, 64, 64)


@pytest.fixture(scope="module")
def network():
    return build_segmenter("segformer", "tiny", seed=5).eval()


@pytest.fixture(scope="module")
def convert(network):
    from croplayer.models.bundles.openvino_runtime import converted

    return lambda: converted(PixelsToProbability(network).eval(), example_pixels(SHAPE))


@pytest.fixture
def home(tmp_path, network, convert):
    kept_graph(network, SHAPE, convert, tmp_path / "graphs")
    return tmp_path / "graphs"


def never():
    raise AssertionError("the graph was converted again")


def probabilities(model):
    pixels = [a.numpy() for a in example_pixels(SHAPE)]
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pixels)[0]


def test_a_kept_graph_computes_what_the_one_just_converted_does(network, convert, tmp_path):
    first = probabilities(kept_graph(network, SHAPE, convert, tmp_path))
    later = probabilities(kept_graph(network, SHAPE, never, tmp_path))
    np.testing.assert_array_equal(first, later)
    with torch.inference_mode():
        rgb, valid = example_pixels(SHAPE)
        expected = network(network.normalise(rgb, valid)).sigmoid().numpy()
    np.testing.assert_allclose(later.reshape(expected.shape), expected, atol=1e-4)


def test_other_weights_shapes_and_settings_have_graphs_of_their_own(network, home):
    kept_graph(network, SHAPE, never, home)
    with pytest.raises(AssertionError):
        kept_graph(network, (2, 64, 64), never, home)
    other = build_segmenter("segformer", "tiny", seed=6).eval()
    with pytest.raises(AssertionError):
        kept_graph(other, SHAPE, never, home)
    warmer = network.with_cells_by(None)
    warmer.temperature = 2.0
    with pytest.raises(AssertionError):
        kept_graph(warmer, SHAPE, never, home)


def test_a_network_of_the_same_weights_and_another_configuration_has_a_graph_of_its_own(network, home):
    other = build_segmenter("segformer", "tiny", seed=5).eval()
    kept_graph(other, SHAPE, never, home)
    other.model.config.num_attention_heads = [1, 1, 1, 1]
    with pytest.raises(AssertionError):
        kept_graph(other, SHAPE, never, home)


def test_a_graph_in_the_folder_of_another_network_is_not_taken(network, home):
    (folder,) = home.iterdir()
    other = build_segmenter("segformer", "tiny", seed=6).eval()
    folder.rename(home / kept_graphs._key(other, SHAPE))
    with pytest.raises(AssertionError):
        kept_graph(other, SHAPE, never, home)


def test_a_graph_of_another_user_is_not_taken(network, home, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 123456)
    with pytest.raises(AssertionError):
        kept_graph(network, SHAPE, never, home)


def test_without_room_for_its_files_a_sentence_says_where_and_what_to_do(network, convert, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(OSError, match=r"could not be written to a folder of its own in .*none .* variable TMPDIR"):
        kept_graph(network, SHAPE, convert, tmp_path)


def test_what_a_killed_process_left_is_removed(network, convert, home):
    left = home / f".{'0' * 64}.{'1' * 32}.partial"
    left.mkdir()
    (left / WEIGHTS).write_bytes(b"")
    kept_graph(network, (1, 64, 96), convert, home)
    assert not left.exists()


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS, DIGEST])
def test_a_damaged_graph_is_converted_again_and_kept_whole(name, network, convert, home):
    (folder,) = home.iterdir()
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(AssertionError):
        kept_graph(network, SHAPE, never, home)
    kept_graph(network, SHAPE, convert, home)
    kept_graph(network, SHAPE, never, home)


def test_where_nothing_can_be_kept_it_is_converted_each_time(network, convert, tmp_path):
    (tmp_path / "file").write_text("in the way")
    model = kept_graph(network, SHAPE, convert, tmp_path / "file")
    assert probabilities(model).shape[-2:] == SHAPE[1:]


def test_graphs_that_were_not_used_for_longest_go(network, convert, home, monkeypatch):
    monkeypatch.setattr(kept_graphs, "KEPT", 2)
    (oldest,) = home.iterdir()
    for shape in ((2, 64, 64), (1, 64, 96)):
        os.utime(oldest / DIGEST, (0, 0))
        kept_graph(network, shape, convert, home)
    assert not oldest.exists() and len(list(home.iterdir())) == 2
