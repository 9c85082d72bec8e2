"""Which blocks may be read as finished, and whether damage to any file of a run is found."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import filelock
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from shared.commands import croplayer
from soak.crash_points import Inline, run_painted
from soak.damage import LEDGER_KINDS, UNFINISHED, add_foreign_files, damage_and_find, damage_ledgers, problems_of
from soak.kills import file_digests
from soak.painted import GRID, SOURCE, PaintedSource, mask_of, painted_blocks, steps_of

from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from croplayer.sources.imagery import Imagery
from croplayer.tasks.mosaic import MosaicTask
from pipelines.engine import execute
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from pipelines.verify import find_problems, repair
from stores.block_list import BlockList
from stores.finished import MissingBlocksError, UnfinishedBlocksWarning, finished_blocks
from stores.grid import BlockGrid, BlockIndex, PixelWindow
from stores.ledger import Ledger
from stores.records import BlockRecord
from stores.run_folder import RunFolder
from stores.step_memory import STEPS_OF_CUBE, BlocksDone, StepMemory


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of two blocks."""
    run_painted(tmp_path / "run")
    return tmp_path / "run"


def test_a_finished_cube_opens_strictly(run: Path) -> None:
    cube = open_cube(run / "cube.zarr", strict=True)
    first = PaintedSource().read(GRID.window(painted_blocks(1)[0]), GRID).rgb
    np.testing.assert_array_equal(cube.rgb.sel(source=SOURCE)[:16, :16], first)
    np.testing.assert_array_equal(cube.croplayer[:16, :16], mask_of(first))


def test_a_block_that_is_not_finished_is_named_where_it_is_asked_for(run: Path) -> None:
    done, missing = painted_blocks(2)
    (run / f"cube.zarr/2020/croplayer/c/0/{missing.col - done.col}").unlink()
    with pytest.raises(
        MissingBlocksError, match=rf"1 of 2 blocks of .* no finished 'integrate': {missing.name}; finish the run"
    ):
        open_cube(run / "cube.zarr", strict=True)
    assert open_cube(run / "cube.zarr", [done.name], strict=True).sizes["x"] == 16
    assert open_cube(run / "cube.zarr", tuple(GRID.bounds(done)), strict=True).sizes["x"] == 16
    with pytest.warns(
        UnfinishedBlocksWarning, match=f"1 of 2 blocks of .* no finished 'integrate': {missing.name}; unfin"
    ):
        cube = open_cube(run / "cube.zarr")
    assert (cube.croplayer[:, 16:] == 255).all() and (cube.croplayer[:, :16] < 2).all()


def test_a_region_that_is_half_outside_is_not_finished(run: Path) -> None:
    """One of the blocks in the box lies west of the cube, two of those in the triangle south of it."""
    west, _, east, north = GRID.bounds(painted_blocks(1)[0])
    south = north - 0.1
    bounds = (west - 0.05, north - 0.05, east + 0.05, north)
    with pytest.raises(MissingBlocksError, match=rf"1 of 3 blocks of the region lie outside {run}/cube.zarr, which"):
        open_cube(run / "cube.zarr", bounds, strict=True)
    with pytest.raises(MissingBlocksError, match="2 of 3 blocks of the region lie outside"):
        open_cube(run / "cube.zarr", shapely.Polygon([(west, north), (west, south), (east + 0.05, south)]), strict=True)
    with pytest.warns(
        UnfinishedBlocksWarning, match=r"1 of 3 blocks of the region lie outside .* are not in the dataset"
    ):
        assert open_cube(run / "cube.zarr", bounds).sizes["x"] == 32


def test_a_region_of_very_many_blocks_of_a_finished_run_is_that_of_its_block_table(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are not looked up one by one, unless they are asked for strictly; a run that goes on is read line by line."""
    done, missing = painted_blocks(2)
    folder, both = RunFolder(run), BlockList.of(painted_blocks(2))
    table = {"block": [done.name, missing.name], "row": [done.row, missing.row], "col": [done.col, missing.col]}
    pd.DataFrame(table).to_parquet(folder.blocks)

    def found(edition: str = "2020") -> BlockList:
        return finished_blocks(folder, folder.own_cube, edition, "integrate", both)

    (run / f"cube.zarr/2020/croplayer/c/0/{missing.col - done.col}").unlink()
    assert found() == BlockList.of([done])
    monkeypatch.setattr("stores.finished.FEW_BLOCKS", 1)
    assert found() == both and not found("2021")
    assert (open_cube(run).croplayer[:, 16:] == 255).all()
    with pytest.raises(MissingBlocksError, match=f"no finished 'integrate': {missing.name}"):
        open_cube(run, strict=True)
    pd.DataFrame(table).iloc[:1].to_parquet(folder.blocks)
    assert found() == BlockList.of([done])
    with (run / "ledger/integrate.jsonl").open("ab") as file:
        file.write(b"0123")
    assert found() == BlockList.of([done])
    folder.memory.begin("integrate", "of other settings", blocks=2)
    assert not found()


def test_blocks_of_an_older_fingerprint_are_not_finished_any_more(run: Path) -> None:
    first, second = painted_blocks(2)
    step = BlockStep("segment", {"settings": "new"}, painted_blocks(2), lambda group: len, 16)
    RunFolder(run).memory.begin(step.name, step.fingerprint, blocks=2)
    Ledger(run / "ledger/segment.jsonl").append(step.fingerprint, [BlockRecord(first)])
    with pytest.raises(MissingBlocksError, match=f"1 of 2 blocks of .* no finished 'segment': {second.name}"):
        open_cube(run / "cube.zarr", strict=True)


def test_a_ledger_that_is_being_written_can_be_read(run: Path) -> None:
    with (run / "ledger/integrate.jsonl").open("ab") as file:
        fingerprint = steps_of(RunFolder(run), 2)[2].fingerprint
        file.write(f'01234567 {{"fingerprint":"{fingerprint}","block":"r11'.encode())
    assert open_cube(run / "cube.zarr", strict=True).sizes["x"] == 32


def test_a_block_that_is_being_written_anew_is_not_damaged(run: Path) -> None:
    """A worker stopped between its files and the line of the ledger, under settings that changed."""
    step = BlockStep("segment", {"settings": "new"}, painted_blocks(2), lambda group: len, 16)
    RunFolder(run).memory.begin(step.name, step.fingerprint, blocks=2)
    (run / "cube.zarr/2020/cropland/c/0/0/0").write_bytes(b"new")
    (run / "tables/made_next.csv").write_text("new")
    found = problems_of(run)
    assert "segment: 2 of 2 blocks are not done; run the recipe again to do them" in found
    assert all(UNFINISHED.search(sentence) for sentence in found), found


def test_a_ledger_that_says_something_else_is_mended(run: Path) -> None:
    fingerprint = steps_of(RunFolder(run), 2)[1].fingerprint
    Ledger(run / "ledger/segment.jsonl").append(fingerprint, [BlockRecord(painted_blocks(1)[0])])
    problems = find_problems(RunFolder(run))
    assert any(f"ledger {run}/ledger/segment.jsonl was changed after" in p.sentence for p in problems)
    with filelock.FileLock(run / ".lock"):
        done = croplayer("verify", run, "--repair", models=run, check=False)
    assert done.returncode == 2 and "another run holds" in done.stderr
    (run / "ledger/segment.jsonl").unlink()
    repair(RunFolder(run), find_problems(RunFolder(run)))
    assert "segment: 2 of 2 blocks are not done; run the recipe again to do them" in problems_of(run)
    run_painted(run)
    assert problems_of(run) == []


class GreySource(PaintedSource):
    """Other imagery of the same place."""

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        painted = super().read(window, grid)
        return Imagery(255 - painted.rgb, painted.valid)


def test_masks_are_not_finished_once_the_imagery_is_written_anew(run: Path) -> None:
    """From before the first block of the new imagery until the last step of the cube has been made of it."""
    folder = RunFolder(run)
    memory, old = folder.memory, steps_of(folder, 2)
    first, fingerprints = file_digests(folder.own_cube), {s.name: memory.entries()[s.name].fingerprint for s in old}
    mosaic = MosaicTask(Cube.open(folder.cube), (GreySource(),))
    new = [replace(step, made_of={"new": step.name}) for step in old]
    new[0] = replace(new[0], task_for=lambda _: mosaic)

    class Watched(Inline):
        def records(self) -> Iterator[list[BlockRecord]]:
            with pytest.raises(MissingBlocksError):
                open_cube(folder.own_cube, strict=True)
            later = STEPS_OF_CUBE[STEPS_OF_CUBE.index(self._step.name) :]
            assert all(memory.entries()[name].is_open for name in later)
            yield from super().records()

    for steps in (new, old):
        for step in steps:
            with mock.patch.object(execute, "_Window", Watched):
                run_step(step, StepLedgers(folder), None)
            memory.end()
            if step.name != "integrate":
                with pytest.raises(MissingBlocksError, match=r"2 of 2 blocks of .* no finished '(segment|integrate)'"):
                    open_cube(folder.own_cube, strict=True)
                assert any("is incomplete" in sentence for sentence in problems_of(run))
        cube = open_cube(folder.own_cube, strict=True)
        np.testing.assert_array_equal(cube.croplayer, mask_of(cube.rgb.sel(source=SOURCE).to_numpy()))
        assert problems_of(run) == []
    assert file_digests(folder.own_cube) == first
    assert {s.name: memory.entries()[s.name].fingerprint for s in old} == fingerprints


@dataclass(frozen=True)
class FillTask:
    """Masks of one value, whose files are as long as those of the other."""

    cube: Cube
    value: int

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return [BlockRecord(b, files=self.cube.write_block("croplayer", b, self.mask)) for b in blocks]

    @property
    def mask(self) -> np.ndarray:
        return np.full((16, 16), self.value, np.uint8)


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_settings_that_come_back_find_none_of_the_files_of_others(tmp_path: Path, lines: int) -> None:
    """The others' run wrote both blocks and was stopped before, between, or after its two lines of the ledger."""
    folder, blocks = RunFolder(tmp_path / "run"), painted_blocks(2)
    steps_of(folder, 2)
    cube = Cube.open(folder.cube)
    old, new = (BlockStep("integrate", {"value": v}, blocks, lambda _, v=v: FillTask(cube, v), 16) for v in (0, 1))
    with mock.patch.object(execute, "_Window", Inline):
        run_step(old, StepLedgers(folder), None)
        first, masks = file_digests(folder.cube), sorted(folder.cube.glob("*/croplayer/c/*/*"))
        sizes = [p.stat().st_size for p in masks]
        folder.memory.begin(new.name, new.fingerprint, blocks=2)
        Ledger(folder.ledger("integrate")).append(new.fingerprint, FillTask(cube, 1)(blocks)[:lines])
        assert [p.stat().st_size for p in masks] == sizes
        assert run_step(old, StepLedgers(folder), None).worked == 2
        assert file_digests(folder.cube) == first
        assert run_step(old, StepLedgers(folder), None).worked == 0


def test_an_edition_beside_the_run_s_own_is_never_called_files_to_remove(run: Path) -> None:
    """As runs left it that wrote two editions with one folder's ledgers, the later one last."""
    shutil.copytree(run / "cube.zarr/2020", run / "cube.zarr/2021")
    assert RunFolder(run).edition == "2020"
    assert any(
        "cube.zarr/2021 is an edition beside the run's own '2020'" in p and "move" in p for p in problems_of(run)
    )
    memory = StepMemory(run / "ledger/outputs.json", run)
    for step in steps_of(RunFolder(run), 2):
        ledger = Ledger(RunFolder(run).ledger(step.name))
        for _, record in list(ledger.lines()):
            files = {key.replace("2020/", "2021/"): digest for key, digest in record.files.items()}
            ledger.append(step.fingerprint, [replace(record, files=files)])
        memory.finish(step.name, step.fingerprint, BlocksDone(2, ledger.path))
    memory.end()
    assert RunFolder(run).edition == "2021"
    (named,) = problems_of(run)
    assert "cube.zarr/2020 is an edition beside the run's own '2021'" in named
    with pytest.raises(MissingBlocksError, match="2 of 2 blocks of edition '2020'"):
        open_cube(run / "cube.zarr", edition="2020", strict=True)
    assert open_cube(run / "cube.zarr", edition="2021", strict=True).sizes["x"] == 32


def test_a_damaged_record_of_finished_steps_is_made_again(run: Path) -> None:
    whole = (run / "ledger/outputs.json").read_bytes()
    (run / "ledger/outputs.json").write_bytes(whole[:-9])
    assert [f"{run}/ledger/outputs.json is damaged; remove it to make the outputs again"] == problems_of(run)
    repair(RunFolder(run), find_problems(RunFolder(run)))
    run_painted(run)
    assert (run / "ledger/outputs.json").read_bytes() == whole


def test_a_lost_cube_is_one_loss_and_nothing_is_marked(run: Path) -> None:
    """As when the recipe that says in which bucket the cube lies is lost."""
    (run / "cube.zarr").rename(run.parent / "elsewhere.zarr")
    ledgers = {p: p.read_bytes() for p in run.glob("ledger/*.jsonl")}
    assert sum(f"{run}/cube.zarr is missing" in sentence for sentence in problems_of(run)) == len(ledgers)
    repair(RunFolder(run), find_problems(RunFolder(run)))
    assert ledgers == {p: p.read_bytes() for p in run.glob("ledger/*.jsonl")}


def test_what_the_recipe_names_in_the_folder_is_no_foreign_file(run: Path) -> None:
    (run / "reviews").mkdir()
    (run / "reviews/mine.csv").write_text("block")
    named = [p.sentence for p in find_problems(RunFolder(run))]
    assert named == [f"{run}/reviews is not a folder of a run; remove it"]
    (run / "recipe.toml").write_text(f'[decisions]\nreviews = ["{run}/reviews/mine.csv"]\n')
    assert "reviews" in RunFolder(run).inputs
    assert not any("is not a folder of a run" in sentence for sentence in problems_of(run))


def test_all_damage_is_found_and_nothing_else_is_named(run: Path) -> None:
    found = damage_and_find(run, 60, seed=1)
    assert found.made.total() == 60
    assert (found.missed, found.blamed) == (0, 0)
    ledgers = damage_ledgers(run, 60, seed=2)
    assert ledgers.made.keys() == LEDGER_KINDS.keys()
    assert (ledgers.missed, ledgers.blamed) == (0, 0)
    assert add_foreign_files(run)[1:] == (0, 0)


def test_a_half_rewritten_map_is_not_read(run: Path) -> None:
    """The first block is segmented with new settings: its mask is of them, and there is no map of anything."""
    first, second = painted_blocks(2)
    done = next(r for _, r in Ledger(run / "ledger/segment.jsonl").lines() if r.block == first)
    step = BlockStep("segment", {"settings": "new"}, painted_blocks(2), lambda group: len, 16)
    RunFolder(run).memory.begin(step.name, step.fingerprint, blocks=2)
    Ledger(run / "ledger/segment.jsonl").append(step.fingerprint, [done])
    (run / "cube.zarr/2020/cropland/c/0/0/1").write_bytes(b"torn")
    words = f"1 of 2 blocks of edition '2020' of .*cube.zarr have no finished 'segment': {second.name}"
    with pytest.warns(UnfinishedBlocksWarning, match=words):
        cube = open_cube(run).load()
    assert (cube.croplayer == 255).all() and (cube.cropland[0, :, 16:] == 255).all()
    assert (cube.cropland_probability[0, :, 16:] == 255).all() and (cube.cropland[0, :, :16] < 2).all()
    assert cube.imagery_valid.all() and cube.rgb.any()
    assert (
        cube.croplayer.dtype == cube.cropland.dtype == cube.rgb.dtype == np.uint8 and cube.imagery_valid.dtype == bool
    )
    assert cube.cropland.attrs["flag_values"] == [0, 1, 254, 255]
    assert cube.crop.area().area_km2.isna().all()
    with pytest.warns(UnfinishedBlocksWarning, match=f"1 of 1 blocks of .* no finished 'integrate': {first.name}"):
        open_cube(run, [first.name])


def test_a_block_whose_imagery_is_being_replaced_reads_as_never_processed(run: Path) -> None:
    step = BlockStep("mosaic", {"settings": "new"}, painted_blocks(2), lambda group: len, 16)
    RunFolder(run).memory.begin(step.name, step.fingerprint, blocks=2)
    with pytest.warns(UnfinishedBlocksWarning, match="2 of 2 blocks of .* no finished 'mosaic'"):
        cube = open_cube(run).load()
    assert not cube.imagery_valid.any() and not cube.rgb.any() and (cube.croplayer == 255).all()


def test_blocks_that_left_the_region_are_not_read(run: Path, tmp_path: Path) -> None:
    """Their records are still those of the step. The block table of a finished run tells which they are."""
    first, _ = painted_blocks(2)
    memory = StepMemory(run / "ledger/outputs.json", run)
    for name in STEPS_OF_CUBE:
        memory.finish(name, memory.entries()[name].fingerprint, BlocksDone(1, run / f"ledger/{name}.jsonl"))
    with pytest.warns(UnfinishedBlocksWarning, match="2 of 2 blocks"):
        assert (open_cube(run).croplayer == 255).all()
    pd.DataFrame({"row": [first.row], "col": [first.col]}).to_parquet(run / "blocks.parquet")
    memory.end()
    with pytest.warns(UnfinishedBlocksWarning, match="1 of 2 blocks"):
        cube = open_cube(run).load()
    assert (cube.croplayer[:, :16] < 2).all() and (cube.croplayer[:, 16:] == 255).all()
    with pytest.raises(MissingBlocksError, match="1 of 2 blocks"):
        open_cube(run, strict=True)


def test_a_cube_without_ledgers_reads_as_it_is_stored(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "cube.zarr", tmp_path / "alone/cube.zarr")
    xr.testing.assert_identical(open_cube(tmp_path / "alone/cube.zarr").load(), open_cube(run).load())


def test_a_place_that_is_no_cube_gets_a_sentence(run: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/recipe.toml").write_text("")
    (tmp_path / "compared").mkdir()
    (tmp_path / "compared/recipe.toml").write_text('name = "compared"')
    for place, error, message in (
        (run / "cube.zarr/2020", ValueError, r"is a part of .*cube.zarr; give that and edition='2020'"),
        (run / "ledger/outputs.json", ValueError, "is a file, not a cube; expected a run's folder"),
        (run / "ledger", ValueError, "is not a cube and not a run's folder"),
        (tmp_path / "new", FileNotFoundError, "has no cube.zarr yet"),
        (tmp_path / "compared", FileNotFoundError, r"maps nothing, because its recipe has no \[\[sources\]\]"),
        (tmp_path / "nothing", FileNotFoundError, "does not exist, so it is not a cube"),
    ):
        with pytest.raises(error, match=message):
            open_cube(place)
