"""Boundaries from queries that were taught fields: what no query covers on both sides, the same from any block."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from croplayer.models.bundles.bundle import load, write_bundle
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.networks.inference import predict_block, predict_layers
from croplayer.models.networks.manifest import Manifest
from croplayer.models.networks.queries import APART_PX, query_boundaries
from croplayer.models.networks.segmentation import SegmentationNetwork, build_segmenter

NOTHING, OTHER, FIELD = [-20.0, -20.0, 20.0], [20.0, -20.0, -20.0], [-20.0, 20.0, -20.0]


def told(masks: torch.Tensor, classes: list[list[float]], shape: tuple[int, int]) -> np.ndarray:
    """Probabilities (h, w) of boundaries from masks (q, h, w) in logits and the class of each query."""
    output = SimpleNamespace(class_queries_logits=torch.tensor([classes]), masks_queries_logits=masks[None])
    return query_boundaries(output, (1,), shape)[0].sigmoid().numpy()


def halves(side: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of the left and right halves."""
    left = torch.full((side, side), -20.0)
    left[:, : side // 2] = 20
    return left, -left


def test_two_queries_that_touch_have_a_boundary_between_them_and_nowhere_else() -> None:
    boundary = told(torch.stack(halves()), [FIELD, FIELD], (64, 64))
    assert (boundary[:, 31:33] > 0.85).all()
    assert (np.delete(boundary, slice(26, 38), axis=1) < 0.001).all()


def test_one_query_over_both_halves_has_none() -> None:
    left, right = halves()
    assert told(torch.stack([torch.maximum(left, right)]), [FIELD], (64, 64)).max() < 0.001


def test_a_field_beside_other_land_has_a_boundary_whatever_queries_the_land_is_of() -> None:
    left, right = halves()
    upper = torch.where(torch.arange(16)[:, None] < 8, right, -20.0)
    boundary = told(torch.stack([left, upper, right - upper - 20]), [FIELD, OTHER, OTHER], (64, 64))
    assert (boundary[:, 31:33] > 0.85).all() and boundary[:, 40:].max() < 0.001


def test_ground_that_two_queries_share_alike_has_none() -> None:
    """Whether a network is sure of a field is another question than whether a field ends."""
    assert told(torch.zeros(2, 16, 16), [FIELD, FIELD], (64, 64)).max() < 0.001


def test_a_query_of_no_class_covers_nothing() -> None:
    left, right = halves()
    both = told(torch.stack([left, right, torch.full_like(left, 20.0)]), [FIELD, FIELD, NOTHING], (64, 64))
    np.testing.assert_allclose(both, told(torch.stack([left, right]), [FIELD, FIELD], (64, 64)), atol=1e-5)


def test_the_probability_is_what_no_query_covers_on_both_sides() -> None:
    rng, side = np.random.default_rng(0), 20
    masks, classes = rng.normal(0, 2, (5, side, side)), rng.normal(0, 2, (5, 3))
    found = told(torch.from_numpy(masks).float(), classes.tolist(), (side, side))
    odds = np.exp(classes)
    odds /= odds.sum(1, keepdims=True)
    covered = 1 / (1 + np.exp(-masks))
    claims = np.concatenate([odds[:, 1, None, None] * covered, (odds[:, :1, None] * covered).sum(0, keepdims=True)])
    shares = claims / claims.sum(0)
    for y in range(side):
        for x in range(side):
            ends = [min(max(v + d, 0), side - 1) for v in (y, x) for d in (-APART_PX, APART_PX)]
            down = np.minimum(shares[:, ends[0], x], shares[:, ends[1], x]).sum()
            across = np.minimum(shares[:, y, ends[2]], shares[:, y, ends[3]]).sum()
            assert found[y, x] == pytest.approx(1 - min(down, across), abs=2e-4)


def taught(folder: Path, instances: bool = True) -> SegmentationNetwork:
    """A network whose bundle says that its queries were taught fields; random weights that tell more than one value."""
    network = build_segmenter("mask2former", "tiny", seed=0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "mask_embedder" in name or "class_predictor" in name:
                parameter.mul_(6)
    manifest = network.described(gsd_m=(1.0, 5.0), training_data="-", licence="-", instances=instances)
    found = load(write_bundle(folder / f"m2f{instances}", network.model, manifest), device="cpu")
    assert isinstance(found, SegmentationNetwork)
    return found


def imagery(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    rgb = np.kron(rng.integers(0, 256, (-(-h // 8), -(-w // 8), 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    return rgb[:h, :w], np.ones((h, w), dtype=bool)


def test_a_bundle_says_whether_its_queries_tell_boundaries(tmp_path: Path) -> None:
    with_them, without = taught(tmp_path), taught(tmp_path, instances=False)
    assert with_them.tells_boundaries and not without.tells_boundaries
    cards = [(tmp_path / f"m2f{told}/README.md").read_text(encoding="utf-8") for told in (True, False)]
    assert ["each was taught one field" in card for card in cards] == [True, False]
    rgb, valid = imagery(64, 64)
    layers = predict_layers(with_them, rgb, valid, cell_px=64, halo_px=0)
    assert layers.shape == (2, 64, 64) and np.ptp(layers[1]) > 20
    np.testing.assert_array_equal(layers[0], predict_block(without, rgb, valid, cell_px=64, halo_px=0))
    with pytest.raises(ValueError, match=r"mask2former tells no boundaries; .* whose queries were taught fields"):
        without(torch.zeros(1, 3, 64, 64), with_boundaries=True)


def test_a_manifest_without_the_word_says_no_and_another_network_cannot_say_yes(tmp_path: Path) -> None:
    taught(tmp_path)
    folder = tmp_path / "m2fTrue"
    values = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert values["instances"] is True
    older = {name: value for name, value in values.items() if name != "instances"}
    assert not Manifest.from_json(json.dumps(older).encode(), folder).instances
    for wrong in ({"architecture": "unet"}, {"instances": "yes"}):
        with pytest.raises(
            ValueError, match=r"manifest field 'instances' is .*; expected false, or true for a mask2former"
        ):
            Manifest.from_json(json.dumps(values | wrong).encode(), folder)


def test_any_blocks_have_the_boundaries_of_the_whole(tmp_path: Path) -> None:
    network, cell, blend, block = taught(tmp_path), 32, 8, 64
    halo = blended_halo_px(cell, blend)
    rgb, valid = imagery(block + 2 * halo, 3 * block + 2 * halo)

    def predict(part: slice) -> np.ndarray:
        return predict_layers(
            network, rgb[:, part], valid[:, part], cell_px=cell, halo_px=halo, batch_cells=1, blend_px=blend
        )

    whole = predict(slice(None))
    for start in (2, 0, 1):
        own = slice(start * block, (start + 1) * block)
        found = predict(slice(own.start, own.stop + 2 * halo))
        np.testing.assert_array_equal(found, whole[:, :, own])
    assert np.ptp(whole[1]) > 20
