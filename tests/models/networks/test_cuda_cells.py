"""Blocks on a device: on a CPU the same probabilities as cell by cell; what only a CUDA device can do needs one."""

from __future__ import annotations

import contextlib
import gc
import logging
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from croplayer.models.networks import cuda_cells
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.networks.cuda_cells import predict_on_device
from croplayer.models.networks.inference import predict_layers
from croplayer.models.networks.layout import CellLayout
from croplayer.models.networks.segmentation import build_segmenter

CELL, BLEND = 64, 8
HALO = blended_halo_px(CELL, BLEND)
LAYOUT = CellLayout(range(-32, 128, CELL), range(-32, 192, CELL), CELL, HALO, BLEND, BLEND)
CUT = CellLayout(range(0, 128, CELL), range(0, 192, CELL), CELL, 16, 16, 0)


class Small(nn.Module):
    """A network with a context of two pixels, whose two layers are of different weights."""

    device, compiled, precision = torch.device("cpu"), None, "float32"

    def __init__(self, tells_boundaries: bool = False) -> None:
        super().__init__()
        self.tells_boundaries = tells_boundaries
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(2, 3, 5, 5, generator=generator) / 5, requires_grad=False)
        self.register_buffer("damage", torch.ones(()))

    def normalise(self, rgb: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        return (rgb.permute(0, 3, 1, 2).float() / 127.5 - 1) * valid[:, None]

    def forward(self, pixels: torch.Tensor, *, with_boundaries: bool = False) -> torch.Tensor:
        both = nn.functional.conv2d(pixels, self.weight, padding=2) * self.damage
        return both if with_boundaries else both[:, 0]


def imagery(layout: CellLayout, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = 128 + 2 * layout.halo_px, 192 + 2 * layout.halo_px
    valid = np.ones(shape, dtype=bool)
    valid[:70, 30:90] = False
    valid[-100:, -120:] = False
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8), valid


@pytest.mark.parametrize("batch_cells", [1, 5, 36])
@pytest.mark.parametrize("layout", [LAYOUT, CUT], ids=["blended", "cut"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_device_predicts_as_a_cpu_does_cell_by_cell(layers: int, layout: CellLayout, batch_cells: int) -> None:
    network = Small(tells_boundaries=layers == 2)
    for seed in (0, 1):
        rgb, valid = imagery(layout, seed)
        expected = predict_layers(
            network, rgb, valid, cell_px=CELL, halo_px=layout.halo_px, blend_px=layout.blend_px, batch_cells=batch_cells
        )
        found = predict_on_device(network, rgb, valid, layout, batch_cells)
        assert len(found) == layers and (layers == 1 or (found[0] != found[1])[found[0] < 254].mean() > 0.9)
        np.testing.assert_array_equal(found == 254, expected == 254)
        assert np.abs(found.astype(int) - expected).max() <= 1 < 200 < np.ptp(expected[expected < 254])


def test_a_block_without_imagery_is_not_predicted() -> None:
    network = Small()
    rgb, valid = imagery(LAYOUT)
    assert (predict_on_device(network, rgb, np.zeros_like(valid), LAYOUT, 5) == 254).all()


def test_buffers_follow_the_shape_and_go_with_the_network() -> None:
    network = Small()
    rgb, valid = imagery(LAYOUT)
    predict_on_device(network, rgb, valid, LAYOUT, 2)
    first = weakref.ref(cuda_cells._kept[network])
    predict_on_device(network, rgb, valid, LAYOUT, 2)
    assert cuda_cells._kept[network] is first()
    predict_on_device(network, *imagery(CUT), CUT, 2)
    gc.collect()
    assert first() is None
    gone = weakref.ref(cuda_cells._kept[network])
    del network
    gc.collect()
    assert gone() is None


def test_new_weights_predict_anew() -> None:
    network = Small()
    before = predict_on_device(network, *imagery(LAYOUT), LAYOUT, 2)
    network.load_state_dict({"weight": -network.weight, "damage": network.damage})
    after = predict_on_device(network, *imagery(LAYOUT), LAYOUT, 2)
    known = before < 254
    assert np.abs(250 - before[known].astype(int) - after[known]).max() <= 2


def test_damaged_weights_are_told() -> None:
    network = Small()
    assert predict_on_device(network, *imagery(LAYOUT), LAYOUT, 4) is not None
    network.damage.fill_(torch.nan)
    assert predict_on_device(network, *imagery(LAYOUT), LAYOUT, 4) is None


@pytest.mark.parametrize("reason", ["operation not permitted when stream is capturing\nCUDA kernel errors might", ""])
def test_a_batch_that_cannot_be_recorded_is_told_with_its_reason(
    reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    @contextlib.contextmanager
    def refusing(graph: object, **options: object) -> Iterator[None]:
        yield
        raise RuntimeError(reason)

    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", refusing)
    with caplog.at_level(logging.WARNING, "croplayer"):
        assert cuda_cells.recorded(lambda: None) is None
    (line,) = caplog.messages
    assert line.endswith(reason.partition("\n")[0] or "RuntimeError") and "cannot be recorded as a CUDA graph" in line


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("architecture", ["pidnet", "unet"])
def test_a_cuda_device_predicts_as_a_cpu_does(architecture: str) -> None:
    network = build_segmenter(architecture, "tiny", seed=1).eval()
    rgb, valid = imagery(LAYOUT)
    expected = predict_layers(network, rgb, valid, cell_px=CELL, halo_px=HALO, blend_px=BLEND)
    found = predict_layers(network.to("cuda"), rgb, valid, cell_px=CELL, halo_px=HALO, blend_px=BLEND)
    assert np.abs(found.astype(int) - expected).max() <= 2
