from __future__ import annotations

import numpy as np

from croplayer.active.rounds.making import RunSide
from croplayer.active.rounds.sample import _gridded, unit_sample
from stores.grid import BlockIndex

UNIT = [BlockIndex(1000 + i, 5000 + j) for i in range(30) for j in range(30)]


def test_the_sample_is_a_regular_grid_of_about_the_wanted_size() -> None:
    step, chosen = _gridded(UNIT, 30, "0 u")
    assert step == 5 and len(chosen) == 36
    rows, cols = (np.unique([b[axis] for b in chosen]) for axis in (0, 1))
    assert (np.diff(rows) == 5).all() and (np.diff(cols) == 5).all()
    assert _gridded(UNIT, 30, "0 u") == (step, chosen)


def test_every_block_has_the_same_chance() -> None:
    counts = dict.fromkeys(UNIT, 0)
    for seed in range(1500):
        for block in _gridded(UNIT, 30, f"{seed} u")[1]:
            counts[block] += 1
    # 60 expected of each, with a standard deviation of 7.6; all blocks of one of the 25 starts have the same count.
    assert min(counts.values()) > 30 and max(counts.values()) < 95


def test_a_small_unit_is_sampled_whole() -> None:
    assert _gridded(UNIT[:7], 30, "0 u") == (1, UNIT[:7])


def test_units_are_sampled_for_themselves_and_for_good(side: RunSide) -> None:
    assert side.numbers.units is not None
    table = unit_sample(side.numbers, 1, 5)
    assert table.unit.isin(side.numbers.units.adcode).all() and table.block_km2.gt(0).all()
    assert table.equals(unit_sample(side.numbers, 1, 5))
    every = unit_sample(side.numbers, 30, 5)
    assert sorted(every.block) == sorted(side.numbers.blocks.block) and set(table.block) <= set(every.block)
    assert set(every.unit) == set(table.unit)
