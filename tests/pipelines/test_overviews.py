"""Overviews within a run: made once, redone where a block changed and in its square alone, and nowhere stale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from shared.run_files import digests
from soak.crash_points import Inline
from soak.damage import problems_of
from soak.painted import EDITION, GRID, SOURCE, painted_blocks, steps_of

from croplayer.cube.overviews import level_cubes
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.overviews import coarser_overview, first_overview
from croplayer.tasks.each import each_block
from pipelines.engine import execute
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from pipelines.recipe import Recipe
from pipelines.stages.overviews import RULES
from pipelines.verify import find_problems, repair
from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.cube import metadata_files
from stores.finished import finished_blocks
from stores.grid import BlockIndex
from stores.overviews import create_overviews
from stores.places import open_store
from stores.records import BlockRecord, BlockTask
from stores.run_folder import RunFolder
from stores.step_memory import CUBE_FILES

BLOCKS = BlockList.of(painted_blocks(24))
"""In two squares: columns 5900 to 5919, and 5920 to 5923."""
CHANGED = BlockIndex(1100, 5903)


@pytest.fixture(autouse=True)
def _inline() -> Iterator[None]:
    with mock.patch.object(execute, "_Window", Inline):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


@dataclass(frozen=True)
class CorrectedTask:
    """Writes the map of `CHANGED` as all cropland."""

    cube: Cube

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        files = self.cube.write_block("croplayer", block, np.ones((GRID.block_px, GRID.block_px), np.uint8))
        return BlockRecord(block, files=files)


def cube_of(folder: RunFolder) -> Cube:
    return Cube.open(folder.cube, EDITION)


def map_steps(folder: RunFolder) -> list[BlockStep]:
    steps = steps_of(folder, len(BLOCKS))
    cube = cube_of(folder)
    create_overviews(open_store(folder.cube, read_only=False), EDITION, cube.grid, cube.blocks, cube.sources)
    steps[2] = replace(steps[2], follows=BlockDigests.of_texts(BLOCKS, ["drawn"] * len(BLOCKS)))
    return steps


def corrected(step: BlockStep, cube: Cube) -> BlockStep:
    """The step `integrate` with another decision for one block."""
    task: BlockTask = CorrectedTask(cube)
    texts = ["corrected" if block == CHANGED else "drawn" for block in BLOCKS]
    return replace(step, task_for=lambda group: task, follows=BlockDigests.of_texts(BLOCKS, texts))


def run(folder: RunFolder, steps: Sequence[BlockStep]) -> list[int]:
    """Blocks worked on by the steps of the map, then by those of the overviews, each built from what is there."""
    worked = [run_step(step, StepLedgers(folder), None).worked for step in steps]  # type: ignore[arg-type]
    inputs: Any = SimpleNamespace(recipe=SimpleNamespace(source_names=(SOURCE,)), grid=GRID)
    output: Any = SimpleNamespace(cube=cube_of(folder))
    built = list(steps)
    for rule in RULES:
        results = {step.name: StepLedgers(folder).results(step) for step in built}
        done: Any = {name: SimpleNamespace(blocks=found.blocks, found=found.found) for name, found in results.items()}
        for step in rule.steps(inputs, output, done):
            assert isinstance(step, BlockStep)
            built.append(step)
            worked.append(run_step(step, StepLedgers(folder), None).worked)  # type: ignore[arg-type]
    return worked


def assert_right(folder: RunFolder) -> None:
    """Every level equals that of the whole map and imagery."""
    cube = cube_of(folder)
    window = cube.blocks.window(GRID)
    masks = np.stack([cube.read_window("croplayer", window), cube.read_window("cropland", window, SOURCE)])
    first = first_overview(masks, cube.read_window("rgb", window, SOURCE)[None])
    for each in level_cubes(cube):
        expected = first if each.level.factor == 4 else coarser_overview(first, each.level.factor // 4)
        for name, pixels in zip(("area_fraction", "known_fraction", "rgb"), expected, strict=True):
            np.testing.assert_array_equal(each.read(name, cube.blocks.window(each.cube.grid)), pixels)


def test_only_what_a_changed_block_shows_is_made_again(folder: RunFolder) -> None:
    steps = map_steps(folder)
    assert run(folder, steps) == [24, 24, 24, 24, 2]
    assert_right(folder)
    before = digests(folder.root)
    assert run(folder, steps) == [0, 0, 0, 0, 0]
    assert digests(folder.root) == before
    steps[2] = corrected(steps[2], cube_of(folder))
    assert run(folder, steps) == [0, 0, 1, 1, 1]
    assert_right(folder)
    changed = {name for name, digest in digests(folder.root).items() if before.get(name) != digest}
    pixels = {name.split("overviews/")[1] for name in changed if "/overviews/" in name}
    # The imagery is as it was; so are the shares of known pixels.
    assert pixels == {"4/area_fraction/c/0/0/3", "16/area_fraction/c/0/0/0"}


def test_what_is_being_rewritten_is_finished_nowhere(folder: RunFolder) -> None:
    """A run that is killed while it integrates a block again leaves neither its overviews nor its square as finished."""
    steps = map_steps(folder)
    run(folder, steps)
    write = CorrectedTask.one

    def killed(task: CorrectedTask, block: BlockIndex) -> BlockRecord:
        write(task, block)
        raise KeyboardInterrupt

    with mock.patch.object(CorrectedTask, "one", killed), pytest.raises(KeyboardInterrupt):
        run(folder, [*steps[:2], corrected(steps[2], cube_of(folder))])
    near = BlockList.of([CHANGED]).grown()
    assert finished_blocks(folder, folder.cube, EDITION, "overviews", BLOCKS) == BLOCKS.without(near)
    squares = BlockList.of([(1088, 5888), (1088, 5920)])
    assert list(finished_blocks(folder, folder.cube, EDITION, "overview_squares", squares)) == [(1088, 5920)]
    # The old decision again: the block is mapped as before, so its overviews hold again.
    assert run(folder, steps) == [0, 0, 1, 0, 0]
    assert_right(folder)


def test_a_damaged_file_is_named_and_made_again(folder: RunFolder) -> None:
    steps = map_steps(folder)
    run(folder, steps)
    folder.memory.note(CUBE_FILES, EDITION, metadata_files(folder.own_cube, EDITION))
    whole = digests(folder.root)
    told = len(problems_of(folder.root))
    for name in ("4/rgb/c/0/0/7/0", "16/area_fraction/c/0/0/1"):
        path = folder.own_cube / EDITION / "overviews" / name
        path.write_bytes(path.read_bytes()[:-1])
    found = list(find_problems(folder))
    assert sorted(p.step for p in found)[-2:] == ["overview_squares", "overviews"]
    assert len(found) == told + 2
    repair(folder, found)
    assert run(folder, steps)[3:] == [1, 1]
    files = digests(folder.root)
    assert {n: d for n, d in files.items() if "/overviews/" in n} == {
        n: d for n, d in whole.items() if "/overviews/" in n
    }


def test_a_recipe_whose_blocks_have_no_overviews_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[overviews\]: overviews need blocks of a multiple of 4 px.*block_px 30"):
        Recipe.model_validate({"name": "a", "title": "a", "grid": {"block_px": 30}, "overviews": {}})
    with pytest.raises(ValueError, match=r"\[overviews\] needs \[\[sources\]\]"):
        Recipe.model_validate({"name": "a", "title": "a", "overviews": {}})
