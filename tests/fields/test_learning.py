"""Rules learned from drawn fields find the parcels of ground that they never saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from croplayer.fields.learning import DrawnGround, best_iou, found_fields, learn
from croplayer.fields.rules import score_all
from croplayer.fields.separation import Ground
from stores.grid import PixelWindow


def ground(seed: int, tells_boundaries: bool = True) -> DrawnGround:
    """Parcels with noisy scores; every third has a furrow that looks a little like a boundary."""
    rng = np.random.default_rng(seed)
    side = 160
    points = rng.uniform(0, side, (14, 2))
    y, x = np.mgrid[:side, :side]
    nearest = np.argmin([(y - p) ** 2 + (x - q) ** 2 for p, q in points], axis=0)
    edge = ndimage.maximum_filter(nearest, 3) != ndimage.minimum_filter(nearest, 3)
    noise = rng.integers(0, 40, (side, side))
    furrow = (x % 25 == 0) & (nearest % 3 == 0)
    boundary = np.where(edge, 190 + noise, np.where(furrow, 100 + noise, noise)).astype(np.uint8)
    cropland = np.where(edge, 140, 240 - noise).astype(np.uint8)
    inside = nearest % 4 != 0
    rgb = np.repeat((60 + 10 * nearest)[..., None], 3, axis=2).astype(np.uint8)
    window = PixelWindow(0, 0, side, side)
    scores = Ground(window, inside, cropland, boundary if tells_boundaries else np.zeros_like(boundary), rgb)
    return DrawnGround(str(seed), scores, np.where(inside, nearest + 1, 0).astype(np.int32), 2.0)


@pytest.fixture(scope="module")
def pieces() -> list[DrawnGround]:
    return [ground(seed) for seed in range(6)]


def test_learned_rules_find_parcels_elsewhere(pieces: list[DrawnGround], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("croplayer.fields.learning.CONFIDENCE_STEPS", 200)
    pair = learn(pieces[:4], tells_boundaries=True, join_steps=200)
    again = learn(pieces[:4], tells_boundaries=True, join_steps=200)
    np.testing.assert_array_equal(pair.join.hidden, again.join.hidden)
    found = matched = drawn = 0
    sure: list[float] = []
    for piece in pieces[4:]:
        features, is_matched = found_fields(piece, pair.join)
        found, matched = found + len(features), matched + is_matched.sum()
        drawn += len(np.unique(piece.parcels)) - 1
        sure += score_all(pair.confidence, features)[is_matched].tolist()
    assert matched >= 0.8 * drawn and matched >= 0.7 * found
    assert np.mean(sure) > 0


def test_one_piece_of_drawn_ground_is_too_little(pieces: list[DrawnGround]) -> None:
    with pytest.raises(ValueError, match="1 pieces of ground have drawn fields; at least two are needed"):
        learn(pieces[:1], tells_boundaries=True)


def test_both_halves_have_drawn_fields(pieces: list[DrawnGround], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever order is drawn, ground without fields cannot make up a half of its own."""
    monkeypatch.setattr("croplayer.fields.learning.CONFIDENCE_STEPS", 2)
    empty = [replace(piece, parcels=np.zeros_like(piece.parcels)) for piece in pieces[2:4]]
    for seed in range(4):
        assert np.isfinite(
            learn([*empty, *pieces[:2]], tells_boundaries=True, seed=seed, join_steps=2).join.hidden
        ).all()


def test_drawn_fields_where_the_map_has_no_cropland_teach_nothing(pieces: list[DrawnGround]) -> None:
    bare = [replace(piece, ground=replace(piece.ground, inside=np.zeros_like(piece.ground.inside))) for piece in pieces]
    with pytest.raises(ValueError, match="no cropland that touches inside of drawn fields"):
        learn(bare[:2], tells_boundaries=True)


def test_best_iou_by_hand() -> None:
    field = np.array([[1, 1, 2, 2], [1, 1, 2, 0]], np.uint32)
    parcels = np.array([[7, 7, 0, 8], [7, 0, 0, 8]], np.int32)
    np.testing.assert_allclose(best_iou(field, 2, parcels), [0, 3 / 4, 1 / 4])
