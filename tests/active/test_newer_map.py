from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio.features
from shared.label_edits import rows_of
from shared.small_cubes import RANGE, SOURCES, make_cube

from croplayer.active.choosing import Wanted, choose
from croplayer.active.newer_map import NewerMap
from croplayer.active.prefill import prefilled
from croplayer.active.project import add_tasks, create_project
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.scores import pixel_scores
from croplayer.active.tasks import ChosenBy, Task, task_id
from croplayer.active.windows import windows_of
from croplayer.cube.whole_blocks import Cube
from stores.grid import BlockIndex, PixelWindow

EDGE = 16
BLOCK = BlockIndex(RANGE.row, RANGE.col)
BLOCKS = [BlockIndex(RANGE.row + i, RANGE.col + j) for i in range(RANGE.rows) for j in range(RANGE.cols)]
WANTED = Wanted(count=4, random_share=0.25, seed=5, round=2, edge=EDGE)


def red_is_probability(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """A network that sees the probability in the red band."""
    return np.where(valid, rgb[..., 0], 254).astype(np.uint8)


def newer_map(choice: int = 3, unusable: bool = False) -> NewerMap:
    return NewerMap(3, red_is_probability, 0.5, {block.name: (choice, unusable) for block in BLOCKS})


@pytest.fixture
def numbers(tmp_path: Path) -> RunNumbers:
    """Six blocks that the run maps as no cropland, surely."""
    cube = make_cube(tmp_path / "cube.zarr")
    empty = np.zeros((64, 64), np.uint8)
    for block in BLOCKS:
        cube.write_block("croplayer", block, empty)
        for source in SOURCES:
            cube.write_block("cropland_probability", block, empty, source)
            cube.write_block("cropland", block, empty, source)
            show(cube, block, source, empty)
    table = pd.DataFrame({"block": [block.name for block in BLOCKS]})
    return RunNumbers(cube, table, None, pd.Series(dtype=float), (), ())


def show(cube: Cube, block: BlockIndex, source: str, red: np.ndarray) -> None:
    cube.write_block("rgb", block, np.stack([red, red * 0, red * 0], -1), source)
    cube.write_block("imagery_valid", block, red != 254, source)


def unsure_in(numbers: RunNumbers, windows: list[PixelWindow]) -> None:
    """The later network is unsure in windows, and nowhere else."""
    for block in BLOCKS:
        red = np.zeros((64, 64), np.uint8)
        for window in windows:
            common = window.common(numbers.cube.grid.window(block))
            if common.height > 0 and common.width > 0:
                red[common.slices_in(numbers.cube.grid.window(block))] = 125
        for source in SOURCES:
            show(numbers.cube, block, source, red)


def by_scores(tasks: list[Task]) -> list[Task]:
    return [task for task in tasks if task.chosen_by == ChosenBy.SCORES]


def test_windows_where_a_later_network_is_unsure_are_chosen(numbers: RunNumbers) -> None:
    before = choose(numbers, WANTED)
    every = [window for block in BLOCKS for window in windows_of(block, numbers.cube.grid, EDGE)]
    chance = [t.window for t in before if t.chosen_by == ChosenBy.RANDOM]
    # Of the windows that the shortlist of 24 holds one that is not chosen otherwise.
    looked_at: list[PixelWindow] = []
    spy = newer_map()

    class Watched(NewerMap):
        def scores(self, cube: Cube, window: PixelWindow, sources: Sequence[str]) -> dict[str, float]:
            looked_at.append(window)
            return super().scores(cube, window, sources)

    first = choose(numbers, WANTED, newer=Watched(3, spy.probability, 0.5, spy.choices))
    assert len(looked_at) == 8 * 3 + 1 and set(looked_at) <= set(every) and looked_at[-1] in chance
    unsure = next(w for w in looked_at[:24] if w not in [t.window for t in (*first, *before)])
    unsure_in(numbers, [unsure])
    tasks = choose(numbers, WANTED, newer=newer_map())
    assert tasks == choose(numbers, WANTED, newer=newer_map())
    assert by_scores(tasks)[0].window == unsure
    assert by_scores(tasks)[0].scores["entropy"] == pytest.approx(1)
    assert by_scores(tasks)[0].reason == (
        "Map of round 3 in 24 windows: the network is unsure here (mean entropy 1.00 bit away from outlines), "
        "above 99 % of the windows."
    )
    assert [t.window for t in tasks if t.chosen_by == ChosenBy.RANDOM] == chance
    assert choose(numbers, WANTED) != tasks and [t.reason for t in choose(numbers, WANTED)] == [
        t.reason for t in before
    ]


def test_scores_of_a_window_are_those_of_the_same_map_in_a_run(numbers: RunNumbers) -> None:
    cube = numbers.cube
    rng = np.random.default_rng(1)
    for source in SOURCES:
        red = np.repeat(np.repeat(rng.integers(0, 251, (4, 4)), EDGE, 0), EDGE, 1).astype(np.uint8)
        red[:EDGE, :4] = 254
        show(cube, BLOCK, source, red)
        cube.write_block("cropland_probability", BLOCK, red, source)
        mask = np.where(red == 254, 254, red >= 125).astype(np.uint8)
        cube.write_block("cropland", BLOCK, mask, source)
    whole = cube.grid.window(BLOCK)
    stored, found = pixel_scores(cube, BLOCK, 64, SOURCES), newer_map().scores(cube, whole, SOURCES)
    assert found == pytest.approx({name: stored[name][0] for name in ("entropy", "margin", "source_disagreement")})


@pytest.mark.parametrize(("choice", "columns"), [(0, []), (1, [4]), (2, [10]), (3, [4, 10])])
def test_polygons_are_those_of_the_newer_map_and_the_sources_those_of_the_run(
    numbers: RunNumbers, tmp_path: Path, choice: int, columns: list[int]
) -> None:
    cube = numbers.cube
    window = windows_of(BLOCK, cube.grid, EDGE)[5]
    task = Task(task_id(window, cube.grid), window, "", "", 2, "Why.")
    drawn = np.zeros((EDGE, EDGE), np.uint8)
    for source, col in zip(SOURCES, (4, 10), strict=True):
        red = np.full((64, 64), 124, np.uint8)
        red[20:28, 16 + col : 16 + col + 4] = 125
        show(cube, BLOCK, source, red)
        if col in columns:
            drawn[4:12, col : col + 4] = 1
    shapes = prefilled(cube, task, newer_map(choice)).geometry
    burnt = np.zeros_like(drawn)
    if len(shapes):
        transform = cube.grid.transform(window)
        burnt = rasterio.features.rasterize(shapes, drawn.shape, transform=transform)
    assert np.array_equal(burnt, drawn)
    assert len(prefilled(cube, task)) == 0
    if choice == 3:
        other = windows_of(BLOCKS[4], cube.grid, EDGE)[0]
        there = [Task(task_id(other, cube.grid), other, "", "", 1, "Why.")]
        project = create_project(tmp_path / "labels", tmp_path, cube, EDGE, 0, there)
        add_tasks(project, cube, [task], there, newer_map(choice))
        assert rows_of(project.gpkg, "fields").task.tolist() == [task.id, task.id]
        blind = windows_of(BLOCK, cube.grid, EDGE)[7]
        random = Task(task_id(blind, cube.grid), blind, "", "", 2, "Why.", {}, ChosenBy.RANDOM)
        show(cube, BLOCK, SOURCES[0], np.full((64, 64), 125, np.uint8))
        add_tasks(project, cube, [random], [*there, task], newer_map(choice))
        assert random.id not in rows_of(project.gpkg, "fields").task.tolist()  # the run's map shows no cropland there
