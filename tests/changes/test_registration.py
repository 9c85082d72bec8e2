"""The displacement between two editions' imagery."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as moved

from croplayer.changes.registration import NO_DISPLACEMENT, displacement
from stores.grid import BlockGrid, PixelWindow


def fields(seed: int, n: int = 400) -> np.ndarray:
    """Patches of colour with sharp edges, (n, n) float."""
    rough = gaussian_filter(np.random.default_rng(seed).standard_normal((n, n)), 6)
    return np.digitize(rough, np.quantile(rough, [0.2, 0.4, 0.6, 0.8])) * 40.0


def picture(grey: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


ALL = np.ones((400, 400), bool)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.0, -2.0), (0.5, 1.3)])
def test_a_shift_is_found_though_the_colours_turned(shift: tuple[float, float]) -> None:
    before = fields(1)
    noise = np.random.default_rng(2).normal(0, 4, before.shape)
    after = moved(200 - before, shift, order=1, mode="nearest") + noise
    found = displacement(picture(before), ALL, picture(after), ALL)
    assert (found.rows, found.cols) == pytest.approx(shift, abs=0.3)
    assert found.is_measured
    assert found.agreement > 0.8
    assert found.whole_px == (round(shift[0]), round(shift[1])) or 0.5 in shift


def test_the_same_imagery_is_not_displaced() -> None:
    assert displacement(picture(fields(1)), ALL, picture(fields(1)), ALL) == NO_DISPLACEMENT


def test_other_ground_is_not_measured() -> None:
    found = displacement(picture(fields(1)), ALL, picture(fields(9)), ALL)
    assert not found.is_measured
    assert found.whole_px == (0, 0)
    assert found.metres(PixelWindow(0, 0, 400, 400), BlockGrid(400)) == 0


def test_windows_with_gaps_do_not_count() -> None:
    valid = ALL.copy()
    valid[:100] = False
    found = displacement(picture(fields(1)), valid, picture(moved(fields(1), (2, 0), mode="nearest")), ALL)
    assert found.windows == 6
    assert (found.rows, found.cols) == (2.0, 0.0)
    nothing = displacement(picture(fields(1)), ~ALL, picture(fields(1) + 1), ALL)
    assert nothing.windows == 0 and not nothing.is_measured
