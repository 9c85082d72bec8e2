"""Real GeoPackages, edited as people and their programs do."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from shared.label_edits import (
    EMPTY,
    change,
    clear,
    draw,
    drawn_blob,
    finish,
    in_task,
    only_task,
    rewrite,
    rows_of,
)

from croplayer.active import geopackage
from croplayer.active.project import LabelProject
from croplayer.active.reading import LabelError, Reading, read_labels, read_tasks
from croplayer.active.tasks import Task, TaskStatus

TIME = datetime(2024, 5, 31, 14, 30, tzinfo=UTC)


def pixels(project: LabelProject, task: Task, found: Reading, layer: str = "fields") -> list[shapely.Geometry]:
    """What was read, in pixels of a task's window."""
    box, n = project.grid.window_bounds(task.window), project.grid.px_per_degree
    rows = getattr(found, layer)
    shapes = rows.geometry[rows.task == task.id]
    return [shapely.transform(s, lambda xy: (xy - [box.west, box.north]) * [n, -n]) for s in shapes]


def areas(project: LabelProject, task: Task, found: Reading, layer: str = "fields") -> list[float]:
    return [pytest.approx(shape.area, abs=1e-6) for shape in pixels(project, task, found, layer)]


def problems(project: LabelProject) -> list[str]:
    with pytest.raises(LabelError) as caught:
        read_labels(project, TIME)
    return [line.removeprefix(f"{project.gpkg} ") for line in str(caught.value).splitlines()]


def test_untouched_labels_are_the_model_s(project: LabelProject) -> None:
    before = project.gpkg.read_bytes()
    found = read_labels(project, TIME)
    assert set(found.fields.origin) == {"model"} and not found.repairs
    assert found.count(TaskStatus.OPEN) == 5 and found.empty.empty
    drawn = rows_of(project.gpkg, "fields")
    assert shapely.area(found.fields.geometry).sum() == pytest.approx(shapely.area(drawn.geometry).sum())
    assert project.gpkg.read_bytes() == before
    assert found.copy.name.startswith("20240531T143000Z-")
    assert gpd.read_parquet(project.clean / "fields.parquet").task.tolist() == found.fields.task.tolist()


def test_a_moved_vertex_makes_a_polygon_a_person_s(project: LabelProject) -> None:
    fields = rows_of(project.gpkg, "fields")
    before = fields.geometry.iloc[0]
    moved = shapely.transform(before, lambda xy: xy * [1, 1 - 1e-9])
    rewrite(project.gpkg, "fields", fields.set_geometry([moved, *fields.geometry.iloc[1:]], crs=fields.crs))
    found = read_labels(project, TIME)
    assert found.fields.origin.tolist().count("person") >= 1
    assert set(found.fields.feature[found.fields.origin == "person"]) == {1}


def test_a_polygon_that_a_program_only_wrote_anew_stays_the_model_s(project: LabelProject) -> None:
    fields = rows_of(project.gpkg, "fields")
    turned = [shapely.MultiPolygon([shapely.reverse(shape)]) for shape in fields.geometry]
    rewrite(project.gpkg, "fields", fields.set_geometry(turned, crs=fields.crs))
    assert set(read_labels(project, TIME).fields.origin) == {"model"}


def test_one_mistake_is_named_once(project: LabelProject) -> None:
    task = only_task(project)
    draw(project, task, shapely.box(1, 1, 9, 9), **{"class": "wheat"})
    assert len(problems(project)) == 1


def test_a_person_wins_over_the_model_and_later_over_earlier(project: LabelProject) -> None:
    task = only_task(project)
    # Drawn in an order in which the model's polygon, re-added last, would win by its number alone.
    draw(project, task, shapely.box(0, 0, 10, 10))
    draw(project, task, shapely.box(5, 0, 15, 10))
    draw(project, task, shapely.box(0, 0, 30, 20), origin="model", as_mapped="")
    box = in_task(project, task, shapely.box(0, 0, 30, 20))
    from croplayer.active.prefill import shape_digest

    change(project.gpkg, "UPDATE fields SET as_mapped = ? WHERE origin = 'model'", shape_digest(box))
    found = read_labels(project, TIME)
    assert areas(project, task, found) == [50, 100, 450]
    assert found.fields.origin.tolist() == ["person", "person", "model"]
    assert len(found.repairs) == 2 and "50% of it lay under feature" in str(found.repairs[0])
    union = shapely.union_all(pixels(project, task, found))
    assert union.area == pytest.approx(600)


def test_an_empty_area_wins_over_the_model_but_not_over_a_person(project: LabelProject) -> None:
    task = read_tasks(project)[0]
    finish(project, task)
    draw(project, task, shapely.box(0, 0, 32, 32), layer=EMPTY)
    found = read_labels(project, TIME)
    assert not len(found.fields[found.fields.task == task.id])
    assert areas(project, task, found, "empty") == [1024]
    draw(project, task, shapely.box(4, 4, 14, 14))
    (said,) = problems(project)
    assert said.endswith(f"geometry: it overlaps an area of the layer empty in task {task.id}; remove one of both")


def test_a_bow_tie_an_open_ring_and_parts_are_repaired(project: LabelProject) -> None:
    task = only_task(project)
    draw(project, task, shapely.Polygon([(0, 0), (8, 8), (8, 0), (0, 8)]))
    ring = [(2.0, 12.0), (10.0, 12.0), (10.0, 20.0), (2.0, 20.0)]
    placed = [
        tuple(point) for point in shapely.get_coordinates(in_task(project, task, shapely.MultiPoint(ring))).tolist()
    ]
    change(project.gpkg, "INSERT INTO fields (geom, class) VALUES (?, 'Cropland ')", drawn_blob([placed]))
    parts = shapely.GeometryCollection(
        [shapely.box(20, 0, 26, 6), shapely.box(20, 10, 26, 16), shapely.LineString([(0, 30), (5, 30)])]
    )
    draw(project, task, parts)
    found = read_labels(project, TIME)
    assert areas(project, task, found) == [16, 16, 64, 36, 36]
    texts = [str(remark) for remark in found.repairs]
    assert any("repaired: Self-intersection" in text for text in texts)
    assert any("lines and points of it are left out" in text for text in texts)
    assert all(shape.is_valid and shape.geom_type == "Polygon" for shape in pixels(project, task, found))
    assert set(found.fields.origin) == {"person"}


def test_slivers_and_what_lies_outside_are_cut_off_and_told(project: LabelProject) -> None:
    task = only_task(project)
    draw(project, task, shapely.box(0, 0, 10, 10))
    draw(project, task, shapely.box(0.2, 10, 10, 20))
    draw(project, task, shapely.box(0, 8, 10, 20.1), note="leaves slivers of the second one")
    draw(project, task, shapely.box(20, 20, 20.5, 21))
    draw(project, task, shapely.box(22, -8, 32, 8))
    found = read_labels(project, TIME)
    assert areas(project, task, found) == [80, 121, 80]
    texts = [str(r) for r in found.repairs]
    assert any("100% of it lay under feature" in t for t in texts)
    assert any(t.endswith("a part of it is smaller than a field can be and is left out") for t in texts)
    assert any("50% of it lies outside of the tasks and is left out" in t for t in texts)
    assert pd.read_csv(project.clean / "repairs.csv").shape[0] == len(texts)


def test_a_field_over_two_tasks_is_in_both(project: LabelProject) -> None:
    first, second = read_tasks(project)[:2]
    clear(project)
    boxes = [shapely.box(*project.grid.window_bounds(t.window)) for t in (first, second)]
    shape = shapely.union_all(boxes).convex_hull
    frame = gpd.GeoDataFrame({"class": ["cropland"]}, geometry=[shape], crs=4326)
    geopackage.append_rows(project.gpkg, {"fields": frame})
    found = read_labels(project, TIME)
    assert {first.id, second.id} <= set(found.fields.task)
    for task in (first, second):
        assert areas(project, task, found) == [1024]


def test_another_crs_is_read_where_it_lies(project: LabelProject) -> None:
    task = only_task(project)
    draw(project, task, shapely.box(4, 4, 14, 14))
    rewrite(project.gpkg, "fields", rows_of(project.gpkg, "fields").to_crs(32650))
    found = read_labels(project, TIME)
    assert pixels(project, task, found)[0].area == pytest.approx(100, rel=1e-6)
    with pytest.raises(
        ValueError, match="layer fields is not in EPSG:4326; save it in EPSG:4326 before tasks are added"
    ):
        draw(project, task, shapely.box(4, 4, 14, 14))


def test_everything_that_cannot_be_used_is_named_at_once(project: LabelProject) -> None:
    first, second, third, *_ = read_tasks(project)
    clear(project)
    finish(project, first)
    change(
        project.gpkg, "UPDATE tasks SET status = 'finished', minutes = 'ten', started = 'noon' WHERE id = ?", second.id
    )
    change(
        project.gpkg,
        "UPDATE tasks SET started = '2024-05-31T14:30:00Z', finished = '2024-05-31' WHERE id = ?",
        third.id,
    )
    change(project.gpkg, "UPDATE tasks SET id = 'my task' WHERE fid = 5")
    draw(project, third, shapely.box(1, 1, 9, 9), **{"class": "cropp land"})
    draw(project, third, shapely.box(1, 1, 9, 9), **{"class": ""})
    draw(project, third, shapely.box(1, 1, 9, 9), origin="me")
    draw(project, third, shapely.LineString([(0, 0), (5, 5)]))
    draw(project, third, shapely.box(9000, 0, 9010, 10))
    change(project.gpkg, "INSERT INTO fields (geom, class) VALUES (NULL, 'cropland')")
    change(project.gpkg, "INSERT INTO fields (geom, class) VALUES (?, 'cropland')", b"GP\0\1" + b"\0" * 9)
    said = problems(project)
    found = dict(line.partition(": ")[::2] for line in said)
    fids = sorted(rows_of_numbers(project))
    assert found["layer tasks, feature 1, status"].startswith(
        f"task {first.id} is done and holds no field; draw an area"
    )
    assert found["layer tasks, feature 2, status"] == "'finished' is unknown; expected open or done or skipped"
    assert found["layer tasks, feature 2, minutes"] == "'ten' is no number of minutes; expected 0 or more"
    assert found["layer tasks, feature 2, started"] == "'noon' is no time; expected a form like 2024-05-31 14:30"
    assert found["layer tasks, feature 3, finished"] == "2024-05-31T00:00:00+00:00 is before the start"
    assert found["layer tasks, feature 5, id"].startswith("'my task' is not the id of a task")
    assert found[f"layer fields, feature {fids[0]}, class"] == (
        "'cropp land' is unknown; expected cropland or not; did you mean 'cropland'?"
    )
    assert found[f"layer fields, feature {fids[1]}, class"] == "it is empty; expected cropland or not"
    assert found[f"layer fields, feature {fids[2]}, origin"].startswith("'me' is unknown; expected model or person")
    assert found[f"layer fields, feature {fids[3]}, geometry"] == "it is a LineString; expected a polygon"
    assert found[f"layer fields, feature {fids[4]}, geometry"] == "it lies in no task; move it, or delete it"
    assert found[f"layer fields, feature {fids[5]}, geometry"] == "it has none; draw it or delete the feature"
    assert found[f"layer fields, feature {fids[6]}, geometry"].startswith("its geometry cannot be read")
    assert len(said) == 13
    assert pd.read_csv(project.clean / "problems.csv").shape[0] == 13
    assert not (project.clean / "fields.parquet").exists()
    assert pd.read_csv(project.readings).problems.tolist() == [13]


def rows_of_numbers(project: LabelProject) -> list[int]:
    with closing(sqlite3.connect(project.gpkg)) as db:
        return [fid for (fid,) in db.execute("SELECT fid FROM fields")]


@pytest.mark.parametrize("layer", ["tasks", "fields", "empty"])
def test_a_deleted_layer_is_named_with_where_it_still_is(project: LabelProject, layer: str) -> None:
    read_labels(project, TIME)
    for table in ("gpkg_geometry_columns", "gpkg_contents"):
        change(project.gpkg, f"DELETE FROM {table} WHERE table_name = ?", layer)
    change(project.gpkg, f"DROP TABLE {layer}")
    assert problems(project) == [f"layer {layer}: the layer is missing; take it back from a copy in the folder history"]
    assert len(list(project.history.glob("*.gpkg"))) == 2


def test_a_damaged_file_is_said_with_its_last_copy(project: LabelProject) -> None:
    last = read_labels(project, TIME).copy
    whole = project.gpkg.read_bytes()
    project.gpkg.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=rf"labels\.gpkg is damaged .*; the last copy is .*{last.name}"):
        read_labels(project, TIME)
    project.gpkg.write_bytes(b"PK\3\4" + whole[4:])
    with pytest.raises(ValueError, match="is not a GeoPackage or is damaged at its beginning"):
        read_labels(project, TIME)
    project.gpkg.unlink()
    with pytest.raises(FileNotFoundError, match=rf"labels\.gpkg does not exist; the last copy is .*{last.name}"):
        read_labels(project, TIME)
    assert [p.name for p in project.history.iterdir()] == [last.name]
    shutil.copy(last, project.gpkg)
    assert read_labels(project, TIME).copy == last


def test_a_file_in_use_is_said(project: LabelProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geopackage, "PATIENCE_S", 0.1)
    with closing(sqlite3.connect(project.gpkg, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OSError, match=r"labels\.gpkg is in use by another program; save the edits there, close it"):
            read_labels(project, TIME)
        with pytest.raises(OSError, match="is in use by another program"):
            geopackage.append_rows(project.gpkg, {})
    assert read_labels(project, TIME).tasks


def test_edits_that_a_program_has_not_merged_yet_are_read(project: LabelProject) -> None:
    task = only_task(project)
    with closing(sqlite3.connect(project.gpkg)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("SELECT count(*) FROM tasks").fetchone()
        draw(project, task, shapely.box(4, 4, 14, 14))
        assert project.gpkg.with_name("labels.gpkg-wal").stat().st_size
        found = read_labels(project, TIME)
    assert areas(project, task, found) == [100]
    assert not list(project.history.glob("*-wal")), "a copy is one file"


def test_each_state_is_copied_once_and_noted_once(project: LabelProject) -> None:
    first = read_labels(project, TIME)
    noted = project.readings.read_bytes()
    again = read_labels(project, datetime(2025, 1, 1, tzinfo=UTC))
    assert again.copy == first.copy and project.readings.read_bytes() == noted
    task = only_task(project)
    draw(project, task, shapely.box(4, 4, 14, 14))
    read_labels(project, datetime(2025, 1, 2, tzinfo=UTC))
    table = pd.read_csv(project.readings)
    assert table.time.tolist() == ["2024-05-31T14:30:00Z", "2025-01-02T00:00:00Z"]
    assert table.done.tolist() == [0, 1] and table.fields_of_person.tolist() == [0, 1]
    assert table.minutes.tolist() == [0, 12]
    assert rows_of(first.copy, "fields").shape[0] > 0, "the first copy has what was deleted since"


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from croplayer.active import reading
from croplayer.active.project import LabelProject

def killed(*arguments):
    os._exit(9)

setattr(reading, sys.argv[2], killed)
reading.read_labels(LabelProject.open(Path(sys.argv[1])), datetime(2024, 5, 31, 14, 30, tzinfo=UTC))
"""


@pytest.mark.parametrize("at", ["read_layers", "write_csv"])
def test_a_reading_that_is_killed_loses_nothing(project: LabelProject, at: str) -> None:
    before = project.gpkg.read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED, str(project.folder), at], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    (copy,) = project.history.glob("*.gpkg")
    found = read_labels(project, datetime(2025, 1, 1, tzinfo=UTC))
    assert found.copy == copy and project.gpkg.read_bytes() == before
    assert len(pd.read_csv(project.readings)) == 1


def test_times_and_work_of_a_task_are_kept(project: LabelProject) -> None:
    task = read_tasks(project)[0]
    rows = rows_of(project.gpkg, "tasks")
    rows["person"] = rows.person.astype(object)
    rows.loc[1, ["status", "person"]] = ["DONE", "李"]
    rows["started"] = pd.Timestamp("2024-05-31 14:00", tz="UTC")
    rows["finished"] = pd.Timestamp("2024-05-31 14:25:30", tz="UTC")
    rewrite(project.gpkg, "tasks", rows)
    read = read_labels(project, TIME).tasks[0]
    assert (read.id, read.status, read.person, read.minutes) == (task.id, TaskStatus.DONE, "李", 25.5)
    assert read.reason == task.reason and read.scores == task.scores and read.window == task.window
