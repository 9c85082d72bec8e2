from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers.models.mask2former.modeling_mask2former import dice_loss, sigmoid_cross_entropy_loss

from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.training.augmentation import Batch
from croplayer.models.training.losses import training_loss
from croplayer.models.training.matching import QueryLabels, _pairwise, matching_loss, query_labels

SIDE = 64


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    parcels = torch.zeros((2, SIDE, SIDE), dtype=torch.int32)
    parcels[0, 4:30, 4:60], parcels[0, 36:60, 8:40], parcels[1, 10:50, 10:50] = 3, 7, 1
    valid = torch.ones((2, SIDE, SIDE), dtype=torch.bool)
    valid[:, :, 44:] = False
    rgb = torch.rand((2, 3, SIDE, SIDE), generator=generator)
    return Batch(rgb, (parcels > 0).float(), parcels, valid, valid, torch.zeros_like(valid))


def test_labels_under_missing_pixels_change_nothing():
    network = build_segmenter("mask2former", "tiny", 0).train()
    first = batch()
    far = torch.arange(SIDE) >= 48  # Nearer pixels decide whether the last known ones lie at a field's edge.
    parcels = torch.where(far, 9, first.parcels)
    changed = first._replace(parcels=parcels, field=torch.where(far, 1 - first.field, first.field))
    other = first._replace(parcels=torch.where(first.parcels == 3, 0, first.parcels))

    def loss(part):
        torch.manual_seed(0)
        with torch.no_grad():
            return float(training_loss(network, part, 1.0))

    assert loss(changed) == loss(first)
    assert loss(other) != loss(first)


def test_largest_fields_are_kept_and_missing_pixels_are_in_no_mask():
    data = batch()
    labels = query_labels(data.parcels, data.valid, 2, (16, 16))
    assert [len(part.classes) for part in labels] == [2, 2] and labels[0].classes.tolist() == [0, 1]
    weight = data.valid[0].float().unflatten(0, (16, 4)).unflatten(2, (16, 4)).mean((1, 3)).flatten()
    assert torch.allclose(labels[0].weight, weight)
    field = ((data.parcels[0] == 3) & data.valid[0]).float().unflatten(0, (16, 4)).unflatten(2, (16, 4)).mean((1, 3))
    assert torch.allclose(labels[0].masks[1] * labels[0].weight, field.flatten())


def test_pairs_equal_the_librarys_losses_where_nothing_is_missing():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn((3, 50), generator=generator)
    truth = (torch.rand((3, 50), generator=generator) > 0.5).float()
    entropy, dice = _pairwise(logits, QueryLabels(truth, torch.zeros(3), torch.ones(50)))
    assert float(entropy.diagonal().mean()) == pytest.approx(
        float(sigmoid_cross_entropy_loss(logits, truth, 3)), rel=1e-5
    )
    assert float(dice.diagonal().mean()) == pytest.approx(float(dice_loss(logits, truth, 3)), rel=1e-5)


def test_the_right_answer_in_any_order_has_the_smallest_loss():
    data = batch()
    labels = query_labels(data.parcels, data.valid, 5, (SIDE, SIDE))
    config = SimpleNamespace(class_weight=2.0, mask_weight=5.0, dice_weight=5.0, no_object_weight=0.1)

    def loss(order, strength=8.0):
        classes = torch.full((2, 5, 3), -strength)
        masks = torch.full((2, 5, SIDE * SIDE), -strength)
        classes[..., 2] = strength
        for i, part in enumerate(labels):
            for query, (mask, kind) in zip(order, zip(part.masks, part.classes, strict=True), strict=False):
                masks[i, query] = strength * (2 * mask - 1)
                classes[i, query, kind], classes[i, query, 2] = strength, -strength
        output = SimpleNamespace(
            class_queries_logits=classes, masks_queries_logits=masks.unflatten(2, (SIDE, SIDE)), auxiliary_logits=None
        )
        return float(matching_loss(output, labels, config))

    assert loss([0, 1, 2]) == pytest.approx(loss([4, 0, 3]), abs=1e-6) and loss([0, 1, 2]) < 0.1
    assert loss([0, 1, 2], -8.0) > 5
