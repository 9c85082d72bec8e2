"""Overviews: shares counted pixel by pixel, what is unknown stays unknown, and the way to a level does not matter."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from croplayer.measures.overviews import Overview, coarser_overview, first_overview


def masks_and_imagery(rng: np.random.Generator, edge: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A map and two sources with speckle, whole squares without imagery and never processed, and lone known pixels."""
    masks = rng.choice(np.array([0, 1, 254, 255], np.uint8), (3, edge, edge), p=(0.45, 0.35, 0.1, 0.1))
    masks[:, :16, :16] = 254
    masks[:, :16, 16:32] = 255
    masks[:, 16:32, :16] = 255
    masks[:, 17, 3] = 1
    masks[:, 40, 40:] = 1
    masks[1, 32:, 32:] = 0
    return masks, rng.integers(0, 256, (2, edge, edge, 3), np.uint8)


def half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


def plain(masks: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of every coarser pixel, counted one after the other in fractions."""
    n = masks.shape[1] // factor
    fraction, share = np.zeros((len(masks), n, n), np.uint8), np.zeros((len(masks), n, n), np.uint8)
    for m, i, j in np.ndindex(fraction.shape):
        below = masks[m, i * factor : (i + 1) * factor, j * factor : (j + 1) * factor].ravel().tolist()
        known = [value for value in below if value < 2]
        if known:
            fraction[m, i, j] = half_up(Fraction(250 * sum(known), len(known)))
            least, most = (0, 250) if len(known) == len(below) else (1, 249)
            share[m, i, j] = min(max(half_up(Fraction(250 * len(known), len(below))), least), most)
        else:
            fraction[m, i, j] = 254 if 254 in below else 255
    return fraction, share


def level(first: Overview, factor: int) -> Overview:
    return first if factor == 4 else coarser_overview(first, factor // 4)


@pytest.mark.parametrize("factor", [4, 16, 32, 64])
def test_shares_are_those_of_the_pixels_themselves(factor: int) -> None:
    masks, rgb = masks_and_imagery(np.random.default_rng(factor))
    found = level(first_overview(masks, rgb), factor)
    fraction, share = plain(masks, factor)
    np.testing.assert_array_equal(found.area_fraction, fraction)
    np.testing.assert_array_equal(found.known_fraction, share)


def test_bytes_of_the_first_level_tell_every_count() -> None:
    """All pairs of cropland and known pixels among sixteen come back from the two bytes."""
    pairs = [(crop, known) for known in range(17) for crop in range(known + 1)]
    squares = np.full((1, 4, 4 * len(pairs)), 254, np.uint8)
    for place, (crop, known) in enumerate(pairs):
        square = np.array([1] * crop + [0] * (known - crop) + [254] * (16 - known), np.uint8)
        squares[0, :, 4 * place : 4 * place + 4] = square.reshape(4, 4)
    first = first_overview(squares, np.zeros((0, *squares.shape[1:], 3), np.uint8))
    fraction, known_share = first.area_fraction[0, 0].astype(float), first.known_fraction[0, 0].astype(float)
    known = np.rint(known_share * 16 / 250)
    crop = np.rint(np.where(known > 0, fraction, 0) * known / 250)
    assert list(zip(crop.tolist(), known.tolist(), strict=True)) == pairs


@pytest.mark.parametrize("factor", [4, 16, 64])
def test_unknown_is_never_a_share(factor: int) -> None:
    """A pixel without anything known is a flag, and one with a single known pixel is neither unknown nor all known."""
    masks = np.full((2, 128, 64), 255, np.uint8)
    masks[0, :64], masks[0, 63, 63], masks[1, 64:] = 254, 0, 1
    found = level(first_overview(masks, np.full((1, 128, 64, 3), 200, np.uint8)), factor)
    half = 64 // factor
    known = found.known_fraction > 0
    assert (found.area_fraction[~known] >= 254).all()
    assert (found.area_fraction[known] <= 250).all()
    assert found.area_fraction[0, half - 1, -1] == 0
    assert 0 < found.known_fraction[0, half - 1, -1] < 250
    assert (found.area_fraction[0, half:] == 255).all()
    assert (found.area_fraction[1, half:] == 250).all()
    assert (found.known_fraction[1, half:] == 250).all()
    assert (found.rgb[0, :half] == 0).all()
    assert (found.rgb[0, half:] == 200).all()


@pytest.mark.parametrize("factor", [4, 16, 64])
def test_imagery_is_the_mean_of_what_the_source_knows(factor: int) -> None:
    masks, rgb = masks_and_imagery(np.random.default_rng(9))
    rgb[:, masks[1] >= 254] = 255
    found = level(first_overview(masks, rgb), factor).rgb.astype(float)
    for source, i, j in np.ndindex(found.shape[:3]):
        at = np.s_[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
        known = masks[1 + source][at] < 254
        mean = rgb[source][at][known].mean(axis=0) if known.any() else np.zeros(3)
        # One rounding at factor 4, and one more above.
        assert np.abs(found[source, i, j] - mean).max() <= (0.5 if factor == 4 else 1.0) + 1e-9


def test_parts_that_are_cut_at_coarse_pixels_give_the_same_bytes() -> None:
    masks, rgb = masks_and_imagery(np.random.default_rng(3), 128)
    whole = coarser_overview(first_overview(masks, rgb), 16)
    for i, j in np.ndindex(2, 2):
        at = np.s_[:, i * 64 : (i + 1) * 64, j * 64 : (j + 1) * 64]
        part = coarser_overview(first_overview(masks[at], rgb[at]), 16)
        for name in Overview._fields:
            np.testing.assert_array_equal(getattr(part, name)[:, 0, 0], getattr(whole, name)[:, i, j])


def test_edges_that_a_factor_does_not_divide_are_refused() -> None:
    masks, rgb = np.zeros((2, 24, 24), np.uint8), np.zeros((1, 24, 24, 3), np.uint8)
    with pytest.raises(ValueError, match="24 x 22 pixels cannot be cut into squares of 4"):
        first_overview(masks[:, :, :22], rgb[:, :, :22])
    with pytest.raises(ValueError, match="6 x 6 pixels cannot be cut into squares of 4"):
        coarser_overview(first_overview(masks, rgb), 4)
