from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from croplayer.active.choosing import HELD_OUT_REASON, Wanted, choose
from croplayer.active.held_out import block_of, held_out_blocks, is_held_out, taught_blocks
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_tasks
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.tasks import ChosenBy
from stores.grid import BlockGrid, BlockIndex

MANY = [BlockIndex(1000 + i, 5000 + j) for i in range(60) for j in range(60)]


def test_the_share_is_held_out_and_a_larger_share_holds_out_more() -> None:
    held = held_out_blocks(MANY, 7, 0.25)
    # 3,600 blocks: 900 expected, with a standard deviation of 26.
    assert 800 < len(held) < 1000
    assert held < held_out_blocks(MANY, 7, 0.4)
    assert not held_out_blocks(MANY, 7, 0.0)


def test_it_depends_on_the_seed_and_the_place_alone() -> None:
    held = held_out_blocks(MANY, 7, 0.25)
    assert held_out_blocks(MANY[1000:2000], 7, 0.25) == held & set(MANY[1000:2000])
    other = held_out_blocks(MANY, 8, 0.25)
    # Of two seeds a quarter of a quarter agrees: 225 of 3,600, with a standard deviation of 15.
    assert 160 < len(held & other) < 290
    # The same in every version: a label project keeps its held-out blocks for good.
    assert [is_held_out(BlockIndex(1100, 5900 + i), 0, 0.25) for i in range(8)] == [i == 3 for i in range(8)]


def test_the_blocks_of_the_tasks_that_taught_a_model_are_known() -> None:
    scenes = ["r1100c5903-64-6-3.google", "r1100c5904-64-0-1.bing#2", "iowa_17.png", "r1100c5905-63-0-0.google", "a.b"]
    assert taught_blocks(scenes, BlockGrid(512)) == {BlockIndex(1100, 5903), BlockIndex(1100, 5904)}


def seed_holding_out(numbers: RunNumbers, count: int) -> int:
    return next(s for s in range(1000) if len(held_out_blocks(numbers.names, s, 0.25)) == count)


def test_random_tasks_lie_in_held_out_blocks_and_no_other_task_does(numbers: RunNumbers) -> None:
    seed = seed_holding_out(numbers, 2)
    held = held_out_blocks(numbers.names, seed, 0.25)
    tasks = choose(numbers, Wanted(8, 0.5, seed, 1, 32, 0.25))
    assert Counter(task.chosen_by for task in tasks) == {ChosenBy.RANDOM: 4, ChosenBy.SCORES: 4}
    grid = numbers.cube.grid
    for task in tasks:
        is_random = task.chosen_by == ChosenBy.RANDOM
        assert (block_of(task.window, grid) in held) == is_random
        assert (HELD_OUT_REASON in task.reason) == is_random


def test_every_unit_with_a_held_out_block_gets_its_turn(numbers: RunNumbers) -> None:
    grid = numbers.cube.grid
    unit_of = dict(zip(numbers.names, numbers.units_of([grid.window(b) for b in numbers.names]), strict=True))
    seed = next(
        s for s in range(1000) if len({unit_of[b] for b in held_out_blocks(numbers.names, s, 0.5)}) == 2
    )  # fmt: skip
    wanted = Wanted(2, 1.0, seed, 1, 32, 0.5)
    first = choose(numbers, wanted)
    assert len({unit_of[block_of(task.window, grid)] for task in first}) == 2
    one = choose(numbers, replace(wanted, count=1))
    (next_one,) = choose(numbers, replace(wanted, count=1, round=2), [one[0].window])
    assert unit_of[block_of(next_one.window, grid)] != unit_of[block_of(one[0].window, grid)]


def test_a_run_without_a_held_out_block_has_random_tasks_all_the_same(numbers: RunNumbers) -> None:
    seed = seed_holding_out(numbers, 0)
    tasks = choose(numbers, Wanted(4, 0.5, seed, 1, 32, 0.25))
    assert sum(task.chosen_by == ChosenBy.RANDOM for task in tasks) == 2
    assert not any(HELD_OUT_REASON in task.reason for task in tasks)


def test_a_project_of_before_holds_out_a_quarter(project: LabelProject) -> None:
    path = project.folder / "project.json"
    stored = json.loads(path.read_text())
    assert stored.pop("held_out") == 0.25
    path.write_text(json.dumps(stored))
    opened = LabelProject.open(project.folder)
    assert opened.settings.held_out == 0.25
    held = held_out_blocks((block_of(t.window, project.grid) for t in read_tasks(project)), 3, 0.25)
    assert {t.id for t in read_tasks(opened) if opened.is_held_out(t)} == {
        t.id for t in read_tasks(opened) if block_of(t.window, project.grid) in held
    }
    path.write_text(json.dumps(stored | {"held_out": 1}))
    with pytest.raises(ValueError, match=r"held out is 1; expected 0 to 1, below 1\); restore it from a copy"):
        LabelProject.open(project.folder)
