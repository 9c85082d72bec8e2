from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import shapely
from shared.label_edits import rows_of

from croplayer.active import row_edits
from croplayer.active.geopackage import blob_of, read_layers
from croplayer.active.project import LabelProject
from croplayer.active.row_edits import ChangedElsewhereError, RowEdit, edit_rows


def stored(project: LabelProject) -> dict[str, list]:
    return {name: list(layer.features) for name, layer in read_layers(project.gpkg).items()}


def test_edits_of_several_layers_are_made_and_taken_back(project: LabelProject) -> None:
    before = stored(project)
    first, task = before["fields"][0], before["tasks"][0]
    box = blob_of(shapely.box(115, 35, 115.01, 35.01))
    back = edit_rows(
        project.gpkg,
        [
            RowEdit("fields", first.number, {"class": "not"}, {"geom": first.blob}),
            RowEdit("fields", None, {"geom": box, "class": "cropland", "origin": "person"}, {}),
            RowEdit("tasks", task.number, {"status": "done", "minutes": 2.5}, {"status": "open"}),
        ],
    )
    rows = rows_of(project.gpkg, "fields")
    assert rows["class"][first.number] == "not" and len(rows) == len(before["fields"]) + 1
    assert rows.geometry[back[1].number].equals(shapely.box(115, 35, 115.01, 35.01))
    # The spatial index and the extent know the new row, as programs that read a part of the layer need it.
    assert len(rows_of(project.gpkg, "fields").cx[114.99:115.02, 34.99:35.02]) == 1
    with closing(sqlite3.connect(project.gpkg)) as db:
        assert db.execute("SELECT count(*) FROM rtree_fields_geom").fetchone()[0] == len(rows)
        west, east = db.execute("SELECT min_x, max_x FROM gpkg_contents WHERE table_name = 'fields'").fetchone()
    assert west <= 115 and east >= 115.01
    edit_rows(project.gpkg, back)
    assert stored(project) == before


def test_one_refused_edit_refuses_all(project: LabelProject) -> None:
    before = stored(project)
    number = before["fields"][0].number
    edit_rows(project.gpkg, [RowEdit("fields", number, {"note": "mine"}, {})])
    now = stored(project)
    edits = [RowEdit("tasks", 1, {"note": "x"}, {}), RowEdit("fields", number, {"note": "yours"}, {"note": ""})]
    with pytest.raises(ChangedElsewhereError, match=f"layer fields feature {number} was changed by another"):
        edit_rows(project.gpkg, edits)
    with pytest.raises(ChangedElsewhereError, match="feature 9999 was changed"):
        edit_rows(project.gpkg, [RowEdit("tasks", 1, {"note": "x"}, {}), RowEdit("fields", 9999, None, {})])
    with pytest.raises(ValueError, match="layer fields has no column 'crop'"):
        edit_rows(project.gpkg, [RowEdit("tasks", 1, {"note": "x"}, {}), RowEdit("fields", number, {"crop": 1}, {})])
    assert stored(project) == now


def test_a_file_that_is_held_is_refused(project: LabelProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_edits, "PATIENCE_S", 0.1)
    before = stored(project)
    with closing(sqlite3.connect(project.gpkg)) as qgis:
        qgis.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match="is in use by another program; save the edits there"):
            edit_rows(project.gpkg, [RowEdit("tasks", 1, {"note": "x"}, {})])
        qgis.rollback()
    assert stored(project) == before
