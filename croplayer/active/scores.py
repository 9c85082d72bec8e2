"""How much each window is worth a look: scores from the run's own numbers, their ranks, and the words for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.active.run_numbers import RunNumbers
from croplayer.active.tasks import task_id
from croplayer.active.windows import windows_of
from croplayer.cube.whole_blocks import Cube
from stores.columns import CROPLAND_MASK, CROPLAND_PROBABILITY, IMAGERY_VALID, RGB
from stores.grid import BlockIndex
from stores.legends import CROPLAND, INTEGRATED, NO_IMAGERY, PROBABILITY_SCALE

OUTLINE_PX = 3
"""Pixels this near to an outline of the mask are uncertain everywhere; they tell windows apart badly and do not count."""

SET_APART = 0.6
"""A window that ranks no higher in a group of scores was not chosen for it."""

COLOUR_PX = 64
"""Pixels along a window's edge that its colours are told from; more tell nothing new."""


class Score(NamedTuple):
    """One reason to look at a window."""

    name: str
    group: str
    """Scores of a group tell much the same and count together as one."""
    words: str
    """What it says, with the place of its value."""


SCORES = (
    Score("entropy", "uncertainty", "the network is unsure here (mean entropy {0:.2f} bit away from outlines)"),
    Score("margin", "uncertainty", "cropland and other land score nearly alike (1 - margin is {0:.2f})"),
    Score("turned", "turned", "turned imagery is mapped differently (by {0:.2f} on average)"),
    Score("source_disagreement", "sources", "the two sources disagree on {0:.0%} of the pixels"),
    Score("product_disagreement", "products", "other maps disagree on {0:.0%} of the block"),
    Score("doubt", "correctness", "the block's mask is judged wrong for {0:.0%} of the sources"),
    Score("unfamiliarity", "familiarity", "the imagery is unfamiliar to the network (familiarity {1:.2f})"),
    Score("rarity", "coverage", "its coverage type is that of {1:.0%} of the blocks"),
    Score("statistic", "statistic", "the mapped area of its unit is off its statistic by a factor of {2:.2f}"),
)
"""All scores; each is higher where a look is worth more. ``turned`` is known where a network looked; ``statistic`` is the absolute logarithm of mapped over official area."""
GROUPS = tuple(dict.fromkeys(score.group for score in SCORES))
NAMES = [score.name for score in SCORES]
BY_PROBABILITY = ["entropy", "margin", "source_disagreement"]
"""Scores that the probabilities and masks of a map tell."""


def candidates(numbers: RunNumbers, blocks: Sequence[int], edge: int) -> pd.DataFrame:
    """Every window of some blocks with its scores.

    Parameters
    ----------
    blocks : rows of the block table
    edge : edge of the windows, pixels

    Returns
    -------
    One row per window in raster order of blocks: id, window, unit, coverage, known (share of its pixels that are mapped),
    `NAMES` (NaN where not known) and colour_0 ... (means and standard deviations of red, green and blue of each source over the
    pixels with imagery, 0..1, NaN without any). Imagery that the map leaves out, for clouds, snow or gaps, counts nowhere: it is
    uncertain and unlike other land, and teaches nothing.
    """
    parts = []
    for row in blocks:
        block = numbers.names[row]
        usable = numbers.usable_sources(block)
        windows = windows_of(block, numbers.cube.grid, edge)
        part = pd.DataFrame(
            {"id": [task_id(w, numbers.cube.grid) for w in windows], "window": windows, "block_row": row}
        )  # fmt: skip
        part["coverage"] = numbers.coverage[row]
        for name, values in {
            **pixel_scores(numbers.cube, block, edge, usable),
            **colours(numbers.cube, block, edge, usable),
        }.items():
            part[name] = values
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table["unit"] = numbers.units_of(list(table.window))
    table["statistic"] = np.abs(np.log(table.unit.map(numbers.percent).astype(float) / 100))
    table["turned"] = np.nan
    whole = numbers.by_block.iloc[table.block_row].reset_index(drop=True)
    for name in NAMES:
        if name in whole:
            table[name] = whole[name]
    return table


def pixel_scores(cube: Cube, block: BlockIndex, edge: int, sources: Sequence[str]) -> dict[str, np.ndarray]:
    """Scores that the pixels of a block tell by some sources, for each of its windows in raster order: (k * k,) float64.

    known, entropy (0..1 bit), margin (1 - mean of ``|2 p - 1|``, 0..1), both means over the sources of the pixels that have a
    probability and lie further than `OUTLINE_PX` from an outline, and source_disagreement (share of the pixels known in both
    sources whose masks differ; the first two sources).
    """
    probabilities = [cube.read_block(CROPLAND_PROBABILITY, block, source) for source in sources]
    masks = [cube.read_block(CROPLAND_MASK, block, source) for source in sources]
    known = cube.read_block(INTEGRATED, block) < NO_IMAGERY
    return {
        "known": _window_means(known, np.ones(known.shape, bool), edge),
        **(
            probability_scores(probabilities, masks, edge)
            if sources
            else dict.fromkeys(BY_PROBABILITY, np.full((len(known) // edge) ** 2, np.nan))
        ),
    }


def probability_scores(
    probabilities: Sequence[np.ndarray], masks: Sequence[np.ndarray], edge: int, outline_px: int = OUTLINE_PX
) -> dict[str, np.ndarray]:
    """`BY_PROBABILITY` of each window of a square in raster order, as `pixel_scores` states them: (k * k,) float64.

    Parameters
    ----------
    probabilities : of each of at least one source (k * edge, k * edge) uint8, 0..250 = 0..1; larger values are flags
    masks : the flags of each source of the same shape
    outline_px : pixels so near to an outline do not count
    """
    entropy, margin = [], []
    for stored, mask in zip(probabilities, masks, strict=True):
        away = (stored <= PROBABILITY_SCALE) & ~near_outline(mask == CROPLAND, outline_px)
        entropy.append(_window_means(_ENTROPY[stored], away, edge))
        margin.append(_window_means(_MARGIN[stored], away, edge))
    scores = {
        "entropy": _known_mean(entropy),
        "margin": _known_mean(margin),
        "source_disagreement": np.full(len(entropy[0]), np.nan),
    }
    if len(masks) > 1:
        both = (masks[0] < NO_IMAGERY) & (masks[1] < NO_IMAGERY)
        scores["source_disagreement"] = _window_means(masks[0] != masks[1], both, edge)
    return scores


def colours(cube: Cube, block: BlockIndex, edge: int, sources: Sequence[str]) -> dict[str, np.ndarray]:
    """Means and standard deviations of the colours of each window of a block; see `candidates`. NaN but for some sources."""
    found: dict[str, np.ndarray] = {}
    step = max(1, edge // COLOUR_PX)
    step = step if edge % step == 0 else 1
    for source in cube.sources:
        rgb = cube.read_block(RGB, block, source)[::step, ::step]
        valid = cube.read_block(IMAGERY_VALID, block, source)[::step, ::step] & (source in sources)
        for band in range(3):
            values = rgb[..., band].astype(np.float64) / 255
            mean = _window_means(values, valid, edge // step)
            square = _window_means(values**2, valid, edge // step)
            found[f"colour_{len(found)}"] = mean
            found[f"colour_{len(found)}"] = np.sqrt(np.maximum(square - mean**2, 0))
    return found


def near_outline(cropland: np.ndarray, steps: int = OUTLINE_PX) -> np.ndarray:
    """Whether a pixel lies within some steps along rows and columns of the border between cropland and other land."""
    near = np.zeros(cropland.shape, bool)
    differs = cropland[1:] != cropland[:-1]
    near[1:] |= differs
    near[:-1] |= differs
    differs = cropland[:, 1:] != cropland[:, :-1]
    near[:, 1:] |= differs
    near[:, :-1] |= differs
    for _ in range(steps - 1):
        grown = near.copy()
        grown[1:] |= near[:-1]
        grown[:-1] |= near[1:]
        grown[:, 1:] |= near[:, :-1]
        grown[:, :-1] |= near[:, 1:]
        near = grown
    return near


def ranks(scores: pd.DataFrame) -> pd.DataFrame:
    """Share of the windows whose score is at most as high, by group of scores: 0..1, ties get their mean.

    A score that is the same everywhere, or known nowhere, tells no window from another and has no column; a window where a
    score is not known gets 0.5.
    """
    by_group: dict[str, list[pd.Series]] = {}
    for score in SCORES:
        values = scores[score.name].round(9)
        if values.nunique() > 1:
            by_group.setdefault(score.group, []).append(values.rank(pct=True).fillna(0.5))
    return pd.DataFrame({g: pd.concat(r, axis=1).mean(axis=1) for g, r in by_group.items()}, index=scores.index)


def words(scores: pd.Series, group_ranks: pd.Series, most: int = 2) -> str:
    """Why a window is worth a look: the groups of scores in which it ranks highest, as a sentence;
    that it is unlike the others where it ranks high in none.

    Parameters
    ----------
    scores : `NAMES` of one window
    group_ranks : its row of `ranks`
    """
    told: list[str] = []
    for group, rank in group_ranks.sort_values(ascending=False, kind="stable").head(most).items():
        score = next((s for s in SCORES if s.group == group and np.isfinite(scores[s.name])), None)
        if score is not None and rank > SET_APART:
            value = float(scores[score.name])
            text = score.words.format(value, 1 - value, np.exp(value)).replace("%", " %")
            told.append(f"{text}, above {min(int(100 * rank), 99)} % of the windows")
    if not told:
        return "No score sets it apart from most windows; it looks unlike the other squares that were chosen."
    text = "; ".join(told)
    return f"{text[0].upper()}{text[1:]}."


def _window_means(values: np.ndarray, counted: np.ndarray, edge: int) -> np.ndarray:
    """Mean of the counted pixels of each window of a block; NaN for a window without any: (k * k,) float64."""
    k = len(values) // edge
    shape = (k, edge, k, edge)
    number = counted.reshape(shape).sum(axis=(1, 3)).ravel()
    total = np.where(counted, values, 0).astype(np.float64).reshape(shape).sum(axis=(1, 3)).ravel()
    return np.divide(total, number, out=np.full(k * k, np.nan), where=number > 0)


def _known_mean(rows: Sequence[np.ndarray]) -> np.ndarray:
    known = ~np.isnan(rows)
    total = np.where(known, rows, 0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))


def _by_stored() -> tuple[np.ndarray, np.ndarray]:
    p = np.clip(np.arange(256) / PROBABILITY_SCALE, 0, 1)
    inner = np.clip(p, 1e-12, 1 - 1e-12)
    entropy = -inner * np.log2(inner) - (1 - inner) * np.log2(1 - inner)
    return entropy, 1 - np.abs(2 * p - 1)


_ENTROPY, _MARGIN = _by_stored()
"""Binary entropy in bit, and 1 - the margin between both classes, of each stored probability."""
