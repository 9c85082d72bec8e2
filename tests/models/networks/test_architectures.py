from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForSemanticSegmentation

from croplayer.models.networks.architectures import ARCHITECTURES, MODEL_CLASSES, architecture_config, sizes
from croplayer.models.networks.segmentation import build_segmenter, query_logits
from croplayer.models.training.augmentation import Batch
from croplayer.models.training.losses import boundaries, boundary_loss, training_loss

AUXILIARY = ("detail_head", "boundary_head", "auxiliary_head")


def n_parameters(architecture: str, size: str, num_labels: int, *, in_use: bool = False) -> float:
    """Millions of parameters, of the heads that predict or of all."""
    config = architecture_config(architecture, size)
    config.num_labels = num_labels
    with torch.device("meta"):
        model = MODEL_CLASSES[architecture](config)
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
    return Batch(rgb, (parcels > 0).float(), parcels, everywhere, everywhere)


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
    rows = boundaries(parcels)[0]
    assert torch.equal(rows, rows[:1].expand(12, 20))
    assert rows[0].int().tolist() == [0] * 6 + [1] * 4 + [0] * 3 + [1] * 4 + [0] * 3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_has_no_label_changes_no_loss(architecture):
    batch = painted_batch()
    labelled = batch.labelled.clone()
    labelled[:, :, 64:] = False
    other = torch.where(labelled, batch.field, 1 - batch.field)
    other_parcels = torch.where(labelled, batch.parcels, 9 - batch.parcels)
    losses = []
    for field, parcels in ((batch.field, batch.parcels), (other, other_parcels)):
        network = build_segmenter(architecture, "tiny", seed=0).eval()
        network.model.train(architecture in ("pidnet", "pspnet"))
        torch.manual_seed(0)  # dropout
        part = batch._replace(field=field, parcels=parcels, labelled=labelled & (torch.arange(128) < 50))
        losses.append(training_loss(network, part, boundary_weight=1.0).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


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
