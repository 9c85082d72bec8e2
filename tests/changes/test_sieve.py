"""Which differences are changes: width, area and unknown ground, whatever the cut."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from croplayer.changes.evidence import Seen, differences, plain_differences
from croplayer.changes.rules import ChangeRules
from croplayer.changes.sieve import large_patches, near_to, opened, sieved
from stores.grid import BlockGrid, PixelWindow
from stores.legends import WEAK_GAIN, WEAK_LOSS, Change

GRID = BlockGrid(2560)
ROW, COL = 1115 * 2560, 5880 * 2560
"""At 34.25 N a pixel is 2.17 m high and about 1.8 m wide."""


def decided(whole: np.ndarray, rules: ChangeRules, inner: PixelWindow | None = None) -> np.ndarray:
    """Changes of differences that are surrounded by ground that nobody compared."""
    place = PixelWindow(ROW, COL, *whole.shape)
    inner = inner or place
    by = rules.margins(inner, GRID).total
    around = np.full((inner.height + 2 * by, inner.width + 2 * by), Change.NEVER_COMPARED, np.uint8)
    grown = inner.grown(by)
    common = grown.common(place)
    around[common.slices_in(grown)] = whole[common.slices_in(place)]
    return sieved(around, grown, inner, GRID, rules).change


def test_a_pixel_changes_with_evidence_alone_and_unknown_never_does() -> None:
    flags = np.array([[0, 0, 1, 1, 0, 1, 254, 255, 1, 0]], np.uint8)
    after = np.array([[1, 1, 0, 0, 0, 1, 1, 1, 254, 255]], np.uint8)
    score = np.array([[10, 120, 240, 130, 5, 240, 0, 0, 250, 0]], np.uint8)
    later = np.array([[240, 130, 10, 120, 200, 130, 250, 250, 0, 250]], np.uint8)
    score, later = score[None], later[None]
    found = differences(Seen(flags, score), Seen(after, later), 0.3)
    assert found[0].tolist() == [2, 0, 3, 1, 0, 1, 254, 255, 254, 255]
    with_weak = differences(Seen(flags, score), Seen(after, later), 0.95, 0.04)
    assert with_weak[0].tolist() == [4, 4, 5, 5, 0, 1, 254, 255, 254, 255]
    assert plain_differences(flags, after)[0].tolist() == [2, 2, 3, 3, 0, 1, 254, 255, 254, 255]


def test_a_margin_that_moved_by_less_than_the_tolerance_is_no_change() -> None:
    rules = ChangeRules(margin=0, tolerance_m=10, min_area_ha=0)
    for width, stays in ((3, False), (4, False), (6, True)):
        whole = np.full((80, 80), Change.STABLE_CROPLAND, np.uint8)
        whole[20:60, 30 : 30 + width] = Change.LOSS
        found = decided(whole, rules)
        assert (found == Change.LOSS).any() == stays, width
        assert not (found[whole != Change.LOSS] == Change.LOSS).any()
        if not stays:
            assert (found == Change.STABLE_CROPLAND).all()
        else:
            # A disc does not reach into corners.
            assert (found == Change.LOSS).sum() > 0.9 * (whole == Change.LOSS).sum()


def test_patches_below_the_least_area_are_left_out() -> None:
    mask = np.zeros((100, 100), bool)
    mask[10:30, 10:30] = True  # 400 px of about 3.9 m2: 0.156 ha
    mask[50:60, 50:60] = True  # 0.039 ha
    mask[60:65, 60:65] = True  # touches it at a corner: 0.049 ha together
    assert large_patches(mask, ROW, GRID, 0.1).sum() == 400
    assert large_patches(mask, ROW, GRID, 0.045).sum() == 525
    assert large_patches(mask, ROW, GRID, 0.0).sum() == 525


def test_weak_differences_belong_to_a_core_that_is_near() -> None:
    whole = np.full((60, 120), Change.STABLE_CROPLAND, np.uint8)
    whole[20:40, 10:100] = WEAK_LOSS
    whole[20:40, 10:30] = Change.LOSS
    whole[50:58, 100:118] = WEAK_GAIN
    rules = ChangeRules(reach_m=40, tolerance_m=0, min_area_ha=0.1)
    found = decided(whole, rules)
    lost = np.flatnonzero(found[30] == Change.LOSS)
    assert (lost[0], lost[-1]) == (10, 51)  # 22 px of 1.80 m beyond the core
    assert (found[(whole == WEAK_LOSS) & (found != Change.LOSS)] == Change.STABLE_CROPLAND).all()
    assert (found[whole == WEAK_GAIN] == Change.STABLE_OTHER).all()
    assert not (decided(whole, ChangeRules(reach_m=40, tolerance_m=0, min_area_ha=0.3)) == Change.LOSS).any()


def test_unknown_ground_stays_unknown_and_lends_nothing() -> None:
    whole = np.full((60, 60), Change.STABLE_OTHER, np.uint8)
    whole[20:40, 20:23] = Change.GAIN
    whole[20:40, 23:40] = Change.UNKNOWN
    found = decided(whole, ChangeRules(margin=0, tolerance_m=10, min_area_ha=0))
    assert not (found == Change.GAIN).any()
    assert ((found == Change.UNKNOWN) == (whole == Change.UNKNOWN)).all()


@hypothesis.settings(max_examples=15)
@hypothesis.given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 4.0, 9.0]),
    st.sampled_from([0.0, 0.02, 0.2]),
    st.sampled_from([0, 9, 40]),
)
def test_no_cut_changes_a_pixel(seed: int, tolerance: float, area: float, reach: float) -> None:
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    rough = gaussian_filter(rng.standard_normal((90, 120)), (2, 4))
    levels = [rough > 0.08, rough < -0.08, rough > 0.02, rough < -0.02]
    whole = np.select(levels, [Change.GAIN, Change.LOSS, WEAK_GAIN, WEAK_LOSS], Change.STABLE_CROPLAND)
    whole[rng.random(whole.shape) < 0.002] = Change.UNKNOWN
    whole = whole.astype(np.uint8)
    rules = ChangeRules(margin=0, reach_m=reach, tolerance_m=tolerance, min_area_ha=area)
    expected = decided(whole, rules)
    y, x = int(rng.integers(1, 89)), int(rng.integers(1, 119))
    for rows in (slice(0, y), slice(y, 90)):
        for cols in (slice(0, x), slice(x, 120)):
            inner = PixelWindow(ROW + rows.start, COL + cols.start, rows.stop - rows.start, cols.stop - cols.start)
            np.testing.assert_array_equal(decided(whole, rules, inner), expected[rows, cols])


def test_an_opening_is_that_of_the_disc_across_the_edge_of_two_bands() -> None:
    from scipy.ndimage import binary_opening

    from croplayer.changes.rules import pixel_m
    from croplayer.changes.sieve import BAND_ROWS, _disc

    row = 690 * BAND_ROWS - 40
    rng = np.random.default_rng(4)
    mask = rng.random((80, 90)) < 0.9
    discs = [_disc(pixel_m(at, 1, GRID)[0][0], GRID, 4.5) for at in (row, row + 79)]
    assert np.array_equal(*discs)
    np.testing.assert_array_equal(opened(mask, row, GRID, 9.0), binary_opening(mask, discs[0]))


def test_near_ground_is_within_the_buffer() -> None:
    mask = np.zeros((61, 61), bool)
    mask[30, 30] = True
    near = near_to(mask, ROW, GRID, 20.0)
    assert near[30 - 9, 30] and not near[30 - 10, 30]  # 2.17 m high
    assert near[30, 30 + 11] and not near[30, 30 + 12]  # 1.80 m wide


def test_rules_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="margin is 2; expected a number from 0 to 1"):
        ChangeRules(margin=2)
    with pytest.raises(ValueError, match="give a smaller one"):
        ChangeRules(min_area_ha=5).margins(PixelWindow(ROW, COL, 10, 10), GRID)
