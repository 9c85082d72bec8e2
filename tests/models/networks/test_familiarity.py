from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.bundles.familiarity_file import (
    FAMILIARITY_NAME,
    LARGEST_FAMILIARITY,
    familiarity_bytes,
    familiarity_of,
    load_familiarity,
)
from croplayer.models.networks.architectures import ARCHITECTURES
from croplayer.models.networks.encoder_features import deepest_features
from croplayer.models.networks.familiarity import (
    FEWEST_SCENES,
    MOST_COMPONENTS,
    MOST_PARTS,
    Familiarity,
    describe_windows,
    fitted_normal,
    shrunk_variances,
)
from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.networks.window_features import PLAIN, places_of_windows, window_edge_px, window_features

DEEPEST = {
    "segformer": "segformer",
    "mask2former": "model.pixel_level_module.encoder",
    "pidnet": "context5",
    "pspnet": "stage4",
    "unet": "encoder",
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_encoder_alone_gives_what_it_gives_inside_of_the_network(architecture):
    network = build_segmenter(architecture, "tiny", 0).eval()
    pixels = torch.randn((2, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    seen = []
    part = network.model.get_submodule(DEEPEST[architecture])
    with torch.inference_mode():
        with part.register_forward_hook(lambda module, given, made: seen.append(made)):
            network(pixels)
        found = deepest_features(architecture, network.model, pixels)
    made = seen[0]
    made = made if isinstance(made, torch.Tensor) else made[-1] if isinstance(made, tuple | list) else made
    if not isinstance(made, torch.Tensor):
        made = made.feature_maps[-1] if "feature_maps" in made else made.last_hidden_state
    np.testing.assert_allclose(found.numpy(), made.mean(dim=(2, 3)).numpy(), rtol=1e-4, atol=1e-5)


def test_a_window_is_about_half_a_kilometre_at_the_networks_pixel():
    assert [window_edge_px(gsd) for gsd in [(2.0, 4.5), (7.0, 11.0), (1.0, 1.0), (30.0, 30.0)]] == [160, 64, 512, 64]


def test_windows_lie_apart_inside_and_on_imagery():
    valid = np.ones((500, 330), bool)
    valid[:200] = False
    places = places_of_windows(valid, 64, 3)
    assert len(places) == 6
    count = np.zeros(valid.shape, int)
    for place in places:
        assert valid[place].shape == (64, 64)
        count[place] += 1
    assert count.max() == 1 and count.sum() == 6 * 64 * 64
    assert places_of_windows(valid, 512, 3) == [] and len(places_of_windows(np.ones((64, 64), bool), 64, 3)) == 1


def test_colour_and_texture_are_those_of_the_pixels_with_imagery():
    network = build_segmenter("unet", "tiny", 0).eval()
    rgb = np.zeros((2, 64, 64, 3), np.uint8)
    rgb[0] = [51, 102, 204]
    rgb[1, :, ::2] = 255
    valid = np.ones((2, 64, 64), bool)
    valid[0, :4] = False
    rgb[0, :4] = 0
    flat, striped = window_features(network, rgb, valid)[:, :PLAIN]
    np.testing.assert_allclose(flat[:6], [0.2, 0.4, 0.8, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(striped[:6], [0.5] * 6, atol=1e-12)
    # Stripes of one pixel have all their energy at one pixel, and none once pixels are averaged.
    np.testing.assert_allclose(np.exp(striped[6:]), [1, 0], atol=2e-6)


def test_variances_are_shrunk_as_by_ledoit_and_wolf():
    """Equations of the paper, window by window, with its norm: the trace over the number of features."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 12)) * np.linspace(1, 3, 12)
    x -= x.mean(axis=0)
    covariance = x.T @ x / len(x)
    mean = np.trace(covariance) / 12
    d2 = ((covariance - mean * np.eye(12)) ** 2).sum() / 12
    b2 = min(sum(((np.outer(row, row) - covariance) ** 2).sum() / 12 for row in x) / len(x) ** 2, d2)
    expected = np.linalg.eigvalsh(b2 / d2 * mean * np.eye(12) + (1 - b2 / d2) * covariance)[::-1]
    found = shrunk_variances(x, np.linalg.svd(x, compute_uv=False) ** 2 / len(x))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def scenes_of(rng: np.random.Generator, count: int, windows: int = 9) -> list[np.ndarray]:
    """Scenes that differ from each other, and whose windows differ less."""
    return [rng.normal(size=20) * 2 + rng.normal(size=(windows, 20)) for _ in range(count)]


def test_scenes_never_seen_are_as_familiar_as_the_training_scenes_and_others_are_not():
    rng = np.random.default_rng(3)
    described = describe_windows(64, scenes_of(rng, 120))
    assert described is not None
    alike = [described.share(described.normal.distances(s).mean()) for s in scenes_of(rng, 200)]
    deciles = np.quantile(alike, [0.1, 0.5, 0.9])
    assert np.all(np.abs(deciles - [0.1, 0.5, 0.9]) < 0.15)
    foreign = [described.share(described.normal.distances(s + 8).mean()) for s in scenes_of(rng, 20)]
    further = [described.share(described.normal.distances(s + 80).mean()) for s in scenes_of(rng, 20)]
    assert max(foreign) < 1 / 120 and 0 < max(further) < min(foreign)


def test_the_distance_is_mahalanobis_where_all_directions_are_components():
    rng = np.random.default_rng(5)
    windows, others = (rng.normal(size=(n, 6)) @ np.triu(np.ones((6, 6))) + 3 for n in (4000, 9))
    found = fitted_normal(windows).distances(others)
    off = others - windows.mean(axis=0)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", off, np.linalg.inv(np.cov(windows.T)), off))
    np.testing.assert_allclose(found, expected, rtol=0.03)


def test_a_difference_where_training_windows_have_none_counts():
    rng = np.random.default_rng(5)
    windows = rng.normal(size=(300, 1)) * np.ones(6) + rng.normal(size=(300, 6)) * 0.02
    normal = fitted_normal(windows, most=1)
    along, across = np.ones((1, 6)), np.array([[1.0, -1, 1, -1, 1, -1]])
    assert normal.distances(across)[0] > 5 * normal.distances(along)[0]


def test_the_share_falls_with_the_distance_from_1_to_0():
    described = Familiarity(64, fitted_normal(np.random.default_rng(0).normal(size=(9, 3))), np.array([1.0, 2.0, 4.0]))
    shares = [described.share(d) for d in np.linspace(0, 50, 400)]
    assert shares[0] == 1 and np.all(np.diff(shares) < 0) and 0 < shares[-1] < 0.25
    assert [described.share(d) for d in (1.0, 2.0, 4.0)] == [0.75, 0.5, 0.25]
    assert np.isnan(described.share(float("nan")))


def test_few_scenes_describe_nothing_and_many_are_left_out_in_parts():
    rng = np.random.default_rng(0)
    few = scenes_of(rng, FEWEST_SCENES - 1)
    assert describe_windows(64, [*few, np.zeros((0, 0))]) is None
    many = describe_windows(64, scenes_of(rng, MOST_PARTS + 5))
    assert many is not None and len(many.scene_distances) == MOST_PARTS + 5
    assert len(many.normal.deviations) == MOST_COMPONENTS


def test_equal_windows_have_no_direction_of_no_length():
    found = fitted_normal(np.tile(np.arange(5.0), (6, 1)) + np.array([[0], [1], [0], [1], [0], [1]]))
    assert len(found.deviations) == 1 and np.isfinite(found.distances(np.arange(5.0)[None])).all()


@pytest.fixture
def described() -> Familiarity:
    found = describe_windows(64, scenes_of(np.random.default_rng(1), 10))
    assert found is not None
    return found


def test_a_description_survives_its_file(described):
    data = familiarity_bytes(described)
    again = familiarity_of(data, Path("f"))
    assert len(data) < 20_000 and familiarity_bytes(again) == data
    features = scenes_of(np.random.default_rng(2), 1)[0]
    np.testing.assert_allclose(again.normal.distances(features), described.normal.distances(features), rtol=1e-5)
    wide = replace(described, scene_distances=np.zeros(LARGEST_FAMILIARITY))
    with pytest.raises(ValueError, match="expected at most"):
        familiarity_bytes(wide)


def test_a_damaged_description_is_refused(described):
    with pytest.raises(ValueError, match="f is no description of imagery"):
        familiarity_of(familiarity_bytes(described)[:-7], Path("f"))
    for wrong in (
        replace(described, normal=replace(described.normal, deviations=np.zeros_like(described.normal.deviations))),
        replace(described, normal=replace(described.normal, mean=described.normal.mean[:-1])),
        replace(described, scene_distances=np.array([np.nan])),
        replace(described, window_px=65),
    ):
        with pytest.raises(ValueError, match="do not fit together"):
            familiarity_of(familiarity_bytes(wrong), Path("f"))


def test_a_bundle_without_a_description_knows_nothing_and_a_changed_one_is_refused(described, tmp_path):
    network = build_segmenter("segformer", "tiny", 0)
    manifest = network.described(gsd_m=(7.0, 11.0), training_data="-", licence="-")
    assert load_familiarity(write_bundle(tmp_path / "plain", network.model, manifest)) is None
    extra = {FAMILIARITY_NAME: familiarity_bytes(described)}
    folder = write_bundle(tmp_path / "described", network.model, manifest, extra)
    found = load_familiarity(folder)
    assert found is not None and familiarity_bytes(found) == extra[FAMILIARITY_NAME]
    folder = write_bundle(tmp_path / "changed", network.model, manifest, extra)
    (folder / FAMILIARITY_NAME).write_bytes(extra[FAMILIARITY_NAME][:-1] + bytes([extra[FAMILIARITY_NAME][-1] ^ 1]))
    with pytest.raises(ValueError, match="does not match its digest"):
        load_familiarity(folder)
    with pytest.raises(ValueError, match="another or a changed model"):
        load_familiarity(folder, "0" * 64)
