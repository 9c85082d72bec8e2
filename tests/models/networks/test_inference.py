from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from croplayer.models.networks import inference
from croplayer.models.networks.architectures import ARCHITECTURES
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.networks.inference import mask_from_probability, predict_block, predict_image
from croplayer.models.networks.segmentation import build_segmenter

CELL, HALO = 64, 16


@pytest.fixture(scope="module", params=[(a, "tiny") for a in ARCHITECTURES], ids=lambda p: p[0])
def network(request):
    network = build_segmenter(*request.param, seed=5).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2.0)
    return network


@pytest.fixture(scope="module")
def imagery():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (2 * CELL + 2 * HALO, 3 * CELL + 2 * HALO, 3), dtype=np.uint8)
    return rgb, np.ones(rgb.shape[:2], dtype=bool)


def predict(network, rgb, valid, batch_cells=4):
    return predict_block(network, rgb, valid, cell_px=CELL, halo_px=HALO, batch_cells=batch_cells)


@pytest.mark.parametrize("batch_cells", [1, 2, 4])
def test_a_cell_depends_on_its_own_context_alone(network, imagery, batch_cells):
    rgb, valid = imagery
    whole = predict(network, rgb, valid, batch_cells)
    side = CELL + 2 * HALO
    for y in range(0, 2 * CELL, CELL):
        for x in range(0, 3 * CELL, CELL):
            alone = predict(network, rgb[y : y + side, x : x + side], valid[y : y + side, x : x + side], batch_cells)
            np.testing.assert_array_equal(whole[y : y + CELL, x : x + CELL], alone)


def test_result_is_the_plain_forward_pass(network, imagery):
    rgb, valid = imagery
    side = CELL + 2 * HALO
    pixels = torch.from_numpy(rgb[None, :side, :side]).permute(0, 3, 1, 2).float() / 255
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():
        expected = torch.sigmoid(network((pixels - mean) / std))[0, HALO:-HALO, HALO:-HALO].numpy()
    found = predict(network, rgb, valid)[:CELL, :CELL] / 250
    assert np.abs(found - expected).max() <= 0.5 / 250 + 1e-5


def test_empty_cells_are_not_sent_to_the_network(network, imagery, monkeypatch):
    rgb, valid = imagery
    valid = valid.copy()
    valid[HALO : HALO + CELL, HALO : HALO + CELL] = False
    valid[HALO + CELL + 3, HALO + 5] = False
    seen = []
    predict_cells = inference.predict_cells
    monkeypatch.setattr(inference, "predict_cells", lambda *batch: seen.append(batch) or predict_cells(*batch))
    result = predict(network, rgb, valid, batch_cells=2)
    assert len(seen) == 3
    assert {rgb.shape for _, rgb, _ in seen} == {(2, 96, 96, 3)}
    assert (result[:CELL, :CELL] == 254).all()
    assert result[CELL + 3, 5] == 254
    assert (result[:, CELL:] <= 250).all()
    assert (predict(network, rgb, np.zeros_like(valid), batch_cells=2) == 254).all()
    assert len(seen) == 3


def test_the_colour_under_invalid_pixels_does_not_matter(network, imagery):
    rgb, valid = imagery
    valid = valid.copy()
    valid[:, 90:] = False
    changed = np.where(valid[..., None], rgb, 255 - rgb)
    np.testing.assert_array_equal(predict(network, rgb, valid), predict(network, changed, valid))


def test_nan_weights_raise():
    network = build_segmenter("segformer", "tiny", 0).eval()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    rgb = np.zeros((64, 64, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="NaN"):
        predict_block(network, rgb, np.ones((64, 64), dtype=bool), cell_px=64, halo_px=0, batch_cells=1)


def test_blended_cells_fit_across_blocks(network):
    """Two blocks predicted apart are the block twice as wide."""
    margin, side = blended_halo_px(CELL, HALO), 2 * CELL
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (side + 2 * margin, 2 * side + 2 * margin, 3), dtype=np.uint8)
    valid = np.ones(rgb.shape[:2], dtype=bool)
    valid[:, -margin - 50 :] = False

    def blended(part):
        return predict_block(
            network, rgb[:, part], valid[:, part], cell_px=CELL, halo_px=margin, batch_cells=2, blend_px=HALO
        )

    whole = blended(slice(None))
    west, east = blended(slice(0, side + 2 * margin)), blended(slice(side, None))
    np.testing.assert_array_equal(whole, np.hstack([west, east]))
    assert (whole[:, -50:] == 254).all() and (whole[:, :-50] <= 250).all()


def test_blending_keeps_an_answer_that_is_the_same_everywhere(network, monkeypatch):
    network = copy.deepcopy(network)
    monkeypatch.setattr(
        network,
        "forward",
        lambda pixels, with_boundaries=False: (pixels[:, :2] if with_boundaries else pixels[:, 0]) * 0 + 1.0,
    )
    rgb, valid = np.zeros((192, 192, 3), dtype=np.uint8), np.ones((192, 192), dtype=bool)
    result = predict_block(network, rgb, valid, cell_px=64, halo_px=64, batch_cells=1, blend_px=16)
    assert (result == round(250 / (1 + np.exp(-1.0)))).all()
    with pytest.raises(ValueError, match="halo of at least 48 px"):
        predict_block(network, rgb, valid, cell_px=64, halo_px=32, batch_cells=1, blend_px=16)


def test_images_of_any_size(network):
    rgb = np.random.default_rng(1).integers(0, 256, (70, 45, 3), dtype=np.uint8)
    valid = np.ones((70, 45), dtype=bool)
    valid[0, 0] = False
    result = predict_image(network, rgb, valid, cell_px=32, blend_px=16, batch_cells=3)
    assert result.shape == (70, 45) and result[0, 0] == 254 and (result.ravel()[1:] <= 250).all()


def test_shapes_that_do_not_fit_are_refused(network, imagery):
    rgb, valid = imagery
    with pytest.raises(ValueError, match="multiples of cell_px=60"):
        predict_block(network, rgb, valid, cell_px=60, halo_px=HALO, batch_cells=1)
    with pytest.raises(ValueError, match="expected bool"):
        predict_block(network, rgb, valid[1:], cell_px=CELL, halo_px=HALO, batch_cells=1)
    with pytest.raises(ValueError, match="uint8"):
        predict_block(network, rgb.astype(float), valid, cell_px=CELL, halo_px=HALO, batch_cells=1)


def test_mask_keeps_flags():
    stored = np.array([0, 124, 125, 250, 254, 255], dtype=np.uint8)
    np.testing.assert_array_equal(mask_from_probability(stored), [0, 0, 1, 1, 254, 255])
    np.testing.assert_array_equal(mask_from_probability(stored, 1.0), [0, 0, 0, 1, 254, 255])
    np.testing.assert_array_equal(mask_from_probability(stored, 0.0), [1, 1, 1, 1, 254, 255])
    with pytest.raises(ValueError, match="threshold"):
        mask_from_probability(stored, 1.5)


def test_predict_proba_resamples_to_what_the_network_knows(network):
    network.gsd_m = (2.0, 4.0)
    rng = np.random.default_rng(2)
    rgb = np.kron(rng.integers(0, 256, (48, 40, 3), dtype=np.uint8), np.ones((2, 2, 1), dtype=np.uint8))
    valid = np.ones(rgb.shape[:2], dtype=bool)
    valid[:6] = False
    fine = network.predict_proba(rgb, ground_sample_distance_m=1.0, valid=valid)
    assert fine.shape == (96, 80) and fine.dtype == np.float32
    assert np.isnan(fine[:6]).all() and not np.isnan(fine[6:]).any()
    assert ((fine[6:] >= 0) & (fine[6:] <= 1)).all()
    at_range = network.predict_proba(rgb[::2, ::2], ground_sample_distance_m=2.0, valid=valid[::2, ::2])
    assert np.abs(fine[7::2, 1::2] - at_range[3:]).mean() < 0.1
    inside = network.predict_proba(rgb, ground_sample_distance_m=3.0)
    np.testing.assert_allclose(inside, predict_image(network, rgb, np.ones_like(valid)) / 250, atol=1e-6)
    with pytest.raises(ValueError, match="metres above 0"):
        network.predict_proba(rgb, ground_sample_distance_m=0.0)
