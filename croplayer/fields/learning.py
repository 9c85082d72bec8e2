"""Learn from drawn fields which basins to join, and how often a field found is a field drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from croplayer.fields.rules import CONFIDENCE_FEATURES, LearnedPair
from croplayer.fields.separation import Ground, basin_graph
from croplayer.fields.whole import field_features
from croplayer.kernels.basins import regions_of_equal
from croplayer.kernels.joining import FEATURES, ScoreRule, Touching, history, joined
from croplayer.kernels.majorities import Shares, judge_merges, shares
from croplayer.kernels.overlaps import overlaps
from croplayer.kernels.pieces import piece_sums

ROUNDS = 3
"""A rule is learned from the pairs that the one before it would join."""
JOIN_UNITS, CONFIDENCE_UNITS = 16, 8
JOIN_STEPS, CONFIDENCE_STEPS = 4000, 1000
SMALLEST_M2 = 250.0
"""Smaller fields found teach no confidence: most are noise along the edges of others."""


@dataclass(frozen=True)
class DrawnGround:
    """A piece of ground whose fields were drawn."""

    name: str
    ground: Ground
    parcels: np.ndarray
    """(h, w) int32 number of the drawn field, 0 outside of all"""
    pixel_m: float
    """Edge of a pixel in metres."""


def first_rule(tells_boundaries: bool) -> ScoreRule:
    """The rule that a learning starts from: pairs in the order of the boundary, or the missing cropland, between them."""
    hidden = np.zeros((1, len(FEATURES)))
    name = "line_boundary" if tells_boundaries else "line_cropland"
    hidden[0, FEATURES.index(name)] = 1 if tells_boundaries else -1
    return ScoreRule(hidden, np.array([2.0]), np.array([-1.0]), 0.0)


def learn(
    drawn: Sequence[DrawnGround], tells_boundaries: bool, seed: int = 0, join_steps: int = JOIN_STEPS
) -> LearnedPair:
    """Both rules from some drawn ground; the same input gives the same rules on one machine.

    ``join_steps`` are the steps of each learning of the joins.

    The confidence is learned from fields that a rule found which did not learn from them: of two halves of the ground each
    is separated with the rule of the other. Raises ValueError for less than two pieces of ground with drawn fields, or where the map has no cropland in
    them.
    """
    has_fields = np.array([piece.parcels.any() for piece in drawn], bool)
    if has_fields.sum() < 2:
        raise ValueError(f"{has_fields.sum()} pieces of ground have drawn fields; at least two are needed")
    prepared = [_prepared(piece) for piece in drawn]
    order = np.random.default_rng(seed).permutation(len(drawn))
    order = order[np.argsort(~has_fields[order], kind="stable")]  # so that both halves have drawn fields
    halves = [order[::2], order[1::2]]
    features, matched = [], []
    for judged, learned in (halves, halves[::-1]):
        rule = _learn_join([prepared[k] for k in learned], tells_boundaries, seed, join_steps)
        for k in judged:
            found, is_matched = found_fields(drawn[k], rule)
            features.append(found)
            matched.append(is_matched)
    confidence = _fitted(
        np.concatenate(features), np.concatenate(matched), None, CONFIDENCE_UNITS, CONFIDENCE_STEPS, seed, 0.1
    )
    assert confidence.hidden.shape[1] == len(CONFIDENCE_FEATURES)
    return LearnedPair(_learn_join(prepared, tells_boundaries, seed, join_steps), confidence)


class FoundFields(NamedTuple):
    """The fields that a rule finds in one piece of ground."""

    labels: np.ndarray
    """(h, w) uint32 number of the field, from 1, 0 for none"""
    measures: np.ndarray
    """(n, 2) float64, `kernels.pieces.PIECE_MEASURES`"""
    features: np.ndarray
    """(n, 10) float64, `rules.CONFIDENCE_FEATURES`"""


def measured_fields(piece: DrawnGround, rule: ScoreRule) -> FoundFields:
    """The fields found in drawn ground; what lies beyond the ground counts for nothing."""
    basin_labels, graph = basin_graph(piece.ground, piece.ground.window.height)
    labels, count = regions_of_equal(joined(graph, rule, piece.pixel_m, 0.0)[basin_labels])
    h = len(labels)
    m2, m = np.full(h, piece.pixel_m**2), np.full(h + 1, piece.pixel_m)
    ground = piece.ground
    sums, measures, _ = piece_sums(
        labels,
        count,
        ground.cropland,
        ground.boundary,
        np.zeros_like(ground.inside),
        np.ones_like(ground.inside),
        m2,
        m,
        m[1:],
    )
    return FoundFields(labels, measures[1:], field_features(sums[1:], measures[1:]))


def found_fields(piece: DrawnGround, rule: ScoreRule) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 10) of the fields found in drawn ground, and whether each matches a drawn one at IoU 0.5, (n,) bool."""
    labels, measures, features = measured_fields(piece, rule)
    keep = measures[:, 0] >= SMALLEST_M2
    return features[keep], best_iou(labels, len(measures), piece.parcels)[1:][keep] >= 0.5


def best_iou(field: np.ndarray, count: int, parcels: np.ndarray) -> np.ndarray:
    """Largest intersection over union of each field found with any drawn one: (count + 1,) float64."""
    pairs = overlaps(field, parcels, np.ones(len(field)))
    of_field, of_parcel, pixels = pairs.first, pairs.second, pairs.pixels
    found = np.bincount(of_field, pixels, count + 1)
    drawn = np.bincount(of_parcel, pixels)
    iou = np.where((of_field > 0) & (of_parcel > 0), pixels / (found[of_field] + drawn[of_parcel] - pixels), 0.0)
    best = np.zeros(count + 1)
    np.maximum.at(best, of_field, iou)
    return best


@dataclass(frozen=True)
class _Prepared:
    """The basins of one piece of ground and what they share with drawn fields."""

    graph: Touching
    shared: Shares
    pixel_m: float


def _prepared(piece: DrawnGround) -> _Prepared:
    labels, graph = basin_graph(piece.ground, piece.ground.window.height)
    return _Prepared(graph, shares(labels, len(graph.regions) - 1, piece.parcels), piece.pixel_m)


def _learn_join(prepared: Sequence[_Prepared], tells_boundaries: bool, seed: int, steps: int) -> ScoreRule:
    rule, seen = first_rule(tells_boundaries), []
    for _ in range(ROUNDS):
        for piece in prepared:
            merges, features = history(piece.graph, rule, piece.pixel_m)
            is_one, weight = judge_merges(merges, piece.shared)
            told = weight > 0
            seen.append((features[told], is_one[told], np.sqrt(weight[told])))
        x, y, w = (np.concatenate([part[k] for part in seen]) for k in range(3))
        if not len(x):
            raise ValueError(
                "the map has no cropland that touches inside of drawn fields; there is nothing to learn from"
            )
        rule = _fitted(x, y, w, JOIN_UNITS, steps, seed, 0.01)
    return rule


def _fitted(
    features: np.ndarray,
    is_true: np.ndarray,
    weight: np.ndarray | None,
    units: int,
    steps: int,
    seed: int,
    decay: float,
) -> ScoreRule:
    """A network of one hidden layer, trained with AdamW on the weighted cross entropy of standardised features."""
    import torch
    from torch.nn import functional

    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    x = torch.from_numpy(((features - mean) / scale).astype(np.float32))
    y = torch.from_numpy(is_true.astype(np.float32))
    w = torch.ones(len(y)) if weight is None else torch.from_numpy((weight / weight.mean()).astype(np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden, out = torch.nn.Linear(x.shape[1], units), torch.nn.Linear(units, 1)
        parameters = [*hidden.parameters(), *out.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=1e-2, weight_decay=decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
        for _ in range(steps):
            row = torch.randint(len(x), (min(4096, len(x)),))
            logits = out(functional.relu(hidden(x[row])))[:, 0]
            loss = (functional.binary_cross_entropy_with_logits(logits, y[row], reduction="none") * w[row]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    weights = hidden.weight.detach().numpy().astype(np.float64) / scale
    shift = hidden.bias.detach().numpy().astype(np.float64) - weights @ mean
    return ScoreRule(weights, shift, out.weight.detach().numpy()[0].astype(np.float64), float(out.bias.detach()))
