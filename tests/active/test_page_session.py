"""What a person does at the page, without a browser: everything that is said is on disk."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shared.label_edits import change, clear, finish, in_task, rows_of

from croplayer.active import claims, judgements, row_edits
from croplayer.active.claims import AWAY
from croplayer.active.judgements import JudgementKind, read_journal, read_judgements
from croplayer.active.page.clock import PAUSE, Clock
from croplayer.active.page.desk import Desk
from croplayer.active.page.items import Item, Work
from croplayer.active.page.outlines import inserted, polygon_of, with_new_border
from croplayer.active.page.pictures import LINE, Pictures, outlined
from croplayer.active.page.samples import Sample
from croplayer.active.page.session import Session
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_labels, read_tasks
from croplayer.active.run_numbers import RunNumbers
from croplayer.evaluation.sample_files import read_sample
from stores.columns import CROPLAND_MASK, IMAGERY_VALID, RGB
from stores.legends import DEFAULT_CLASSES

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


class Time:
    """A clock that goes on by ten seconds each time that it is asked."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def sample(numbers: RunNumbers, tmp_path: Path) -> Path:
    """Four points in the middle of the run's first block."""
    box = numbers.cube.grid.bounds(numbers.names[0])
    lon = [box.west + (box.east - box.west) * share for share in (0.4, 0.5, 0.6, 0.7)]
    lat = [(box.south + box.north) / 2] * 4
    columns = {"id": ["p1", "p2", "p3", "p4"], "lon": lon, "lat": lat, "label": "", "note": ""}
    points = gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(lon, lat), crs="EPSG:4326")
    points.to_file(tmp_path / "sample.gpkg", layer="sample", driver="GPKG")
    return tmp_path / "sample.gpkg"


@pytest.fixture
def desk(project: LabelProject, numbers: RunNumbers, sample: Path) -> Desk:
    return Desk(project, Pictures(project, numbers.cube), DEFAULT_CLASSES.labels, Sample.open(sample))


def at(desk: Desk, work: Work, person: str = "Li") -> Session:
    session = Session(desk, person, Time())
    while session.work != work:
        session.press("m")
    return session


def journal(desk: Desk) -> list[tuple[str, str, str, str]]:
    said = read_judgements(desk.project.folder)
    return [(j.kind.value, j.subject, j.source, j.value) for j in said]


def press(session: Session, *keys: str) -> None:
    for key in keys:
        session.press(key)
        assert not session.failed, session.message


def test_a_block_is_judged_with_one_key_for_each_source_and_the_choice(desk: Desk) -> None:
    session = at(desk, Work.BLOCKS)
    first = session.item
    assert first is not None
    a, b = desk.sources
    press(session, "4", "6")
    assert session.item == first and not session.is_complete()
    press(session, "w")
    assert session.item != first  # complete, so the next one is shown
    assert journal(desk) == [
        ("correctness", first.subject, a, "Noise"),
        ("correctness", first.subject, b, "TP"),
        ("integration", first.subject, "", "Only A"),
    ]
    assert session.progress()[0] == 1
    seconds = [j.seconds for j in read_judgements(desk.project.folder)]
    assert all(s > 0 for s in seconds)


def test_undo_goes_back_to_the_item_and_to_what_was_said_before(desk: Desk) -> None:
    session = at(desk, Work.BLOCKS)
    first = session.item
    press(session, "1", "3", "6", "q", "z")
    assert session.item == first and "taken back" in session.message
    assert [v for *_, v in journal(desk)] == ["FP", "TP"]
    press(session, "z", "z")
    assert [v for *_, v in journal(desk)] == ["TP"]
    press(session, "z")
    assert journal(desk) == []
    press(session, "z")
    assert session.message == "there is nothing to undo"


def test_another_process_finds_everything_and_goes_on(desk: Desk) -> None:
    press(at(desk, Work.BLOCKS), "1", "6", "r", "2")
    again = at(replace(desk, _standing={}, _heard=(), _layers={}, _tasks=()), Work.BLOCKS)
    assert again.progress()[0] == 1 and again.value(JudgementKind.CORRECTNESS, desk.sources[0]) == "TN"


def test_points_are_labelled_into_the_sample_without_the_map(desk: Desk, sample: Path) -> None:
    session = at(desk, Work.POINTS)
    assert session.item is not None and session.item.subject == "p1"
    assert desk.pictures.map(session.item, desk.sources[0]) is None
    press(session, "1", "2", "1")
    assert list(read_sample(sample).points.label) == [1, 0, 1]
    press(session, "z")
    assert list(read_sample(sample).points.label) == [1, 0]
    assert "m" in session.keys and " " not in session.keys


def test_where_two_people_differ_the_point_has_no_label(desk: Desk, sample: Path) -> None:
    both = replace(desk, double=1.0)
    press(at(both, Work.POINTS), "1", "1")
    anna = at(both, Work.POINTS, "Anna")
    press(anna, "1", "2")
    rows = gpd.read_file(sample)
    assert list(rows.label[:2]) == ["cropland", ""] and rows.note[1] == "Anna: not cropland; Li: cropland"
    press(anna, "ArrowLeft", "1")
    rows = gpd.read_file(sample)
    assert list(rows.label[:2]) == ["cropland", "cropland"] and not rows.note[1]


def test_a_label_that_was_set_in_another_program_stays(desk: Desk, sample: Path) -> None:
    two = replace(desk, double=1.0)
    press(at(two, Work.POINTS), "1", "1", "1")
    anna = at(two, Work.POINTS, "Anna")
    press(anna, "2")
    # They differ on the first point, and somebody settles it as it was before they did; the second is settled otherwise.
    change(sample, "UPDATE sample SET label = 'cropland', note = '' WHERE id = 'p1'")
    change(sample, "UPDATE sample SET label = 'not cropland', note = NULL WHERE id = 'p2'")
    change(sample, "UPDATE sample SET label = NULL WHERE id = 'p3'")
    again = replace(two, _standing={}, _heard=())
    assert [*gpd.read_file(sample).label] == ["cropland", "not cropland", "cropland", ""]
    anna = at(again, Work.POINTS, "Anna")
    anna.press("1")
    assert anna.failed and "your answer is kept, but the label or note of p2 was set in" in anna.message
    assert [*gpd.read_file(sample).label] == ["cropland", "not cropland", "cropland", ""]
    assert len(journal(desk)) == 4 + 1


def test_labels_of_one_sample_are_not_those_of_another_with_the_same_name(desk: Desk, sample: Path) -> None:
    press(at(desk, Work.POINTS), "1")
    other = sample.parent / "other" / sample.name
    other.parent.mkdir()
    points = gpd.read_file(sample).assign(label="", note="")
    moved = points.set_geometry(points.translate(1e-4))
    moved.to_file(other, layer="sample", driver="GPKG")
    second = replace(desk, sample=Sample.open(other))
    assert [*gpd.read_file(other).label] == [""] * 4
    assert second.done(Work.POINTS) == {} and len(desk.done(Work.POINTS)) == 1
    assert Sample.open(sample).name == desk.sample.name != Sample.open(other).name  # type: ignore[union-attr]


def test_a_sample_that_another_program_holds_gets_its_labels_later(
    desk: Desk, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_edits, "PATIENCE_S", 0.1)
    session = at(desk, Work.POINTS)
    with closing(sqlite3.connect(sample)) as qgis:
        qgis.execute("BEGIN IMMEDIATE")
        session.press("1")
        assert session.failed and "your answer is kept, but not yet in the sample" in session.message
        qgis.rollback()
    assert journal(desk)[0][3] == "cropland"
    press(session, "ArrowRight", "2")
    assert sorted(read_sample(sample).points.label) == [0, 1]


def test_each_item_is_handed_to_one_and_a_share_to_two(desk: Desk) -> None:
    subjects = [at(desk, Work.POINTS, name).item for name in ("Li", "Anna", "Bo")]
    assert [i.subject for i in subjects if i] == ["p1", "p2", "p3"]
    two = replace(desk, double=1.0)
    assert {at(two, Work.POINTS, n).item.subject for n in ("Li", "Anna")} == {"p1"}  # type: ignore[union-attr]
    share = sum(desk_share.wanted(item) == 2 for desk_share, item in _many(replace(desk, double=0.3)))
    assert 240 < share < 360


def _many(desk: Desk) -> list[tuple[Desk, Item]]:
    window = desk.items(Work.POINTS)[0].window
    return [(desk, Item(Work.POINTS, f"p{i}", window)) for i in range(1000)]


def test_polygons_are_accepted_rejected_redrawn_and_drawn(desk: Desk) -> None:
    session = at(desk, Work.FIELDS)
    item = session.item
    assert item is not None
    task = next(t for t in read_tasks(desk.project) if t.id == item.subject)
    clear(desk.project)
    before = rows_of(desk.project.gpkg, "fields")
    assert before.empty
    press(session, "c")
    session.draw([2.0, 20.0, 20.0, 2.0], [2.0, 2.0, 20.0, 20.0])
    press(session, "Enter")
    (row,) = rows_of(desk.project.gpkg, "fields").itertuples()
    expected = in_task(desk.project, task, shapely.box(2, task.window.height - 20, 20, task.window.height - 2))
    assert shapely.equals_exact(row.geometry.normalize(), expected.normalize(), 1e-12)
    assert (row.origin, row.task) == ("person", item.subject)
    press(session, "Tab", "x")
    assert rows_of(desk.project.gpkg, "fields")["class"].iloc[0] == "not"
    press(session, "a", "e")
    assert session.drawing.corners[0] and len(session.drawing.corners[0]) == 4
    session.draw([*session.drawing.corners[0], 11.0], [*session.drawing.corners[1], 25.0])
    press(session, "Enter")
    moved = rows_of(desk.project.gpkg, "fields")
    assert moved["class"].iloc[0] == "cropland" and len(moved.geometry.iloc[0].exterior.coords) == 6
    press(session, "z", "z", "z", "z")
    assert rows_of(desk.project.gpkg, "fields").empty
    kept = read_tasks(desk.project)[0]
    assert kept.person == "Li" and kept.started and kept.minutes and kept.minutes > 0


def test_a_finished_task_is_read_as_done_with_its_time(desk: Desk) -> None:
    session = at(desk, Work.FIELDS)
    first = session.item
    assert first is not None
    clear(desk.project)
    session.press("d")
    assert session.failed and "press w if that is right" in session.message
    press(session, "w", "d")
    assert session.item != first
    found = read_labels(desk.project)
    task = next(t for t in found.tasks if t.id == first.subject)
    assert (task.status, task.person) == ("done", "Li") and task.started and task.finished
    assert task.minutes and 0 < task.minutes <= (task.finished - task.started).total_seconds() / 60 + 0.01
    assert len(found.empty) == 1
    session.note("nothing but forest")
    press(session, "ArrowLeft")
    session.note("nothing but forest")
    assert rows_of(desk.project.gpkg, "tasks").set_index("id").note[first.subject] == "nothing but forest"


def test_what_others_changed_meanwhile_is_not_written_over(desk: Desk) -> None:
    session = at(desk, Work.FIELDS)
    while not desk.outlines(session.item):  # type: ignore[arg-type]
        press(session, "ArrowRight")
    press(session, "Tab", "x")
    number = session.drawing.selected[1]  # type: ignore[index]
    change(desk.project.gpkg, "UPDATE fields SET class = 'cropland', note = 'Anna: it is' WHERE fid = ?", number)
    session.press("z")
    assert session.failed and f"feature {number} was changed by another program or person" in session.message
    assert rows_of(desk.project.gpkg, "fields").note[number] == "Anna: it is"


def test_a_note_and_a_status_that_were_set_elsewhere_are_not_written_over(desk: Desk) -> None:
    session = at(desk, Work.FIELDS)
    task = session.item.subject  # type: ignore[union-attr]
    session.note("a river")
    session.note("a wide river")
    assert not session.failed and session.noted == "a wide river"
    change(desk.project.gpkg, "UPDATE tasks SET note = 'Anna: a lake' WHERE id = ?", task)
    session.note("a canal")
    assert session.failed and "was changed by another program or person" in session.message
    assert session.noted == "Anna: a lake"
    assert session.see() == "Anna: a lake"  # the page shows it
    session.note("Anna: a lake; Li: a canal")
    assert not session.failed
    change(desk.project.gpkg, "UPDATE tasks SET status = 'done' WHERE id = ?", task)
    session.press("k")
    assert session.failed and "was changed by another program or person" in session.message
    assert rows_of(desk.project.gpkg, "tasks").set_index("id").status[task] == "done"


def test_tasks_that_others_have_begun_are_handed_out_last_and_not_while_they_are_claimed(desk: Desk) -> None:
    tasks = read_tasks(desk.project)
    finish(desk.project, tasks[0])
    change(desk.project.gpkg, "UPDATE tasks SET person = 'Anna' WHERE id = ?", tasks[1].id)
    session = at(desk, Work.FIELDS)
    assert session.item is not None and session.item.subject == tasks[2].id
    assert session.progress() == (1, 4, 5)
    anna = at(desk, Work.FIELDS, "Anna")
    assert anna.item is not None and anna.item.subject == tasks[1].id
    session.press("ArrowRight")
    session.press("ArrowRight")
    assert session.item.subject == tasks[4].id
    session.press("ArrowRight")  # all others come before the one that Anna is at
    assert session.item.subject == tasks[2].id
    for task in tasks[2:]:
        finish(desk.project, task)
    now = Time()()
    assert desk.hand_out(Work.FIELDS, "Li", tasks[2].id, now) is None
    again = desk.hand_out(Work.FIELDS, "Li", tasks[2].id, now + AWAY + timedelta(minutes=1))
    assert again is not None and again.subject == tasks[1].id


def test_a_full_disk_is_said_and_nothing_counts_as_saved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    session = at(desk, Work.BLOCKS)
    item = session.item

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(judgements.os, "fsync", full)
        session.press("1")
    assert session.failed and "No space left on device" in session.message and "nothing was saved" in session.message
    assert journal(desk) == [] and session.saved == 0 and session.item == item
    assert session.value(JudgementKind.CORRECTNESS, desk.sources[0]) == ""
    press(session, "1")
    assert [v for *_, v in journal(desk)] == ["TP"]
    press(session, "z", "z")
    assert session.message == "there is nothing to undo"


def test_what_is_shown_stays_where_nothing_can_be_handed_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    session = at(desk, Work.BLOCKS)
    shown = session.item, session.work, session.keys

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for key in ("m", "ArrowRight"):
        with monkeypatch.context() as patch:
            patch.setattr(claims, "write_durable", full)
            session.press(key)
        assert session.failed and "nothing can be handed out" in session.message and "make room" in session.message
        assert (session.item, session.work, session.keys) == shown and session.item is not None
    press(session, "m")
    assert session.work != Work.BLOCKS and not session.failed


def test_notes_are_kept_with_what_was_said(desk: Desk) -> None:
    session = at(desk, Work.BLOCKS)
    session.note("cloud")
    assert session.message == "the note is saved with what you judge" and session.saved == 0
    press(session, "1", "6")
    assert [j.note for j in read_judgements(desk.project.folder)] == ["cloud", "cloud"]
    session.note("thin cloud")
    assert session.noted == "thin cloud"
    assert [j.note for j in read_judgements(desk.project.folder)] == ["thin cloud", "thin cloud"]
    assert len(list(read_journal(desk.project.folder / "judgements" / "Li.jsonl"))) == 4
    press(session, "ArrowRight")
    assert session.noted == ""


def test_without_the_run_only_fields_are_left(project: LabelProject) -> None:
    desk = Desk(project, Pictures(project, None), DEFAULT_CLASSES.labels)
    assert desk.works == (Work.FIELDS,)
    session = Session(desk, "Li", Time())
    shown = session.item
    session.press("m")
    assert session.item == shown is not None and session.message == "this is the only kind of work here"
    picture = desk.pictures.imagery(session.item, desk.sources[0])  # type: ignore[arg-type]
    assert picture.rgba.shape[2] == 4 and desk.pictures.around(session.item, desk.sources[0]) is None  # type: ignore[arg-type]


def test_pictures_are_the_imagery_and_the_mask(desk: Desk, numbers: RunNumbers) -> None:
    item = desk.items(Work.BLOCKS)[0]
    source = desk.sources[0]
    picture, mask = desk.pictures.imagery(item, source), desk.pictures.map(item, source)
    cube = numbers.cube
    valid = cube.read_window(IMAGERY_VALID, item.window, source).astype(bool)
    assert picture.window == item.window
    assert np.array_equal(picture.rgba[valid][:, :3], cube.read_window(RGB, item.window, source)[valid])
    assert mask is not None
    cropland = cube.read_window(CROPLAND_MASK, item.window, source) == 1
    line = (mask.rgba == LINE).all(axis=-1)
    assert line.any() and not (line & ~cropland).any()
    around = desk.pictures.around(item, source)
    assert around is not None and around.window.common(item.window) == item.window


def test_an_outline_is_bright_inside_and_dark_outside() -> None:
    cropland = np.zeros((6, 6), bool)
    cropland[1:5, 1:5] = True
    alpha = outlined(cropland)[..., 3]
    assert alpha.tolist() == [
        [0, 150, 150, 150, 150, 0],
        [150, 255, 255, 255, 255, 150],
        [150, 255, 40, 40, 255, 150],
        [150, 255, 40, 40, 255, 150],
        [150, 255, 255, 255, 255, 150],
        [0, 150, 150, 150, 150, 0],
    ]


def test_pauses_are_no_work() -> None:
    clock = Clock(NOON)
    clock.tick(NOON + timedelta(seconds=30))
    clock.tick(NOON + timedelta(hours=1))
    clock.tick(NOON)  # a clock that was set back
    assert clock.take() == 30 + PAUSE.total_seconds() and clock.seconds == 0


def test_corners_become_polygons() -> None:
    assert polygon_of([0, 1], [0, 1]) is None and polygon_of([0, 0, 0, 1], [0, 0, 0, 1]) is None
    assert inserted([0, 4, 4, 0, 2], [0, 0, 4, 4, 5]) == ([0, 4, 4, 2, 0], [0, 0, 4, 5, 4])
    ring = shapely.box(0, 0, 10, 10).difference(shapely.box(4, 4, 6, 6))
    assert with_new_border(ring, shapely.box(0, 0, 12, 10)).area == 116
    assert with_new_border(ring, shapely.box(0, 0, 3, 3)).equals(shapely.box(0, 0, 3, 3))


def test_a_session_needs_a_name_and_a_sample_that_was_drawn(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="write your name"):
        Session(desk, "  ")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Sample.open(tmp_path / "none.gpkg")
    with pytest.raises(ValueError, match=r"give the \.gpkg file"):
        Sample.open(tmp_path / "sample.csv")
    with pytest.raises(ValueError, match="has no layer of points"):
        Sample.open(desk.project.gpkg)
