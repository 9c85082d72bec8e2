"""The mean over mirror images: what it is by hand, alike for mirrored imagery, the same from what is compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from croplayer.models.bundles.bundle import load, write_bundle
from croplayer.models.networks.inference import predict_layers
from croplayer.models.networks.mirrors import Mirrored
from croplayer.models.networks.segmentation import SegmentationNetwork, build_segmenter

SIDE = 64


def network() -> SegmentationNetwork:
    found = build_segmenter("unet", "tiny", seed=3).eval()
    with torch.no_grad():  # Random weights tell nearly the same everywhere.
        for head in (found.model.head, found.model.fine_head, found.model.boundary_head):
            head.weight.mul_(20)
    return found


def imagery() -> tuple[np.ndarray, np.ndarray]:
    small = np.random.default_rng(1).integers(0, 256, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
    valid = np.ones((SIDE, SIDE), dtype=bool)
    valid[:20, :9] = False
    return np.kron(small, np.ones((8, 8, 1), dtype=np.uint8)), valid


def layers(model: object, rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    found = predict_layers(model, np.ascontiguousarray(rgb), np.ascontiguousarray(valid), cell_px=SIDE, halo_px=0)  # type: ignore[arg-type]
    return found.astype(int)


def test_it_is_the_mean_of_four_looks_and_mirrored_imagery_has_the_mirrored_map() -> None:
    plain, (rgb, valid) = network(), imagery()
    found = layers(Mirrored(plain), rgb, valid)
    looks = [layers(plain, rgb[::a, ::b], valid[::a, ::b])[:, ::a, ::b] for a in (1, -1) for b in (1, -1)]
    assert found.shape == (2, SIDE, SIDE) and (found[:, ~valid] == 254).all()
    assert np.abs(found - np.mean(looks, axis=0)).max() <= 1.01
    assert max(np.abs(found - look)[:, valid].max() for look in looks) > 3
    across = layers(Mirrored(plain), rgb[:, ::-1], valid[:, ::-1])[:, :, ::-1]
    assert np.abs(across - found).max() <= 1


def test_what_is_compiled_tells_the_same(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    plain, (rgb, valid) = network(), imagery()
    manifest = plain.described(gsd_m=(1.0, 5.0), training_data="-", licence="-")
    folder = write_bundle(tmp_path / "unet", plain.model, manifest)
    one, other = (layers(Mirrored(load(folder, device="cpu", runtime=r)), rgb, valid) for r in ("torch", "openvino"))  # type: ignore[arg-type]
    assert np.abs(one - other).max() <= 1 < np.ptp(one[1][valid])


def test_a_network_that_fails_is_not_hidden() -> None:
    plain, (rgb, valid) = network(), imagery()
    with torch.no_grad():
        plain.model.head.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="returned NaN or infinite logits"):
        layers(Mirrored(plain), rgb, valid)
