"""Choose the windows that people look at next: for what they teach, different from each other, and some at random."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.active.held_out import block_of, check_share, held_out_blocks
from croplayer.active.newer_map import NewerMap
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.scores import BY_PROBABILITY, NAMES, candidates, ranks, words
from croplayer.active.tasks import ChosenBy, Task
from croplayer.active.windows import beside_any, places, windows_of
from croplayer.cube.whole_blocks import Cube
from stores.columns import IMAGERY_VALID, RGB
from stores.grid import BlockIndex, PixelWindow
from stores.legends import INTEGRATED, NO_IMAGERY

KNOWN_SHARE = 0.5
"""Least share of a window's pixels that are mapped."""
MOST_BLOCKS = 200
"""Blocks whose pixels are read: half those that the block table ranks highest, half at random; all of a smaller run."""
SHORTLIST = 4
"""Windows among which a task is chosen for diversity, times the number of tasks; at most the better half of all, so that the scores
decide something in a small region too."""
MAPPED_ANEW = 8
"""Windows that a newer map looks at, times the number of tasks."""
RANDOM_REASON = "Drawn at random among all windows, so that the accuracy of the map can be told apart from that where it was thought wrong."
HELD_OUT_REASON = (
    "Its labels never teach the model, they measure it; so nothing else of this block is labelled to teach."
)

TURNED = 4
"""Windows that the network maps a second time with their imagery turned, times the number of tasks."""


class NetworkView(NamedTuple):
    """How a network sees windows."""

    encode: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """What it sees: (n, c) float64 of pixels (n, h, w, 3) uint8 and where there is imagery (n, h, w) bool."""
    turned: Callable[[np.ndarray, np.ndarray], float]
    """Mean change of the probability 0..1 when a window (h, w, 3) uint8, (h, w) bool is turned by 180 degrees; NaN without imagery."""


Seen = Callable[[np.ndarray], np.ndarray]
"""What a network sees of some rows of a table of windows: (n, c) float64 of (n,) int64."""


@dataclass(frozen=True)
class Wanted:
    """How many tasks are asked for, and of which kind."""

    count: int
    random_share: float
    seed: int
    round: int
    edge: int
    """Edge of the windows, pixels."""
    held_out: float = 0.0
    """Share of the blocks that is held out: the random tasks lie in these and the others in none of them. 0 draws from all."""

    def __post_init__(self) -> None:
        check_share(self.held_out)
        if self.count < 1:
            raise ValueError(f"{self.count} tasks are asked for; expected at least 1")
        if not 0 <= self.random_share <= 1:
            raise ValueError(f"the random share is {self.random_share}; expected 0 to 1")

    @property
    def random_count(self) -> int:
        """Tasks that are drawn at random; at least one where the share is above 0."""
        share = self.count * self.random_share
        return min(self.count, max(round(share), 1 if share > 0 else 0))


def choose(
    numbers: RunNumbers,
    wanted: Wanted,
    taken: Sequence[PixelWindow] = (),
    view: NetworkView | None = None,
    newer: NewerMap | None = None,
) -> list[Task]:
    """The next tasks, fewer where no more windows are left. The same run, settings, seed and taken windows give the same tasks.

    The random ones are drawn first, so their chance does not depend on any score: uniformly among all windows of the run or,
    with ``held_out``, of the blocks that are held out, in turn from every unit, first from those with the fewest.
    The others come from the windows of the highest mean rank over the groups of scores, one after the other, each the one that
    looks most unlike all that teach (k-centre greedy: Sener and Savarese 2018, arXiv 1708.00489). No two tasks are
    neighbours; no unit gets more than its equal part, and no coverage type more than its part of the land, while others can fill the
    batch.

    Parameters
    ----------
    taken : windows of earlier tasks, of the same edge
    view : the network; None compares windows by scores and colours alone, and turns no imagery
    newer : the map of a later network; the windows of the highest ranks are mapped by it and ranked anew among themselves

    Raises ValueError if no window is left.
    """
    rng = np.random.default_rng([wanted.seed, wanted.round])
    at_random = _random_windows(numbers, wanted, taken, rng)
    grid = numbers.cube.grid
    row_of = {block: row for row, block in enumerate(numbers.names)}
    centres = [*taken, *at_random]
    near = [row for w in centres if (row := row_of.get(block_of(w, grid))) is not None]
    scored_rows = _scored_blocks(numbers, rng)
    rows = sorted({*near, *scored_rows})
    table = candidates(numbers, rows, wanted.edge)
    group_ranks = ranks(table)
    row_of_window = {window: row for row, window in enumerate(table.window)}
    held = held_out_blocks(numbers.names, wanted.seed, wanted.held_out)
    # What is held out teaches nothing, so no window is passed over because it looks like that.
    start = [row_of_window[w] for w in centres if w in row_of_window and block_of(w, grid) not in held]
    free = (table.known >= KNOWN_SHARE) & table.block_row.isin(scored_rows)
    free &= ~table.block_row.isin([row_of[block] for block in held])
    free &= ~beside_any(places(list(table.window)), places(centres))
    count = wanted.count - len(at_random)
    ranked = pd.Series(True, table.index)
    if newer is not None:
        others = [row_of_window[w] for w in at_random]
        table, free = _mapped_anew(numbers, table, free, others, count, newer)
        ranked = free
        group_ranks = ranks(table[ranked])
    if view is not None and count:
        first = _by_rank(table[free], group_ranks)[: TURNED * count]
        table.loc[first, "turned"] = [_turned(numbers, table.window[row], view) for row in first]
        group_ranks = ranks(table[ranked])
    seen = None if view is None else partial(_encoded, numbers, view, table.window)
    chosen = best_and_diverse(table, group_ranks, free.to_numpy(), start, count, seen) if count else []
    if not chosen and not at_random:
        raise ValueError(
            f"no window is left to look at: {len(numbers.names)} blocks have {len(taken)} tasks, and no two may be neighbours"
        )
    found = [(row_of_window[w], ChosenBy.RANDOM, _random_reason(block_of(w, grid) in held)) for w in at_random]
    found += [(row, ChosenBy.SCORES, _reason(table.loc[row], group_ranks, newer)) for row in chosen]
    return [_task(table.loc[row], wanted, by, reason) for row, by, reason in found]


def best_and_diverse(
    table: pd.DataFrame,
    group_ranks: pd.DataFrame,
    free: np.ndarray,
    start: Sequence[int],
    count: int,
    seen: Seen | None,
) -> list[int]:
    """Rows of a batch: of the highest mean rank, unlike each other and those chosen before, within the quotas.

    Parameters
    ----------
    table : index 0, 1, ...; columns id, window, unit, coverage, `scores.NAMES` and colour_0 ...
    group_ranks : `scores.ranks` of it
    free : (n,) bool, rows that may be chosen
    start : rows that are chosen already
    seen : what a network sees of some rows; None compares by scores and colours alone
    """
    order = _by_rank(table[free], group_ranks)
    chosen: list[int] = []
    while len(chosen) < count and len(order):
        chosen += _diverse(table, order, [*start, *chosen], count - len(chosen), seen)
        # Where the better half has too many neighbours, the others fill the batch.
        near = beside_any(places(list(table.window.loc[order])), places(list(table.window.loc[chosen])))
        order = order[~near]
    return chosen


def _by_rank(table: pd.DataFrame, group_ranks: pd.DataFrame) -> np.ndarray:
    """Rows from the highest mean rank to the lowest."""
    rank = group_ranks.mean(axis=1).round(9) if len(group_ranks.columns) else pd.Series(0.0, group_ranks.index)
    ordered = table.assign(rank=rank.loc[table.index].to_numpy()).sort_values(
        ["rank", "id"], ascending=[False, True], kind="stable"
    )
    return ordered.index.to_numpy()


def _random_reason(is_held: bool) -> str:
    return f"{RANDOM_REASON} {HELD_OUT_REASON}" if is_held else RANDOM_REASON


def _reason(row: pd.Series, group_ranks: pd.DataFrame, newer: NewerMap | None) -> str:
    """Why a window was chosen by scores, in words."""
    text = words(row, group_ranks.loc[row.name])
    if newer is None:
        return text
    return f"Map of round {newer.round} in {len(group_ranks)} windows: {text[0].lower()}{text[1:]}"


def _mapped_anew(
    numbers: RunNumbers, table: pd.DataFrame, free: pd.Series, others: Sequence[int], count: int, newer: NewerMap
) -> tuple[pd.DataFrame, pd.Series]:
    """The table with the scores of a newer map, and the windows that it ranks, among which tasks are chosen.

    It maps the free windows that rank highest in the run's map, and ``others``. Elsewhere its scores are not known.
    """
    best = _shortlist(table, _by_rank(table[free], ranks(table)), MAPPED_ANEW * count)
    rows = [*best, *others]
    sources = {row: numbers.usable_sources(block_of(table.window[row], numbers.cube.grid)) for row in rows}
    found = [newer.scores(numbers.cube, table.window[row], sources[row]) if sources[row] else {} for row in rows]
    told = pd.DataFrame(found, rows, BY_PROBABILITY, float)
    table = table.assign(**told.reindex(table.index))
    return table, free & table.index.isin(best)


def _turned(numbers: RunNumbers, window: PixelWindow, view: NetworkView) -> float:
    """The largest change over the sources that the map takes there; NaN where none has imagery."""
    sources = numbers.usable_sources(block_of(window, numbers.cube.grid))
    changes = [view.turned(*_imagery(numbers.cube, window, source)) for source in sources]
    return max((c for c in changes if np.isfinite(c)), default=np.nan)


def _imagery(cube: Cube, window: PixelWindow, source: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (h, w, 3) uint8 of a source, and where there is imagery (h, w) bool."""
    return cube.read_window(RGB, window, source), cube.read_window(IMAGERY_VALID, window, source)


def _task(row: pd.Series, wanted: Wanted, by: ChosenBy, reason: str) -> Task:
    scores = {name: round(float(row[name]), 6) for name in NAMES if np.isfinite(row[name])}
    return Task(row.id, PixelWindow(*row.window), row.unit, row.coverage, wanted.round, reason, scores, by)


def _random_windows(
    numbers: RunNumbers, wanted: Wanted, taken: Sequence[PixelWindow], rng: np.random.Generator
) -> list[PixelWindow]:
    """Windows drawn one after the other; those that are not mapped or lie beside another task are passed over."""
    used = places(list(taken))
    found: list[PixelWindow] = []
    turns = deque(_drawn_orders(numbers, wanted, taken, rng))
    while turns and len(found) < wanted.random_count:
        order = turns.popleft()
        for window in order:
            at = places([window])
            mapped = numbers.cube.read_window(INTEGRATED, window) < NO_IMAGERY
            if not beside_any(at, used)[0] and mapped.mean() >= KNOWN_SHARE:
                found.append(window)
                used = np.concatenate([used, at])
                turns.append(order)
                break
    return found


def _drawn_orders(
    numbers: RunNumbers, wanted: Wanted, taken: Sequence[PixelWindow], rng: np.random.Generator
) -> list[Iterator[PixelWindow]]:
    """All windows in a random order; where blocks are held out, those of the held-out blocks of each unit for themselves.

    Units with fewer random tasks so far come first.
    """
    grid = numbers.cube.grid
    in_block = (grid.block_px // wanted.edge) ** 2

    def order(blocks: Sequence[BlockIndex]) -> Iterator[PixelWindow]:
        numbered = (divmod(number, in_block) for number in rng.permutation(len(blocks) * in_block).tolist())
        return (windows_of(blocks[block], grid, wanted.edge)[place] for block, place in numbered)

    held = sorted(held_out_blocks(numbers.names, wanted.seed, wanted.held_out))
    if not held:
        return [order(numbers.names)]
    unit_of = dict(zip(held, numbers.units_of([grid.window(block) for block in held]), strict=True))
    there = Counter(unit_of[block] for w in taken if (block := block_of(w, grid)) in unit_of)
    units = sorted(set(unit_of.values()))
    drawn = [units[i] for i in rng.permutation(len(units))]
    return [order([b for b in held if unit_of[b] == unit]) for unit in sorted(drawn, key=lambda unit: there[unit])]


def _scored_blocks(numbers: RunNumbers, rng: np.random.Generator) -> list[int]:
    """Rows of the blocks whose pixels are read."""
    count = len(numbers.names)
    if count <= MOST_BLOCKS:
        return list(range(count))
    by_rank = numbers.by_block.rank(pct=True).fillna(0.5).mean(axis=1).sort_values(ascending=False, kind="stable")
    best = by_rank.index.to_numpy()[: MOST_BLOCKS // 2]
    others = np.setdiff1d(np.arange(count), best)
    return [int(row) for row in np.concatenate([best, rng.choice(others, MOST_BLOCKS - len(best), replace=False)])]


def _diverse(table: pd.DataFrame, order: np.ndarray, start: Sequence[int], count: int, seen: Seen | None) -> list[int]:
    """Rows of a batch chosen from the better ones of at least one row, ordered by rank, given those that are tasks already."""
    shortlist = _shortlist(table, order, min(SHORTLIST * count, math.ceil(len(order) / 2)))
    rows = np.concatenate([shortlist, np.array(start, int)])
    vectors = _vectors(table.loc[rows], seen)
    near = places(list(table.window.loc[shortlist]))
    distance = np.full(len(shortlist), np.inf)
    for centre in vectors[len(shortlist) :]:
        distance = np.minimum(distance, _distances(vectors[: len(shortlist)], centre))
    caps = _Caps(table.loc[shortlist, ["unit", "coverage"]], count)
    free = np.ones(len(shortlist), bool)
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        allowed = free & caps.allows()
        if not allowed.any():
            caps.lift()
            continue
        # Of equally distant ones the first has the highest rank.
        pick = int(np.argmax(np.where(allowed, distance, -1.0)))
        chosen.append(int(shortlist[pick]))
        caps.take(pick)
        free &= ~beside_any(near, near[pick : pick + 1])
        distance = np.minimum(distance, _distances(vectors[: len(shortlist)], vectors[pick]))
    return chosen


def _shortlist(table: pd.DataFrame, order: np.ndarray, most: int) -> np.ndarray:
    """The best rows, in turn from every unit, and in a unit from every coverage type by its part of the land, at least one.

    Every unit has to reach the rule that stops its rounds, so all have as many; a kind of land does not become more than it is.
    """
    part = table.loc[order, ["unit", "coverage"]]
    kinds = part.groupby(["unit", "coverage"], sort=False).unit
    passed = (kinds.cumcount() / kinds.transform("size")).to_numpy()
    by_kind = np.argsort(passed, kind="stable")
    turn = part.iloc[by_kind].groupby("unit", sort=False).cumcount().to_numpy()
    return order[np.sort(by_kind[np.argsort(turn, kind="stable")[:most]])]


class _Caps:
    """How many tasks of a batch a unit may have, an equal part, and a coverage type, its part of the windows."""

    def __init__(self, strata: pd.DataFrame, count: int) -> None:
        self._labels = [strata[name].to_numpy(object) for name in ("unit", "coverage")]
        equal = 1 / max(strata.unit.nunique(), 1)
        parts = [dict.fromkeys(strata.unit, equal), strata.coverage.value_counts(normalize=True).to_dict()]
        self._most = [{str(label): math.ceil(count * part) for label, part in found.items()} for found in parts]
        self._taken: list[Counter[str]] = [Counter() for _ in self._labels]

    def allows(self) -> np.ndarray:
        """Whether each window may be taken: (n,) bool."""
        allowed = np.ones(len(self._labels[0]), bool)
        for labels, most, taken in zip(self._labels, self._most, self._taken, strict=True):
            full = [label for label, number in taken.items() if number >= most[label]]
            allowed &= ~np.isin(labels.astype(str), full)
        return allowed

    def take(self, pick: int) -> None:
        """Count a window that was taken."""
        for labels, taken in zip(self._labels, self._taken, strict=True):
            taken[str(labels[pick])] += 1

    def lift(self) -> None:
        """Allow one more of each, because the others cannot fill the batch."""
        self._most = [{label: number + 1 for label, number in most.items()} for most in self._most]


def _vectors(rows: pd.DataFrame, seen: Seen | None) -> np.ndarray:
    """What windows are compared by, standardised: scores and colours, and what the encoder sees, both parts of equal weight."""
    names = [*NAMES, *(name for name in rows if name.startswith("colour_"))]
    parts = [_standardised(rows[names].to_numpy(float))]
    if seen is not None:
        parts.append(_standardised(seen(rows.index.to_numpy())))
    return np.hstack([part / math.sqrt(max(part.shape[1], 1)) for part in parts])


def _encoded(numbers: RunNumbers, view: NetworkView, windows: pd.Series, rows: np.ndarray) -> np.ndarray:
    """What the network sees of some rows of a column of windows, all sources side by side: (n, c) float64.

    NaN for imagery that is missing or that the map leaves out: black land and clouds would look unlike all other land.
    """
    cube = numbers.cube
    seen = []
    for window in windows.loc[rows]:
        usable = numbers.usable_sources(block_of(window, cube.grid))
        parts = []
        for source in cube.sources:
            rgb, valid = _imagery(cube, window, source)
            part = view.encode(rgb[None], valid[None])[0]
            parts.append(part if source in usable and valid.any() else np.full(len(part), np.nan))
        seen.append(np.concatenate(parts))
    return np.array(seen)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1; what is not known is 0, and columns that tell nothing are left out."""
    known = ~np.isnan(values)
    number = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0) / number
    centred = np.where(known, values - mean, 0)
    spread = np.sqrt((centred**2).sum(axis=0) / number)
    tells = spread > 1e-9
    return np.asarray(centred[:, tells] / spread[tells])


def _distances(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Distance of each vector from a centre, rounded so that the last bits of a sum decide nothing: (n,) float64."""
    return np.asarray(np.sqrt(((vectors - centre) ** 2).sum(axis=1)).round(9))
