from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from transformers import AutoConfig, AutoModelForSemanticSegmentation

from croplayer.models.networks.architectures import ARCHITECTURES, architecture_config, model_class, sizes
from croplayer.models.networks.queries import query_logits
from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.training.augmentation import Batch
from croplayer.models.training.losses import (
    boundaries,
    boundary_loss,
    boundary_weights,
    grounds,
    mask_loss,
    training_loss,
)

AUXILIARY = ("detail_head", "boundary_head", "auxiliary_head")


def n_parameters(architecture: str, size: str, num_labels: int, *, in_use: bool = False) -> float:
    """Millions of parameters, of the heads that predict or of all."""
    config = architecture_config(architecture, size)
    config.num_labels = num_labels
    with torch.device("meta"):
        model = model_class(architecture)(config)
    return sum(p.numel() for n, p in model.named_parameters() if not (in_use and n.startswith(AUXILIARY))) / 1e6


@pytest.mark.parametrize(
    ("architecture", "size", "num_labels", "in_use", "published"),
    [
        ("pidnet", "s", 19, True, 7.6),
        ("pidnet", "m", 19, True, 34.4),
        ("pidnet", "l", 19, True, 36.9),
        ("pspnet", "resnet-50", 19, False, 48.97),
        ("pspnet", "resnet-101", 19, False, 67.97),
        ("segformer", "b0", 150, False, 3.8),
        ("segformer", "b1", 150, False, 13.7),
        ("segformer", "b5", 150, False, 84.7),
        ("mask2former", "swin-tiny", 150, False, 47.4),
    ],
)
def test_parameter_counts_are_the_published_ones(architecture, size, num_labels, in_use, published):
    assert n_parameters(architecture, size, num_labels, in_use=in_use) == pytest.approx(published, abs=0.05)


def test_tiny_sizes_are_below_a_million():
    assert all(n_parameters(a, "tiny", 2) < 1.1 for a in ARCHITECTURES)


def test_the_lite_pyramid_does_not_depend_on_the_size_of_the_image():
    """A map of one value everywhere has that value as its means, whatever its size; the paper's network counts zeros."""
    found = {}
    for size in ("s", "lite"):
        pidnet = build_segmenter("pidnet", size, 0).eval().model
        inputs = torch.full((1, 16 * pidnet.config.width, 9, 9), 0.5)
        small = torch.cat([pool[0](inputs[..., :4, :4]).flatten() for pool in pidnet.pyramid.pools])
        large = torch.cat([pool[0](inputs).flatten() for pool in pidnet.pyramid.pools])
        found[size] = [bool((means == 0.5).all()) for means in (small, large)]
    assert found == {"s": [False, False], "lite": [True, True]}


def painted_batch(size: int = 128) -> Batch:
    generator = torch.Generator().manual_seed(0)
    parcels = torch.zeros((2, size, size), dtype=torch.int32)
    parcels[:, 10:60, 10:60], parcels[:, 70:110, 20:100] = 1, 2
    rgb = torch.rand((2, 3, size, size), generator=generator) * 0.2 + 0.6 * (parcels > 0)[:, None]
    everywhere = torch.ones_like(parcels, dtype=torch.bool)
    return Batch(rgb, (parcels > 0).float(), parcels, everywhere, everywhere, ~everywhere)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_learns(architecture):
    network = build_segmenter(architecture, "tiny", seed=0).train()
    training_loss(network, painted_batch(), boundary_weight=1.0).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    unused_by_the_library = "model.model.pixel_level_module.encoder.swin.layernorm."
    assert [name for name in without if not name.startswith(unused_by_the_library)] == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_face_for_all(architecture):
    network = build_segmenter(architecture, "tiny", seed=0).eval()
    with torch.no_grad():
        logits = network(torch.randn((2, 3, 96, 64), generator=torch.Generator().manual_seed(0)))
    assert logits.shape == (2, 96, 64) and logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_come_from_the_seed_alone(architecture):
    one = build_segmenter(architecture, "tiny", seed=1).state_dict()
    torch.rand(3)
    same = build_segmenter(architecture, "tiny", seed=1).state_dict()
    other = build_segmenter(architecture, "tiny", seed=2).state_dict()
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("architecture", ["pidnet", "pspnet", "unet"])
def test_own_architectures_go_through_the_auto_classes(architecture, tmp_path):
    model = build_segmenter(architecture, "tiny", seed=1).model.eval()
    model.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.model_type == architecture and config.id2label == {0: "not cropland", 1: "cropland"}
    again = AutoModelForSemanticSegmentation.from_pretrained(tmp_path).eval()
    pixels = torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        # Loaded weights lie in the file's own memory, and a CPU may add up in another order there: as weights of a
        # network in ordinary memory they must give the same bits.
        fresh = build_segmenter(architecture, "tiny", seed=2).model.eval()
        fresh.load_state_dict(again.state_dict())
        assert torch.equal(model(pixels).logits, fresh(pixels).logits)
        torch.testing.assert_close(again(pixels).logits, model(pixels).logits, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("architecture", "size"), [("pidnet", "s"), ("pidnet", "l"), ("pspnet", "resnet-18")])
def test_own_architectures_answer_at_an_eighth(architecture, size):
    model = build_segmenter(architecture, size, seed=0).model.eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 96, 128)).logits.shape == (1, 2, 12, 16)


def test_query_map_by_hand():
    class Output:
        class_queries_logits = torch.log(torch.tensor([[[0.2, 0.7, 0.1], [0.6, 0.1, 0.3]]]))
        masks_queries_logits = torch.logit(torch.tensor([[[[0.9]], [[0.4]]]]))

    cropland, other = 0.7 * 0.9 + 0.1 * 0.4, 0.2 * 0.9 + 0.6 * 0.4
    assert query_logits(Output()).sigmoid().item() == pytest.approx(cropland / (cropland + other), abs=1e-5)


def test_two_fields_that_touch_have_a_boundary_and_one_field_has_none_inside():
    parcels = torch.zeros((1, 12, 20), dtype=torch.int32)
    parcels[0, :, :8], parcels[0, :, 8:15] = 3, 7
    rows = boundaries(parcels, torch.ones((1, 1, 12, 20), dtype=torch.bool))[0]
    assert torch.equal(rows, rows[:1].expand(12, 20))
    assert rows[0].int().tolist() == [0] * 6 + [1] * 4 + [0] * 3 + [1] * 4 + [0] * 3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_has_no_label_changes_no_loss(architecture):
    batch = painted_batch()
    labelled = batch.labelled.clone()
    labelled[:, :, 50:] = False
    other = torch.where(labelled, batch.field, 1 - batch.field)
    other_parcels = torch.where(labelled, batch.parcels, 9 - batch.parcels)
    losses = []
    for field, parcels in ((batch.field, batch.parcels), (other, other_parcels)):
        network = build_segmenter(architecture, "tiny", seed=0).eval()
        network.model.train(architecture in ("pidnet", "pspnet"))
        torch.manual_seed(0)  # dropout
        part = batch._replace(field=field, parcels=parcels, labelled=labelled)
        losses.append(training_loss(network, part, boundary_weight=1.0).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def seam_batch() -> Batch:
    """One field over a whole window; imagery ends on the right, and a rectangle of bare ground is mixed in."""
    batch = painted_batch(64)
    parcels, labelled, mixed = torch.ones((2, 64, 64), dtype=torch.int32), batch.labelled.clone(), batch.mixed.clone()
    labelled[:, :, 50:], mixed[:, 20:40, 10:30] = False, True
    parcels[mixed | ~labelled] = 0
    rgb = torch.full_like(batch.rgb, 0.5)
    return batch._replace(
        rgb=rgb, field=(parcels > 0).float(), parcels=parcels, valid=labelled, labelled=labelled, mixed=mixed
    )


def test_edges_of_imagery_and_of_mixed_rectangles_are_no_boundaries():
    batch = seam_batch()
    ground = grounds(batch)
    assert not boundaries(batch.parcels, ground).any()
    assert (boundary_weights(batch.field, 3.0, ground) == 1).all()
    # A path across the window and the rectangle is a boundary in each of them.
    parcels = batch.parcels + batch.mixed.int() * 5
    parcels[:, 30] = 0
    for found in (
        boundaries(parcels, ground),
        boundary_weights((parcels > 0).float(), 1.0, ground) - 1,
    ):
        rows = found.any(2).nonzero()[:, 1].unique().tolist()
        assert rows == [*range(min(rows), max(rows) + 1)] and min(rows) < 29 and max(rows) > 31
        expected = torch.zeros_like(batch.labelled)
        expected[:, min(rows) : max(rows) + 1, :50] = True
        assert torch.equal(found.bool(), expected)


def test_a_whole_window_of_labels_has_the_edges_it_always_had():
    """Pixels whose square of 7 px holds field and other land, and those whose square of 5 px holds two numbers."""
    batch = painted_batch(96)
    ground = grounds(batch)
    parcels = batch.parcels[0].numpy()
    inside = (parcels > 0).astype(np.uint8)
    both = ndimage.maximum_filter(inside, 7, mode="nearest") != ndimage.minimum_filter(inside, 7, mode="nearest")
    np.testing.assert_array_equal(boundary_weights(batch.field, 1.0, ground)[0].numpy() > 1, both)
    two = ndimage.maximum_filter(parcels, 5, mode="nearest") != ndimage.minimum_filter(parcels, 5, mode="nearest")
    np.testing.assert_array_equal(boundaries(batch.parcels, ground)[0].numpy() > 0, two)


@pytest.mark.parametrize("architecture", ["unet", "pidnet"])
def test_a_network_that_sees_no_boundary_at_a_seam_is_right(architecture):
    batch = seam_batch()
    seams = boundaries(batch.parcels, torch.ones((1, 2, 64, 64), dtype=torch.bool)) * batch.labelled
    assert seams.any()
    none, at_seams = torch.full_like(batch.field, -9.0), torch.where(seams > 0, 9.0, -9.0)
    if architecture == "pidnet":
        losses = [boundary_loss(edges, torch.zeros_like(none), batch) for edges in (none, at_seams)]
    else:
        truth = boundaries(batch.parcels, grounds(batch))
        losses = [mask_loss(edges, truth, batch.labelled.float()) for edges in (none, at_seams)]
    assert losses[0] < losses[1]


def test_boundary_loss_prefers_the_boundary():
    batch = painted_batch()
    sure = torch.where(batch.field > 0, 9.0, -9.0)
    edge = torch.full_like(sure, -9.0)
    for y, x in ((10, 10), (10, 59), (59, 10)):
        edge[:, y - 3 : y + 3, 10:60] = 9.0
        edge[:, 10:60, x - 3 : x + 3] = 9.0
    assert boundary_loss(edge, sure, batch) < boundary_loss(-edge, sure, batch)
    assert boundary_loss(edge, sure, batch) < boundary_loss(edge, -sure, batch)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="expected one of segformer, mask2former, pidnet, pspnet"):
        build_segmenter("fcn", "tiny", seed=0)
    with pytest.raises(ValueError, match="expected one of tiny, lite, s, m, l"):
        build_segmenter("pidnet", "xl", seed=0)
    assert sizes("pidnet") == ("tiny", "lite", "s", "m", "l")
