"""Boundaries beside cropland: from one pass, blended in the same way, the same from every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from croplayer.models.bundles.bundle import load, write_bundle
from croplayer.models.bundles.export import export_network
from croplayer.models.networks import inference
from croplayer.models.networks.cell_memory import CellMemory
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.networks.inference import predict_block, predict_image, predict_layers
from croplayer.models.networks.segmentation import SegmentationNetwork, build_segmenter

SIDE = 64


def network_that_tells_boundaries(temperature: float = 1.0) -> SegmentationNetwork:
    network = build_segmenter("unet", "tiny", seed=3).eval()
    with torch.no_grad():  # Random weights tell nearly the same everywhere.
        for head in (network.model.head, network.model.fine_head, network.model.boundary_head):
            head.weight.mul_(20)
    network.temperature = temperature
    return network


def imagery(h: int = SIDE, w: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    rgb = np.kron(rng.integers(0, 256, (h // 8, w // 8, 3), dtype=np.uint8), np.ones((8, 8, 1), dtype=np.uint8))
    valid = np.ones((h, w), dtype=bool)
    valid[:20, :9] = False
    return rgb, valid


def of_the_model(network: SegmentationNetwork, rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(2, h, w) probabilities of one image from the transformers model itself, temperature 1."""
    pixels = (rgb / 255 - np.array(network.mean)) / np.array(network.std) * valid[..., None]
    with torch.no_grad():
        output = network.model(pixel_values=torch.from_numpy(pixels.transpose(2, 0, 1)[None]).float())
    maps = torch.cat([output.logits[:, 1:] - output.logits[:, :1], output.boundary_logits], dim=1)
    large = torch.nn.functional.interpolate(maps, size=rgb.shape[:2], mode="bilinear", align_corners=False)
    return large[0].sigmoid().numpy()


def test_a_cell_is_what_the_model_tells_of_it() -> None:
    network, (rgb, valid) = network_that_tells_boundaries(), imagery()
    layers = predict_layers(network, rgb, valid, cell_px=SIDE, halo_px=0)
    expected = of_the_model(network, rgb, valid) * 250
    assert layers.shape == (2, SIDE, SIDE) and layers.dtype == np.uint8
    assert (layers[:, ~valid] == 254).all()
    assert np.abs(layers[:, valid] - expected[:, valid]).max() <= 0.51
    assert all(np.ptp(layer[valid]) > 20 for layer in layers)
    assert np.abs(layers[0].astype(int) - layers[1])[valid].mean() > 5


def test_cropland_is_the_same_whether_boundaries_are_asked_for() -> None:
    network = network_that_tells_boundaries()
    pixels = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        both = network(pixels, with_boundaries=True)
        assert both.shape == (2, 2, SIDE, SIDE) and torch.equal(network(pixels), both[:, 0])
    rgb, valid = imagery()
    layers = predict_layers(network, rgb, valid, cell_px=SIDE, halo_px=0)
    np.testing.assert_array_equal(predict_block(network, rgb, valid, cell_px=SIDE, halo_px=0), layers[0])
    assert predict_image(network, rgb, valid).shape == rgb.shape[:2]


def test_a_temperature_is_of_cropland_alone() -> None:
    rgb, valid = imagery()
    plain, warm = (
        predict_layers(network_that_tells_boundaries(t), rgb, valid, cell_px=SIDE, halo_px=0) for t in (1.0, 3.0)
    )
    np.testing.assert_array_equal(plain[1], warm[1])
    assert (np.abs(warm[0].astype(int) - 125) <= np.abs(plain[0].astype(int) - 125))[valid].all()
    assert (plain[0] != warm[0]).any()


@pytest.mark.parametrize("architecture", ["segformer", "pidnet", "pspnet", "mask2former"])
def test_other_networks_have_one_layer_and_say_so(architecture: str) -> None:
    network, (rgb, valid) = build_segmenter(architecture, "tiny", seed=0).eval(), imagery()
    assert not network.tells_boundaries
    layers = predict_layers(network, rgb, valid, cell_px=SIDE, halo_px=0)
    np.testing.assert_array_equal(layers, predict_block(network, rgb, valid, cell_px=SIDE, halo_px=0)[None])
    with pytest.raises(ValueError, match=f"a {architecture} tells no boundaries; those that do are unet"):
        network(torch.zeros(1, 3, SIDE, SIDE), with_boundaries=True)


def test_blocks_side_by_side_share_both_layers_and_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    network, cell, blend, block = network_that_tells_boundaries(), 32, 4, 64
    halo = blended_halo_px(cell, blend)
    rgb, valid = imagery(block + 2 * halo, 2 * block + 2 * halo)
    passes: list[int] = []
    plain = inference.predict_cells
    monkeypatch.setattr(inference, "predict_cells", lambda *a: passes.append(len(a[1])) or plain(*a))

    def predict(part: slice, memory: CellMemory | None = None) -> np.ndarray:
        return predict_layers(
            network, rgb[:, part], valid[:, part],
            cell_px=cell, halo_px=halo, batch_cells=1, blend_px=blend, memory=memory,
        )  # fmt: skip

    west, east, whole = slice(0, block + 2 * halo), slice(block, None), slice(None)
    alone = [predict(part) for part in (west, east)]
    np.testing.assert_array_equal(np.concatenate(alone, axis=2), predict(whole))
    memory, before = CellMemory(100), len(passes)
    for part, expected in zip((west, east), alone, strict=True):
        np.testing.assert_array_equal(predict(part, memory), expected)
    assert len(passes) - before == 9 + 6


def bundle(folder: Path) -> Path:
    network = network_that_tells_boundaries()
    manifest = network.described(gsd_m=(1.0, 5.0), training_data="-", licence="-", temperature=2.0)
    return write_bundle(folder / "unet", network.model, manifest)


def test_openvino_tells_the_boundaries_that_torch_tells(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    folder, (rgb, valid) = bundle(tmp_path), imagery(SIDE, 2 * SIDE)
    torch_map, other = (
        predict_layers(load(folder, device="cpu", runtime=r), rgb, valid, cell_px=SIDE, halo_px=0, batch_cells=2)
        for r in ("torch", "openvino")
    )
    assert other.shape == (2, SIDE, 2 * SIDE)
    assert np.abs(torch_map.astype(int) - other).max() <= 1 < np.ptp(other[1][valid])


def test_an_exported_graph_tells_both(tmp_path: Path) -> None:
    network = load(bundle(tmp_path), device="cpu")
    assert network.temperature == 2
    export_network(network, tmp_path / "graph", "torch", (1, SIDE, SIDE))
    rgb, valid = imagery()
    with torch.no_grad():
        told = torch.export.load(tmp_path / "graph/model.pt2").module()(
            torch.from_numpy(rgb[None]), torch.from_numpy(valid[None])
        )
    layers = predict_layers(network, rgb, valid, cell_px=SIDE, halo_px=0)
    assert told.shape == (1, 2, SIDE, SIDE)
    assert np.abs(told[0].numpy() * 250 - layers)[:, valid].max() <= 0.51
