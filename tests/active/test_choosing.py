from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from croplayer.active import choosing
from croplayer.active.choosing import NetworkView, Wanted, choose
from croplayer.active.encoding import network_view
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.tasks import ChosenBy
from croplayer.active.windows import places
from stores.run_folder import RunFolder

WANTED = Wanted(count=8, random_share=0.25, seed=5, round=1, edge=32)


def apart(tasks: list) -> bool:
    """Whether no two tasks touch, by the distance of all pairs."""
    at = places([task.window for task in tasks])
    steps = np.abs(at[:, None] - at[None]).max(axis=2)
    return bool((steps[~np.eye(len(at), dtype=bool)] > 1).all())


def test_a_batch_is_the_same_again_and_no_two_are_neighbours(numbers: RunNumbers) -> None:
    tasks = choose(numbers, WANTED)
    assert tasks == choose(numbers, WANTED)
    assert len(tasks) == 8 and apart(tasks)
    assert Counter(t.chosen_by for t in tasks) == {ChosenBy.RANDOM: 2, ChosenBy.SCORES: 6}
    assert all(t.reason.endswith(".") and t.scores and t.round == 1 for t in tasks)
    others = choose(numbers, replace(WANTED, seed=6))
    assert [t.id for t in others] != [t.id for t in tasks]


def test_later_batches_stay_away_from_earlier_ones(numbers: RunNumbers) -> None:
    first = choose(numbers, replace(WANTED, count=4))
    second = choose(numbers, replace(WANTED, count=4, round=2), [t.window for t in first])
    assert apart([*first, *second])
    assert {t.round for t in second} == {2}


def test_random_tasks_do_not_depend_on_any_score(numbers: RunNumbers, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn() -> list[str]:
        return [t.id for t in choose(numbers, WANTED) if t.chosen_by == ChosenBy.RANDOM]

    before = drawn()
    inverse = choosing.candidates
    names = [*choosing.NAMES]
    monkeypatch.setattr(
        choosing, "candidates", lambda *a: inverse(*a).assign(**{n: lambda t, n=n: 1 - t[n] for n in names})
    )
    assert drawn() == before


def test_random_windows_are_drawn_from_all(numbers: RunNumbers) -> None:
    wanted = replace(WANTED, count=1, random_share=1.0)
    drawn = (choosing._random_windows(numbers, wanted, [], np.random.default_rng(seed))[0] for seed in range(400))
    seen = Counter(drawn)
    assert len(seen) == 64
    # 400 draws among 64 windows: 6.25 each, and a chi square that one seed in ten thousand exceeds.
    assert sum((seen[name] - 6.25) ** 2 / 6.25 for name in seen) < 112


def test_units_and_coverage_types_have_their_parts(numbers: RunNumbers) -> None:
    tasks = choose(numbers, Wanted(6, 0.0, 0, 1, 32))
    count = Counter(t.unit for t in tasks)
    assert max(count.values()) <= 3 or len(count) == 1


def test_the_batch_is_diverse(numbers: RunNumbers) -> None:
    """Where the best ones by rank look alike, the chosen ones cover what else is on the shortlist."""
    table = choosing.candidates(numbers, range(4), 32)
    table["rank"] = choosing.ranks(table).mean(axis=1)
    order = table.sort_values("rank", ascending=False).index.to_numpy()
    colours = [name for name in table if name.startswith("colour_")]
    table.loc[order[:24], colours] += 5.0
    chosen = choosing._diverse(table, order, [], 6, None)
    vectors = choosing._vectors(table, None)
    shortlist = choosing._shortlist(table, order, choosing.SHORTLIST * 6)

    def radius(rows: list[int]) -> float:
        return max(min(np.linalg.norm(vectors[i] - vectors[j]) for j in rows) for i in shortlist)

    assert radius(chosen) < radius([int(i) for i in order[:6]])


def test_scores_decide_in_a_small_region_too(numbers: RunNumbers) -> None:
    """The shortlist is never the whole region, but the others fill a batch that it cannot."""
    table = choosing.candidates(numbers, range(4), 32).assign(unit="", coverage="", turned=np.nan)
    ranks = pd.DataFrame({"uncertainty": np.linspace(0, 1, len(table))}, table.index)
    free = np.ones(len(table), bool)
    few = choosing.best_and_diverse(table, ranks, free, [], 4, None)
    assert len(few) == 4 and min(ranks.uncertainty[few]) >= 0.5
    many = choosing.best_and_diverse(table, ranks, free, [], 64, None)
    assert len(set(many)) == len(many) and min(ranks.uncertainty[many]) < 0.5
    at = places(list(table.window.loc[many]))
    assert not any(choosing.beside_any(at[[i]], np.delete(at, i, 0))[0] for i in range(len(at)))


def test_quotas_are_lifted_only_where_others_cannot_fill_the_batch() -> None:
    strata = pd.DataFrame({"unit": ["a"] * 5 + ["b"], "coverage": "Planting"})
    caps = choosing._Caps(strata, 4)
    for pick in (0, 1):
        assert caps.allows()[pick]
        caps.take(pick)
    assert caps.allows().tolist() == [False] * 5 + [True]
    caps.take(5)
    assert not caps.allows()[:5].any()
    caps.lift()
    assert caps.allows()[2]


def test_what_the_network_sees_tells_windows_apart(numbers: RunNumbers, models: Path) -> None:
    (model,) = models.glob("small_segmentation-*")
    assert network_view(model, 32) is None
    view = network_view(model, 64)
    assert view is not None
    wanted = replace(WANTED, count=3, random_share=0.0, edge=64)
    tasks = choose(numbers, wanted, view=view)
    assert tasks == choose(numbers, wanted, view=view) and apart(tasks)
    black = np.zeros((1, 64, 64, 3), np.uint8)
    assert np.isfinite(view.encode(black, np.zeros((1, 64, 64), bool))).all()
    assert np.isnan(view.turned(black[0], np.zeros((64, 64), bool)))
    assert view.turned(black[0], np.ones((64, 64), bool)) < 0.5


def test_a_window_that_is_mapped_differently_when_turned_comes_first(
    numbers: RunNumbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "SHORTLIST", 1)  # rank alone decides
    looked_at: list[float] = []

    def turned(rgb: np.ndarray, valid: np.ndarray) -> float:
        looked_at.append(float(rgb.mean()))
        return float(looked_at[-1] == differs)

    view = NetworkView(lambda rgb, valid: np.zeros((len(rgb), 1)), turned)
    wanted = replace(WANTED, random_share=0.0, count=3)
    differs = -1.0
    same = choose(numbers, wanted, view=view)
    most = choosing.TURNED * 3 * len(numbers.cube.sources)
    # Pictures that the map leaves out are not turned.
    assert most / 2 <= len(looked_at) <= most
    assert {t.scores.get("turned", 0.0) for t in same} == {0.0}
    before = {t.id for t in same}
    differs = looked_at[3 * len(numbers.cube.sources)]
    first = next(t for t in choose(numbers, wanted, view=view) if t.scores.get("turned") == 1)
    assert "urned imagery is mapped differently (by 1.00 on average), above 99 % of the windows" in first.reason
    assert first.id not in before


def test_what_cannot_be_asked_for_is_said(numbers: RunNumbers, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 tasks are asked for; expected at least 1"):
        replace(WANTED, count=0)
    with pytest.raises(ValueError, match=r"the random share is 20; expected 0 to 1"):
        replace(WANTED, random_share=20)
    every = choose(numbers, replace(WANTED, count=64, random_share=0.0))
    assert len(every) == 16 or len(every) < 64
    with pytest.raises(ValueError, match="no window is left to look at: 4 blocks have"):
        choose(
            numbers, replace(WANTED, random_share=0.0), [t.window for t in choose(numbers, replace(WANTED, count=64))]
        )
    with pytest.raises(FileNotFoundError, match=r"is not the folder of a run; it has no recipe\.toml"):
        RunNumbers.read(RunFolder(tmp_path), "2020", [], [])
    (tmp_path / "recipe.toml").write_text("")
    with pytest.raises(ValueError, match="is not finished; run its recipe to the end first"):
        RunNumbers.read(RunFolder(tmp_path), "2020", [], [])
