"""The page's figures of change: errors beside each other, shifts of the places that have one."""

from __future__ import annotations

from benchmarks.change_dates import section as dates_section
from benchmarks.change_page import DRAWN, INCLUDED, LARGER, ONLY_IMAGERY, OURS, PLAIN, SHIFTS, TAUGHT, section
from croplayer.fields.matching import GONE, NEW


def figures() -> dict[str, object]:
    iou = {PLAIN: 0.2, OURS: 0.6, LARGER: 0.5} | {PLAIN + DRAWN: 0.5, OURS + DRAWN: 0.9, LARGER + DRAWN: 0.8}
    return {
        "date": "2026-01-01", "places": 2, "px": 512, "pixel_m": 1.97, "years": 8, INCLUDED: {"pixel_m": [7.0, 11.0]}, "changed share": {"gain": 0.04, "loss": 0.08},
        "gain iou, all": iou, "loss iou, all": iou, ONLY_IMAGERY: {PLAIN: 0.05, OURS: 0.001, LARGER: 0.02},
        SHIFTS: {"one": [[0.4, 0.0, 1.0], [-0.9, 0.0, 0.8]], "two": [[2.8, 0.1, 0.9], [0.2, 0.3, 1.0]]},
        "shifted": [3, 0],
        "intervals": {"gain": {"hold the truth": 189, "samples": 200, "points": 750, "half width, share": 0.4}},
    }  # fmt: skip


def test_errors_stand_beside_those_of_the_plain_difference() -> None:
    text = section(figures())
    # 0.1 of 0.5, and 0.4 of 0.8
    assert "Of drawn maps it is 20 % for gain and 20 % for loss, of the model's maps 50 % and 50 %" in text
    assert f"| {LARGER} | 0.500 | 0.500 | 2.00 % | 0.800 | 0.800 |" in text
    assert "at 2.0 m a pixel. All" in text
    assert "`landscape`, which learned at 7 to 11 m a pixel |" in text
    assert "5.0 % of the land differ between the model's two maps, and 0.10 % are called change" in text


def test_a_taught_network_has_a_row_and_columns_of_its_own() -> None:
    iou = {PLAIN: 0.5, OURS: 0.75, LARGER: 0.6}
    taught = {
        "architecture": "unet", "steps": 900, "scenes": 16, "pixel_m": [1.8, 4.0], "gain iou, all": iou, "loss iou, all": iou | {OURS: 0.8},
        ONLY_IMAGERY: {PLAIN: 0.03, OURS: 0.002, LARGER: 0.01},
    }  # fmt: skip
    text = section(figures() | {TAUGHT: taught})
    assert (
        "| made by a unet taught on such land elsewhere, 16 scenes, 900 steps, at 1.8 to 4 m a pixel | 0.500 | 0.750 | 0.500 | 0.800 |"
        in text
    )
    assert "of the model's maps 50 % and 50 %, of the taught network's maps 50 % and 40 %." in text
    assert "0.10 % are called change; of the taught network's 3.0 % and 0.20 %." in text
    assert f"| {LARGER} | 0.500 | 0.500 | 2.00 % | 0.800 | 0.800 | 0.600 | 0.600 |" in text
    assert "taught" not in section(figures())


def test_shifts_are_told_of_the_places_that_have_one() -> None:
    text = section(figures())
    assert "within 0.2 px at the 1 places that had it, with at least 90 % of the windows" in text
    assert "up to 0.9 px were measured between the days" in text
    assert "from 200 samples of 750 points, these hold the true area: of gain in 189." in text


def test_dates_are_told_pair_by_pair() -> None:
    pair = {
        "before": "2012", "after": "2014", "known_km2": 16.92, "plain_gain_km2": 3.204, "plain_loss_km2": 0.76,
        "gain_km2": 2.53, "loss_km2": 0.34, "alone": {GONE: 5, NEW: 40}, "verdict": {GONE: 1, NEW: 20},
    }  # fmt: skip
    text = dates_section([pair, pair | {"known_km2": 16.5}], "2026-01-01")
    assert "| 2012, 2014 | 3.20, 0.76 | 2.53, 0.34 | 5, 40 | 1, 20 |" in text
    assert "know 16.5 to 16.9 km²" in text
