"""Trials of how tasks are chosen: a quick learner, labelled window by window, on land whose truth is known.

The learner stands in for the training of a network, which would take days for so many rounds: boosted trees on fixed numbers of
small cells of imagery (`cell_features`), fitted anew after each batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pandas as pd
import xgboost

from croplayer.active.choosing import best_and_diverse
from croplayer.active.scores import BY_PROBABILITY, NAMES, probability_scores, ranks
from croplayer.active.windows import beside_any, places
from stores.legends import NO_IMAGERY, PROBABILITY_SCALE

PARAMETERS = {
    "objective": "binary:logistic",
    "max_depth": 4,
    "eta": 0.15,
    "min_child_weight": 4,
    "subsample": 0.7,
    "colsample_bytree": 0.5,
    "tree_method": "hist",
    "nthread": 1,
}
ROUNDS = 60
FEATURES = 32
"""Principal components of the numbers of cells that the learner is given."""
R2 = np.array([0.7548776662466927, 0.5698402909980532])
"""Steps of the R2 sequence: 1 / g and 1 / g^2 of g^3 = g + 1."""
OUTLINE_CELLS = 1
"""Cells this near to an outline of the learner's map do not count for its uncertainty."""
DIGITS = 4
"""Decimals of features; further ones depend on the machine."""


class Strategy(StrEnum):
    """How the next windows are chosen."""

    SCORES = "scores"
    """As `croplayer label next` does: uncertainty, disagreement of the sources, diversity, quotas, a share at random."""
    RANDOM = "random"
    GRID = "grid"
    """Evenly spread over the land: the next points of a low-discrepancy sequence."""


@dataclass(frozen=True)
class Pool:
    """Windows that can be labelled, or that judge."""

    table: pd.DataFrame
    """One row per window: id, window, unit, coverage, x, y (place, 0..1) and colour_0 ..."""
    features: np.ndarray
    """(n, sources, cells, f) float32, NaN for cells without imagery"""
    truth: np.ndarray
    """(n, cells) bool, cells that are mostly cropland"""
    labels: np.ndarray
    """(n, cells) bool, what the labeller says of them"""
    minutes: np.ndarray
    """(n,) float64, what labelling each window takes"""
    seen: np.ndarray
    """(n, c) float64, what windows are compared by: what the encoder sees of them; NaN for sources without imagery"""
    whole: np.ndarray
    """(n, sources, edge, edge, f) float32, all cells in their places, which scores are told from; edge 0 for windows that judge"""

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True)
class Trial:
    """How a trial goes."""

    start: int
    """Windows that are labelled first, drawn at random; the same for every strategy of a seed."""
    batch: int
    """Windows that are labelled between two fits."""
    most: int
    """Windows that are labelled at last."""
    random_share: float = 0.2
    """Share of each batch of the strategy `scores` that is drawn at random."""

    def __post_init__(self) -> None:
        if not 1 <= self.start <= self.most or self.batch < 1:
            raise ValueError(f"start {self.start}, batch {self.batch} and most {self.most} make no trial")


def principal(pool: np.ndarray, count: int = FEATURES) -> Callable[[np.ndarray], np.ndarray]:
    """Principal components of standardised features, found in the pool without its labels.

    Parameters
    ----------
    pool : (..., f) float32, NaN where there is no imagery

    Returns
    -------
    What tells the components (..., count) float32 of features (..., f)
    """
    flat = pool.reshape(-1, pool.shape[-1])
    known = flat[~np.isnan(flat).any(axis=1)].astype(np.float64)
    mean, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-6)
    scaled = (known - mean) / spread
    _, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    axes = vectors[:, ::-1][:, :count]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])

    def projected(part: np.ndarray) -> np.ndarray:
        return np.asarray((((part - mean) / spread) @ axes).round(DIGITS).astype(np.float32))

    return projected


def learning_curve(pool: Pool, judges: Pool, strategy: Strategy, trial: Trial, seed: int) -> pd.DataFrame:
    """Label windows of a pool in the order of a strategy, and judge the learner after each batch.

    Returns
    -------
    One row per fit: strategy, seed, labelled (windows), minutes (of labelling) and iou (over the cells of all judging windows),
    and worst (IoU of the unit of the judging windows in which it is lowest). The same arguments give the same table.
    """
    rng = np.random.default_rng([seed, 1])
    labelled = [int(row) for row in rng.permutation(len(pool))[: trial.start]]
    draws = np.random.default_rng([seed, 2, list(Strategy).index(strategy)])
    chance = _Chance(draws, draws.random(2), trial.random_share)
    rows = []
    while True:
        learner = _fit(pool, labelled, seed)
        iou, worst = _judged(learner, judges)
        minutes = float(pool.minutes[labelled].sum())
        rows.append((str(strategy), seed, len(labelled), minutes, iou, worst))
        count = min(trial.batch, trial.most - len(labelled), len(pool) - len(labelled))
        if count < 1:
            break
        labelled += _NEXT[strategy](pool, labelled, count, learner, chance)
    return pd.DataFrame(rows, columns=["strategy", "seed", "labelled", "minutes", "iou", "worst"])


class _Chance(NamedTuple):
    """What a strategy leaves to chance."""

    rng: np.random.Generator
    shift: np.ndarray
    """(2,) float64, where a grid begins, 0..1"""
    random_share: float


def everything_labelled(pool: Pool, judges: Pool, seed: int) -> tuple[float, float]:
    """IoU over all judging windows, and of the worst unit, of a learner that is given all labels of the pool."""
    return _judged(_fit(pool, list(range(len(pool))), seed), judges)


def _fit(pool: Pool, labelled: list[int], seed: int) -> xgboost.Booster | float:
    """A learner of the labelled windows; the share of cropland where all of it is of one class."""
    features = pool.features[labelled]
    said = np.broadcast_to(pool.labels[labelled][:, None], features.shape[:3])
    known = ~np.isnan(features).any(axis=-1)
    x, y = features[known], said[known]
    if y.all() or not y.any():
        return float(y.mean()) if len(y) else 0.0
    return xgboost.train({**PARAMETERS, "seed": seed}, xgboost.DMatrix(x, y.astype(np.float32)), ROUNDS)


def _probability(learner: xgboost.Booster | float, features: np.ndarray) -> np.ndarray:
    """Probability of cropland of cells (..., f): (...) float64, NaN without imagery."""
    known = ~np.isnan(features).any(axis=-1)
    found = np.full(known.shape, np.nan)
    found[known] = learner if isinstance(learner, float) else learner.inplace_predict(features[known])
    return found


def _judged(learner: xgboost.Booster | float, judges: Pool) -> tuple[float, float]:
    probability = _probability(learner, judges.features)
    known = ~np.isnan(probability)
    total = np.where(known, probability, 0).sum(axis=1)
    number = known.sum(axis=1)
    mapped = (total > 0.5 * number) & (number > 0)
    both = (mapped & judges.truth & (number > 0)).sum(axis=1)
    either = ((mapped | judges.truth) & (number > 0)).sum(axis=1)
    by_unit = pd.DataFrame({"both": both, "either": either}).groupby(judges.table.unit.to_numpy()).sum()
    worst = (by_unit.both / by_unit.either.where(by_unit.either > 0)).min()
    return float(both.sum() / max(either.sum(), 1)), float(worst)


def _by_scores(
    pool: Pool, labelled: list[int], count: int, learner: xgboost.Booster | float, chance: _Chance
) -> list[int]:
    if count == 1:
        # In batches of one, the share holds over the batches.
        at_random = int(chance.rng.random() < chance.random_share)
    else:
        at_random = min(count, max(round(count * chance.random_share), int(chance.random_share > 0)))
    chosen = _at_random(pool, labelled, at_random, learner, chance)
    taken = [*labelled, *chosen]
    if len(chosen) < count:
        table = _scored(pool, _probability(learner, pool.whole))
        free = np.ones(len(pool), bool)
        free[taken] = False
        where = places(list(table.window))
        free &= ~beside_any(where, where[taken])
        taken += best_and_diverse(table, ranks(table), free, taken, count - len(chosen), lambda rows: pool.seen[rows])
    # No two neighbours are chosen for their scores, so a nearly empty pool may leave too few.
    return [*taken[len(labelled) :], *_at_random(pool, taken, len(labelled) + count - len(taken), learner, chance)]


def _scored(pool: Pool, probability: np.ndarray) -> pd.DataFrame:
    """The table of the pool with the scores that a learner gives, and the rarity of coverage types; the others are not known."""
    known = ~np.isnan(probability)
    stored = np.where(known, np.rint(np.nan_to_num(probability) * PROBABILITY_SCALE), NO_IMAGERY).astype(np.uint8)
    mask = np.where(known, np.nan_to_num(probability) >= 0.5, NO_IMAGERY).astype(np.uint8)
    share = pool.table.coverage.map(pool.table.coverage.value_counts(normalize=True))
    edge = stored.shape[-1]
    told = pd.DataFrame([probability_scores(p, m, edge, OUTLINE_CELLS) for p, m in zip(stored, mask, strict=True)])
    scores = {name: np.concatenate(told[name]) for name in BY_PROBABILITY}
    return pool.table.assign(**{**dict.fromkeys(NAMES, np.nan), **scores, "rarity": 1 - share})


def _at_random(pool: Pool, labelled: list[int], count: int, learner: object, chance: _Chance) -> list[int]:
    left = np.setdiff1d(np.arange(len(pool)), labelled)
    return [int(row) for row in chance.rng.choice(left, count, replace=False)]


def _on_a_grid(pool: Pool, labelled: list[int], count: int, learner: object, chance: _Chance) -> list[int]:
    """The free windows nearest to the next points of the R2 sequence (Roberts 2018), which fills a square evenly at any length."""
    left = [int(row) for row in np.setdiff1d(np.arange(len(pool)), labelled)]
    place = pool.table[["x", "y"]].to_numpy(float)
    found: list[int] = []
    for number in range(len(labelled), len(labelled) + count):
        point = (chance.shift + number * R2) % 1
        nearest = left[int(((place[left] - point) ** 2).sum(axis=1).argmin())]
        found.append(nearest)
        left.remove(nearest)
    return found


_Next = Callable[[Pool, list[int], int, "xgboost.Booster | float", _Chance], list[int]]
_NEXT: dict[Strategy, _Next] = {Strategy.SCORES: _by_scores, Strategy.RANDOM: _at_random, Strategy.GRID: _on_a_grid}
