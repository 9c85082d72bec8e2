"""A training that goes on from a network may keep what that network maps on imagery without a label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from shapely.geometry.base import BaseGeometry

from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.inference import predict_image
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.networks.segmentation import SegmentationNetwork, build_segmenter
from croplayer.models.training.augmentation import Batch
from croplayer.models.training.fitting import trust_of
from croplayer.models.training.losses import Kept, kept_loss, training_loss
from croplayer.models.training.scenes import LabelledScenes, RepairReport, SceneArrays
from croplayer.models.training.training import TrainingConfig, checkpoint_path, train_segmentation

TEXTS = {"training_data": "painted rectangles (synthetic)", "licence": "none"}
CONFIG = TrainingConfig(
    architecture="pidnet", steps=20, crop_px=64, batch=4, gsd_m=(2.0, 3.0), threads=1, learning_rate=3e-4
)


def test_the_loss_is_the_divergence_of_the_maps_on_the_ground_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    logits, start = (4 * torch.randn(2, 5, 7, generator=rng) for _ in range(2))
    ground = torch.rand(2, 5, 7, generator=rng) > 0.4
    coins = [torch.distributions.Bernoulli(logits=values.double()) for values in (start, logits)]
    expected = torch.distributions.kl_divergence(*coins)[ground].mean()
    assert kept_loss(logits, start, ground).item() == pytest.approx(expected.item(), rel=1e-4)
    assert kept_loss(start, start, ground).item() == 0
    assert kept_loss(logits, start, ground, 0.25).item() == pytest.approx(expected.item() / 4, rel=1e-4)
    trust = torch.rand(2, 5, 7, generator=rng)
    weighted = (torch.distributions.kl_divergence(*coins) * trust)[ground].mean()
    assert kept_loss(logits, start, ground, trust).item() == pytest.approx(weighted.item(), rel=1e-4)
    elsewhere = torch.where(ground, logits, logits + 9)
    assert torch.equal(kept_loss(elsewhere, start, ground), kept_loss(logits, start, ground))
    assert kept_loss(logits, start, torch.zeros_like(ground)).item() == 0


def half_labelled(seed: int) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    labelled = torch.zeros(2, 64, 64, dtype=torch.bool)
    labelled[0] = True
    parcels = torch.zeros(2, 64, 64, dtype=torch.int32)
    parcels[0, :, :32] = 1
    valid, mixed = torch.ones_like(labelled), torch.zeros_like(labelled)
    return Batch(torch.rand(2, 3, 64, 64, generator=rng), (parcels > 0).float(), parcels, valid, labelled, mixed)


def steady(network: SegmentationNetwork) -> None:
    """Training with all heads, but with nothing that is drawn or that depends on the batch."""
    for module in network.train().modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) or "Drop" in type(module).__name__:
            module.eval()


@pytest.mark.parametrize(
    ("architecture", "size"),
    [("segformer", "tiny"), ("mask2former", "tiny"), ("pidnet", "tiny"), ("pspnet", "tiny"), ("unet", "tiny")],
)
def test_the_start_itself_loses_nothing_and_another_network_does(architecture: str, size: str) -> None:
    network, start, other = (build_segmenter(architecture, size, seed) for seed in (0, 0, 1))
    steady(network)
    start.eval(), other.eval()
    batch = half_labelled(0)
    plain, same, far, farther = (
        training_loss(network, batch, 1.0, kept).item()
        for kept in (None, Kept(start, 5.0), Kept(other, 1.0), Kept(other, 2.0))
    )
    assert same == pytest.approx(plain, abs=1e-5)
    assert far > plain + 1e-4 and farther - plain == pytest.approx(2 * (far - plain), rel=1e-2)
    everywhere = batch._replace(labelled=batch.valid)
    assert training_loss(network, everywhere, 1.0, Kept(other, 1.0)).item() == pytest.approx(
        training_loss(network, everywhere, 1.0).item(), abs=1e-6
    )


@dataclass(frozen=True)
class Shown:
    """A scene that is not on disk."""

    name: str
    arrays: SceneArrays
    gsd_m: float = 2.5
    polygons: tuple[BaseGeometry, ...] = ()

    def read(self) -> SceneArrays:
        return self.arrays


def shown(*scenes: Shown) -> LabelledScenes:
    return LabelledScenes(scenes, RepairReport((), ()))


def unlabelled(scenes: LabelledScenes, numbers: range) -> LabelledScenes:
    every = [scenes.read_all()[number] for number in numbers]
    without = [a._replace(parcels=np.zeros_like(a.parcels), labelled=np.zeros_like(a.labelled)) for a in every]
    return shown(*(Shown(f"other {number:03d}", arrays) for number, arrays in zip(numbers, without, strict=True)))


def all_field(scenes: LabelledScenes) -> LabelledScenes:
    """Land of other colours, nearly all of it field: a network that learns from it alone forgets what other land is."""
    arrays = scenes.read_all()[0]
    parcels = np.ones_like(arrays.parcels)
    parcels[:4] = 0
    return shown(Shown("swapped", arrays._replace(rgb=np.ascontiguousarray(arrays.rgb[..., ::-1]), parcels=parcels)))


def test_a_start_is_trusted_as_far_as_the_labels_find_it_right(start: Path, painted_scenes: LabelledScenes) -> None:
    network = load_segmenter(start, device="cpu")
    arrays = painted_scenes.read_all()[1]
    says = predict_image(network, arrays.rgb, arrays.valid) >= 125
    inside = np.zeros_like(says)
    inside[:40] = True
    truth = says.copy()
    truth[:, ::4] = ~truth[:, ::4]  # it errs on a quarter of each side
    labelled = arrays._replace(parcels=truth.astype(np.int32), labelled=inside)
    expected = [
        ((says == side) & (truth == side) & inside).sum() / max(((says == side) & inside).sum(), 1) for side in (0, 1)
    ]
    found = trust_of(network, shown(Shown("a", labelled), Shown("a again", labelled)))
    assert found == pytest.approx(expected, abs=0.02) and all(says[:40].mean() not in (0, 1) for _ in found)
    unknown = arrays._replace(labelled=np.zeros_like(inside))
    assert trust_of(network, shown(Shown("a", unknown))) == (0.5, 0.5)


def test_the_side_that_is_not_trusted_costs_nothing() -> None:
    network, other = (build_segmenter("pidnet", "tiny", seed) for seed in (0, 1))
    steady(network)
    other.eval()
    batch = half_labelled(0)
    plain = training_loss(network, batch, 1.0).item()
    both, sure, field, none = (
        training_loss(network, batch, 1.0, Kept(other, 1.0, trust)).item() - plain
        for trust in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))
    )
    assert none == pytest.approx(0, abs=1e-6) and both > 0 and sure + field == pytest.approx(both, rel=1e-3)


@pytest.fixture(scope="module")
def start(painted_scenes: LabelledScenes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    return train_segmentation(
        painted_scenes, replace(CONFIG, steps=60, learning_rate=2e-3), folder / "start", work=folder, **TEXTS
    )


def probabilities(model: Path, scenes: LabelledScenes) -> np.ndarray:
    network = load_segmenter(model, device="cpu")
    return np.array([predict_image(network, arrays.rgb, arrays.valid) for arrays in scenes.read_all()]) / 250.0


def test_labels_of_one_kind_of_land_leave_the_map_of_other_land_as_it_was(
    start: Path, painted_scenes: LabelledScenes, tmp_path: Path
) -> None:
    seen, unseen = unlabelled(painted_scenes, range(1, 4)), unlabelled(painted_scenes, range(4, len(painted_scenes)))
    before = probabilities(start, unseen)
    moved, made = [], []
    for keep in (0.0, 30.0):  # its labels say that the start is mostly wrong, so it is hardly trusted
        config = replace(CONFIG, start=str(start), keep=keep, keeps_statistics=True)
        work = tmp_path / str(keep)
        model = train_segmentation(
            all_field(painted_scenes), config, work / "model", work=work, unlabelled=seen if keep else None, **TEXTS
        )
        moved.append(float(np.abs(probabilities(model, unseen) - before).mean()))
        made.append(model)
        assert read_manifest(model).recipe.get("keep", 0.0) == keep
        assert not set(seen.names) & read_manifest(model).seen_scenes
    assert moved[1] < 0.5 * moved[0]
    again = train_segmentation(
        all_field(painted_scenes), config, tmp_path / "again", work=tmp_path / "w", unlabelled=seen, **TEXTS
    )
    assert (again / "model.safetensors").read_bytes() == (made[1] / "model.safetensors").read_bytes()


def test_other_pictures_without_a_label_are_another_training(painted_scenes: LabelledScenes, tmp_path: Path) -> None:
    some, others = (unlabelled(painted_scenes, numbers) for numbers in (range(2), range(1, 3)))
    paths = {checkpoint_path(tmp_path, CONFIG, painted_scenes, unlabelled=part) for part in (None, some, others)}
    assert len(paths) == 3


def test_a_start_that_maps_nothing_cannot_be_kept(painted_scenes: LabelledScenes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'random' maps nothing that a training could keep; start from a bundle"):
        train_segmentation(painted_scenes, replace(CONFIG, keep=1.0), tmp_path / "m", work=tmp_path, **TEXTS)
    with pytest.raises(ValueError, match="'keep' is -1; expected 0 or more"):
        replace(CONFIG, keep=-1)
