"""Whole rounds of a small project: the same bytes anywhere, whole or not there, and made again from what they pinned."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from shared.label_edits import change, clear, draw
from shared.labelled_rounds import EDGE, copied

from croplayer.active.held_out import block_of
from croplayer.active.judgements import Judgement, JudgementKind, append
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_tasks
from croplayer.active.rounds.folder import begun_folder, digests, finished_rounds, round_folder
from croplayer.active.rounds.making import Heard, NothingNewError, RunSide, make_round, rebuild_round
from croplayer.active.rounds.mapping import MappingSettings, map_blocks, run_masks
from croplayer.active.rounds.shown import ShownMasks, sampled_blocks
from croplayer.models.networks.manifest import bundle_digest, read_manifest
from croplayer.models.training.training_config import StepReport
from stores.round_columns import round_columns

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def made(labelled: LabelProject, side: RunSide, model: Path, tmp_path_factory: pytest.TempPathFactory) -> LabelProject:
    """The project after its first round; tests must leave it as it is."""
    project = copied(labelled, tmp_path_factory.mktemp("made") / "labels")
    assert make_round(project, side, model) == 1
    return project


def record_of(project: LabelProject) -> pd.DataFrame:
    return pd.read_parquet(project.folder / "rounds.parquet")


LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def judge(project: LabelProject, block: str, value: str, time: datetime = LONG_AGO) -> None:
    for source in project.settings.sources:
        append(project.folder, Judgement(JudgementKind.CORRECTNESS, block, source, value, "Li", time, 30.0))


def test_a_round_leaves_its_record(made: LabelProject) -> None:
    record = record_of(made)
    assert [*record] == [c.name for c in round_columns(made.settings.sources)]
    assert (record["round"] == 1).all() and record.unit.is_unique
    assert record.labels_new.sum() == 3 and record.labels_measuring.sum() == 3 and record.labels_old.sum() == 0
    assert record.positive.sum() == 6 and record.negative.sum() == 0 and record.labelling_minutes.sum() == 6 * 12
    assert record.judged.eq(0).all() and record.correct.isna().all() and record.correct_level.eq("not known").all()
    assert record.verdict.eq("go on").all() and not record.statistic_decided.any()
    assert record.iou.notna().any() and record.changed.between(0, 1).all()
    known = record[record.labelled_blocks > 0]
    assert (known.sampling_density == known.labelled_blocks / known.blocks).all()


def test_held_out_labels_never_train_nor_anything_of_their_blocks(made: LabelProject) -> None:
    seen = {name.partition(".")[0] for name in read_manifest(round_folder(made, 1).model).seen_scenes}
    held = {block_of(t.window, made.grid) for t in read_tasks(made) if made.is_held_out(t)}
    taught = [t for t in read_tasks(made) if t.id in seen]
    assert len(taught) == 3 and held and not held & {block_of(t.window, made.grid) for t in taught}


def test_the_same_folder_gives_the_same_bytes_anywhere(
    made: LabelProject,
    labelled: LabelProject,
    side: RunSide,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = copied(labelled, tmp_path / "somewhere" / "else")
    monkeypatch.chdir(tmp_path)
    make_round(other, side, model)
    ours, theirs = (digests(round_folder(p, 1).root) for p in (made, other))
    assert ours == theirs and len(ours) > 10
    record = "rounds.parquet"
    assert (other.folder / record).read_bytes() == (made.folder / record).read_bytes()


class KilledError(Exception):
    pass


def test_a_killed_round_is_not_there_and_goes_on_to_the_same_bytes(
    made: LabelProject, labelled: LabelProject, side: RunSide, model: Path, tmp_path: Path
) -> None:
    project = copied(labelled, tmp_path / "labels")
    steps: list[int] = []

    def kill(report: StepReport) -> None:
        steps.append(report.step)
        if report.step == 3:
            raise KilledError

    with pytest.raises(KilledError):
        make_round(project, side, model, Heard(on_step=kill))
    assert finished_rounds(project) == [] and not (project.folder / "rounds.parquet").exists()
    assert begun_folder(project, 1).root.is_dir()
    again: list[int] = []
    make_round(project, side, None, Heard(on_step=lambda report: again.append(report.step)))
    assert steps == [1, 2, 3] and again == [3, 4]
    assert digests(round_folder(project, 1).root) == digests(round_folder(made, 1).root)
    assert not begun_folder(project, 1).root.exists()


def test_a_killed_round_begins_again_when_its_labels_have_changed(
    labelled: LabelProject, side: RunSide, model: Path, tmp_path: Path
) -> None:
    project = copied(labelled, tmp_path / "labels")

    def kill(report: StepReport) -> None:
        if report.step == 3:
            raise KilledError

    with pytest.raises(KilledError):
        make_round(project, side, model, Heard(on_step=kill))
    first = next(t for t in read_tasks(project) if not project.is_held_out(t))
    draw(project, first, shapely.box(20, 20, 30, 30))
    again: list[int] = []
    make_round(project, side, model, Heard(on_step=lambda report: again.append(report.step)))
    assert again == [1, 2, 3, 4]


def test_new_labels_teach_from_the_last_model_and_old_ones_again(
    made: LabelProject, side: RunSide, tmp_path: Path
) -> None:
    project = copied(made, tmp_path / "labels")
    with pytest.raises(
        ValueError, match="nothing has changed since round 1: no label, judgement, setting or statistic"
    ):
        make_round(project, side, None)
    first = next(t for t in read_tasks(project) if not project.is_held_out(t))
    draw(project, first, shapely.box(20, 0, 30, EDGE))
    assert make_round(project, side, None) == 2
    record = record_of(project)
    second = record[record["round"] == 2]
    assert second.labels_new.sum() == 1 and second.labels_old.sum() == 2 and second.labelling_minutes.sum() == 12
    assert second.start_sha256.unique().tolist() == [bundle_digest(round_folder(project, 1).model)]
    names = read_manifest(round_folder(project, 2).model).metrics["training_scenes"]
    times = [sum(name.startswith(f"{t.id}.") for name in names) for t in read_tasks(project)]
    # Of each source that the map takes there: the new label three times, the old ones once, the held-out ones never.
    shown = {t.id: 0 if project.is_held_out(t) else 3 if t.id == first.id else 1 for t in read_tasks(project)}
    usable = [
        sum(side.numbers.is_usable(t.id.partition("-")[0], s) for s in project.settings.sources)
        for t in read_tasks(project)
    ]
    assert times == [n * shown[t.id] for t, n in zip(read_tasks(project), usable, strict=True)] and set(times) > {0}
    assert set(usable) == {1, 2}
    assert rebuild_round(project, 2, side) == []


def test_a_judgement_is_of_the_masks_that_were_shown_and_the_model_stays_without_new_labels(
    made: LabelProject, side: RunSide, tmp_path: Path
) -> None:
    project = copied(made, tmp_path / "labels")
    first, other = sampled_blocks(project)[:2]
    assert sorted(sampled_blocks(project)) == sorted(pd.read_parquet(round_folder(project, 1).sample).block.unique())
    shown, mapped = (
        ShownMasks.of(project, side.numbers.cube).masks(first),
        round_folder(project, 1).masks(project).read(first),
    )
    assert mapped is not None and all(np.array_equal(shown[source], mask) for source, mask in mapped.items())
    newest, source = ShownMasks.of(project, side.numbers.cube), project.settings.sources[0]
    old = Judgement(JudgementKind.CORRECTNESS, first, source, "TP", "Li", LONG_AGO)
    assert (newest.name(first, LONG_AGO), newest.name(first)) == ("run", "round 1")
    share = float((newest.masks(first, "run")[source] == newest.masks(first)[source]).mean())
    assert share < 1 and newest.is_still(replace(old, time=datetime.now(UTC)), 1.0)
    assert newest.is_still(old, share) and not newest.is_still(old, share + 0.001)
    assert newest.is_still(replace(old, shown="round 1"), 1.0)
    assert not newest.is_still(replace(old, time=datetime.now(UTC), shown="run"), share + 0.001)
    assert not newest.is_still(replace(old, shown="round 7"), 0.0)  # whose folder is gone
    judge(project, first, "TP", datetime.now(UTC))
    settings = (project.folder / "rounds.toml").read_text().replace("blocks = 4", "blocks = 4\nsame_mask = 1.0")
    (project.folder / "rounds.toml").write_text(settings)
    assert make_round(project, side, None) == 2
    assert bundle_digest(round_folder(project, 2).model) == bundle_digest(round_folder(project, 1).model)
    second = record_of(project).query("round == 2")
    assert second.judged.sum() == 2 and second.judged_before.sum() == 0 and second.judging_minutes.sum() == 1.0
    assert second.correct.dropna().tolist() == [1.0] and second.changed.eq(0).all()
    # What was judged before the first round was the run's own map.
    judge(project, other, "FP")
    run, now = run_masks(side.numbers.cube, other), round_folder(project, 1).masks(project).read(other)
    assert now is not None
    changed = sum(not np.array_equal(run[source], now[source]) for source in run)
    assert changed > 0
    make_round(project, side, None)
    third = record_of(project).query("round == 3")
    assert third.judged_before.sum() == changed
    assert third.judged.sum() + third.judged_waiting.sum() == 4 - changed
    of_unit = third[third.judged_before > 0]
    assert of_unit.correct.isna().all() and of_unit.correct_level.eq("not known").all()
    assert rebuild_round(project, 3, side) == []


def test_a_round_is_made_again_from_what_it_pinned(made: LabelProject, side: RunSide, tmp_path: Path) -> None:
    project = copied(made, tmp_path / "labels")
    clear(project)
    judge(project, "r1118c5880", "FP")
    (project.folder / "rounds.toml").write_text("[learning]\nsteps = 1\n")
    before = digests(project.folder / "rounds")
    assert rebuild_round(project, 1, side) == []
    assert digests(project.folder / "rounds") == before
    with pytest.raises(FileNotFoundError, match="the rounds are 1"):
        rebuild_round(project, 2, side)
    mask = next((round_folder(project, 1).root / "map").glob("*.tif"))
    mask.write_bytes(mask.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf"{mask.name} was changed since the round was made"):
        rebuild_round(project, 1, side)


def test_a_changed_copy_of_the_labels_is_named(made: LabelProject, side: RunSide, tmp_path: Path) -> None:
    project = copied(made, tmp_path / "labels")
    (copy,) = project.history.glob("*.gpkg")
    change(copy, "UPDATE tasks SET note = 'later'")
    with pytest.raises(
        ValueError, match=r"round 1 cannot be made again: the copy .* of its labels is not the same as then"
    ):
        rebuild_round(project, 1, side)


def test_bad_settings_are_named_before_anything_is_done(
    labelled: LabelProject, side: RunSide, model: Path, tmp_path: Path
) -> None:
    project = copied(labelled, tmp_path / "labels")
    (project.folder / "rounds.toml").write_text("[stop]\niou = 85\n")
    with pytest.raises(ValueError, match=r"rounds\.toml \[stop\] iou is 85; expected a number"):
        make_round(project, side, model)
    assert not project.history.exists() and not (project.folder / "rounds").exists()


def test_nothing_that_may_teach_is_said(labelled: LabelProject, side: RunSide, model: Path, tmp_path: Path) -> None:
    project = copied(labelled, tmp_path / "labels")
    for task in read_tasks(project):
        if not project.is_held_out(task):
            change(project.gpkg, "UPDATE tasks SET status = 'open' WHERE id = ?", task.id)
    with pytest.raises(ValueError, match="no finished task may teach: all of them lie in held-out blocks"):
        make_round(project, side, model)
    with pytest.raises(FileNotFoundError, match="the model of the run is not on this machine"):
        make_round(copied(labelled, tmp_path / "other"), side, None)


def test_a_new_statistic_or_picture_is_something_new(made: LabelProject, side: RunSide, tmp_path: Path) -> None:
    project = copied(made, tmp_path / "labels")
    other = replace(side, units=side.units.assign(statistic_km2=7.0))
    with pytest.raises(ValueError, match="the run's table of areas and statistics is not the same as then"):
        rebuild_round(project, 1, other)
    assert make_round(project, other, None) == 2
    assert record_of(project).query("round == 2").statistic_km2.eq(7).any()
    with pytest.raises(NothingNewError):
        make_round(project, other, None)
    picture = next(project.folder.glob("imagery/*/*.tif"))
    picture.write_bytes(picture.read_bytes() + b"\0")
    with pytest.raises(ValueError, match="the imagery of its tasks is not the same as then"):
        rebuild_round(project, 2, other)
    assert make_round(project, other, None) == 3


def test_what_a_killed_command_left_half_written_is_no_part_of_a_round(
    labelled: LabelProject, made: LabelProject, side: RunSide, model: Path, tmp_path: Path
) -> None:
    project = copied(labelled, tmp_path / "labels")

    def leave() -> None:
        root = begun_folder(project, 1).root
        (root / ".sample.parquet.0123.partial").write_bytes(b"half")
        (root / ".model.partial").mkdir(exist_ok=True)
        (root / "map" / ".r1.tif.partial").write_bytes(b"half")

    make_round(project, side, model, Heard(on_block=leave))
    assert digests(round_folder(project, 1).root) == digests(round_folder(made, 1).root)
    assert not list(round_folder(project, 1).root.rglob("*.partial")) and rebuild_round(project, 1, side) == []


def test_a_round_is_the_same_on_any_number_of_threads(made: LabelProject, side: RunSide) -> None:
    """The network maps and is measured on the threads of the settings, whatever the process has."""
    import torch

    seen: set[int] = set()
    torch.set_num_threads(2)
    heard = Heard(
        on_step=lambda _: seen.add(torch.get_num_threads()), on_block=lambda: seen.add(torch.get_num_threads())
    )
    assert rebuild_round(made, 1, side, heard) == []
    assert seen == {1} and torch.get_num_threads() == 2


def test_the_sample_is_mapped_as_the_run_maps_it(
    side: RunSide, model: Path, made: LabelProject, tmp_path: Path
) -> None:
    """With the run's own model the masks are the run's, but for pixels that see beyond its region."""
    numbers = side.numbers
    masks = round_folder(made, 1).masks(made)
    own = type(masks)(tmp_path, masks.grid, masks.sources)
    map_blocks(numbers.cube, model, numbers.blocks.block, MappingSettings(64, 16, 1, 0.5), own)
    inner = numbers.cube.blocks.window(numbers.cube.grid).grown(-80)
    for block in numbers.names:
        window = numbers.cube.grid.window(block)
        part = window.common(inner).slices_in(window)
        found = own.read(block.name)
        assert found is not None
        for source, mask in found.items():
            run = numbers.cube.read_block("cropland", block, source)
            assert np.array_equal(mask[part], run[part])
        with rasterio.open(own.path(block.name)) as file:
            assert file.descriptions == numbers.cube.sources
            assert file.bounds == pytest.approx(numbers.cube.grid.window_bounds(window))
    assert own.read("r0000c0000") is None
