from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from croplayer.models.judging.instances import predict_parcels
from croplayer.models.judging.seams import line_jumps, measure_seams
from croplayer.models.networks.segmentation import build_segmenter


class Local(nn.Module):
    """A network whose answer depends on the pixel alone, plus a step in each cell if wanted."""

    device = torch.device("cpu")
    compiled = None
    precision = "float32"
    tells_boundaries = False

    def __init__(self, tilt: float = 0.0) -> None:
        super().__init__()
        self.tilt = tilt

    def normalise(self, rgb, valid):
        return rgb.permute(0, 3, 1, 2).float() / 255 * valid[:, None]

    def forward(self, pixels):
        return (pixels.mean(1) - 0.5) * 4 + self.tilt * torch.linspace(-1, 1, pixels.shape[-1])


def image(h=160, w=224):
    rgb = np.random.default_rng(0).integers(100, 156, (h, w, 3), dtype=np.uint8)
    return rgb, np.ones((h, w), dtype=bool)


def test_a_local_answer_has_no_seams():
    report = measure_seams(Local(), *image(), cell_px=32, halo_px=16)
    assert report.ratio == pytest.approx(1, abs=1e-12) and report.elsewhere > 0


def test_an_answer_that_leans_within_each_cell_shows_its_seams():
    assert measure_seams(Local(tilt=1.0), *image(), cell_px=32, halo_px=16).ratio > 1.5


def test_a_network_with_context_shows_seams_without_a_halo():
    network = build_segmenter("segformer", "tiny", seed=5).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    rgb, valid = image()
    assert measure_seams(network, rgb, valid, cell_px=32, halo_px=0).ratio > 1.05


def test_line_jumps_leave_flags_out():
    probability = np.array([[0, 50, 254], [250, 50, 100]], dtype=np.uint8)
    down, across = line_jumps(probability)
    np.testing.assert_allclose(down, [0.5])
    np.testing.assert_allclose(across, [(0.2 + 0.8) / 2, 0.2])
    assert np.isnan(line_jumps(np.full((2, 2), 254, dtype=np.uint8))[0]).all()


def test_small_images_are_refused():
    with pytest.raises(ValueError, match="too small"):
        measure_seams(Local(), *image(64, 64), cell_px=32, halo_px=16)


def test_parcels_are_disjoint_and_scored():
    network = build_segmenter("mask2former", "tiny", seed=0).eval()
    rgb, valid = image(96, 64)
    valid[:10] = False
    parcels = predict_parcels(network, rgb, valid, lowest_score=0.0, smallest_px=1)
    assert parcels.labels.shape == (96, 64) and parcels.labels.max() == len(parcels.scores)
    assert not parcels.labels[:10].any()
    assert ((parcels.scores >= 0) & (parcels.scores <= 1)).all()
    with pytest.raises(ValueError, match="need a mask2former"):
        predict_parcels(build_segmenter("segformer", "tiny", 0), rgb, valid)
