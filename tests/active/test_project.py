from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyogrio
import pytest
import rasterio
import rasterio.features
import shapely
from shared.label_edits import change, draw, rows_of

from croplayer.active import project as project_module
from croplayer.active.choosing import Wanted, choose
from croplayer.active.project import LabelProject, add_tasks, create_project
from croplayer.active.reading import read_labels, read_tasks
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.tasks import ChosenBy, TaskStatus
from stores.grid import PixelWindow


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def more_tasks(project: LabelProject, numbers: RunNumbers, count: int = 2) -> list:
    there = read_tasks(project)
    tasks = choose(numbers, Wanted(count, 0.0, 3, 2, project.settings.window_px), [t.window for t in there])
    add_tasks(project, numbers.cube, tasks, there)
    return tasks


def test_tasks_are_read_back_as_they_were_chosen(project: LabelProject, numbers: RunNumbers) -> None:
    tasks = read_tasks(project)
    assert tasks == choose(numbers, Wanted(5, 0.2, 3, 1, 32))
    assert {t.status for t in tasks} == {TaskStatus.OPEN}
    assert sum(t.chosen_by == ChosenBy.RANDOM for t in tasks) == 1


def test_pictures_are_the_pixels_of_the_cube(project: LabelProject, numbers: RunNumbers) -> None:
    grid = numbers.cube.grid
    for task in read_tasks(project):
        for source in numbers.cube.sources:
            with rasterio.open(project.picture(task, source)) as file:
                pixels = file.read()
                shown = PixelWindow(*grid.pixel_at(*file.xy(0, 0)), file.height, file.width)
                assert [c.name for c in file.colorinterp] == ["red", "green", "blue", "alpha"]
            assert shown.common(task.window) == task.window and shown.height <= 48
            assert np.array_equal(np.moveaxis(pixels[:3], 0, -1), numbers.cube.read_window("rgb", shown, source))
            assert np.array_equal(pixels[3] > 0, numbers.cube.read_window("imagery_valid", shown, source))
            with rasterio.open(project.folder / "imagery" / f"{source}.vrt") as mosaic:
                row, col = mosaic.index(*grid_corner(grid, shown))
                part = mosaic.read(window=((row, row + shown.height), (col, col + shown.width)))
            assert np.array_equal(part, pixels)


def grid_corner(grid, window: PixelWindow) -> tuple[float, float]:
    return float(grid.longitudes(window.col, 1)[0]), float(grid.latitudes(window.row, 1)[0])


def test_polygons_are_those_of_the_map(project: LabelProject, numbers: RunNumbers) -> None:
    fields = rows_of(project.gpkg, "fields")
    assert set(fields["class"]) == {"cropland"} and set(fields.origin) == {"model"}
    assert fields.geometry.is_valid.all()
    for task in read_tasks(project):
        mask = numbers.cube.read_window("croplayer", task.window) == 1
        own = fields.geometry[fields.task == task.id]
        drawn = np.zeros(mask.shape, np.uint8)
        if len(own):
            drawn = rasterio.features.rasterize(own, mask.shape, transform=numbers.cube.grid.transform(task.window))
        assert (drawn == mask).mean() > 0.97  # outlines are simplified by less than a pixel


def test_the_qgis_project_names_what_is_there(project: LabelProject) -> None:
    data = (project.folder / "labels.qgs").read_bytes()
    root = ElementTree.fromstring(data)
    assert root.tag == "qgis" and b"<!DOCTYPE qgis PUBLIC" in data
    layers = {layer.findtext("id"): layer for layer in root.iter("maplayer")}
    tree = {node.get("id"): node for node in root.iter("layer-tree-layer")}
    assert set(layers) == set(tree) and len(layers) == 5
    for key, layer in layers.items():
        source = str(layer.findtext("datasource"))
        assert source == tree[key].get("source") and source.startswith("./"), "paths are relative"
        path, _, name = source.partition("|layername=")
        assert (project.folder / path).is_file()
        if name:
            info = pyogrio.read_info(project.folder / path, layer=name)
            assert {f.get("name") for f in layer.iter("field")} <= set(info["fields"])
            assert info["geometry_type"] == "Polygon" and info["crs"] == "EPSG:4326"
    groups = [g.get("name") for g in root.find("layer-tree-group").findall("layer-tree-group")]  # type: ignore[union-attr]
    assert groups == ["Labels", "Imagery"], "imagery lies below"
    words = {
        field.get("name"): [o.get("value") for o in field.iter("Option") if o.get("type") == "QString"]
        for layer in layers.values()
        for field in layer.iter("field")
        if field.find("editWidget[@type='ValueMap']") is not None
    }
    assert words["class"] == ["cropland", "not"] and words["status"] == ["open", "done", "skipped"]
    assert root.find("snapping-settings").get("enabled") == "1"  # type: ignore[union-attr]
    assert root.findtext("properties/Paths/Absolute") == "false"
    categories = [c.get("value") for c in layers["labels_tasks"].iter("category")]
    assert categories == ["open", "done", "skipped"]


def test_new_tasks_touch_nothing_that_is_there(project: LabelProject, numbers: RunNumbers) -> None:
    first = read_tasks(project)
    draw(project, first[0], shapely.box(2, 2, 12, 12), note="mine")
    change(project.gpkg, "UPDATE tasks SET note = 'seen' WHERE id = ?", first[1].id)
    (project.folder / "labels.qgs").write_text("changed by its user")
    before = files_of(project.folder)
    rows = {layer: rows_of(project.gpkg, layer) for layer in ("tasks", "fields", "empty")}
    tasks = more_tasks(project, numbers)
    after = files_of(project.folder)
    changed = {name for name, data in before.items() if after[name] != data}
    assert changed == {"labels.gpkg", "imagery/aster.vrt", "imagery/borealis.vrt"}
    for layer, old in rows.items():
        assert rows_of(project.gpkg, layer).loc[old.index].equals(old)
    assert [t.id for t in read_tasks(project)] == [t.id for t in (*first, *tasks)]
    assert set(rows_of(project.gpkg, "fields").task) <= {t.id for t in (*first, *tasks)} | {None}
    with rasterio.open(project.folder / "imagery" / "aster.vrt") as mosaic:
        assert len(mosaic.files) == 1 + len(first) + len(tasks)
    bounds = pyogrio.read_info(project.gpkg, layer="tasks", force_total_bounds=True)["total_bounds"]
    assert tuple(bounds) == tuple(rows_of(project.gpkg, "tasks").total_bounds)


def test_the_spatial_index_finds_new_rows(project: LabelProject, numbers: RunNumbers) -> None:
    for task in more_tasks(project, numbers):
        box = numbers.cube.grid.window_bounds(task.window)
        middle = shapely.box(*box).centroid.buffer(1e-6).bounds
        assert task.id in set(pyogrio.read_dataframe(project.gpkg, layer="tasks", bbox=middle).id)


def test_a_project_is_not_written_over(project: LabelProject, numbers: RunNumbers, finished_small_run: Path) -> None:
    before = files_of(project.folder)
    with pytest.raises(FileExistsError, match="exists and may hold labels; give another folder"):
        create_project(project.folder, finished_small_run, numbers.cube, 32, 0, read_tasks(project))
    assert files_of(project.folder) == before


FULL = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from croplayer.active.choosing import Wanted, choose
from croplayer.active.project import LabelProject, add_tasks, create_project
from croplayer.active.reading import read_labels, read_tasks
from croplayer.active.run_numbers import RunNumbers
from stores.run_folder import RunFolder
what, run, folder, most = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
numbers = RunNumbers.read(RunFolder(run), "2020", [], [])
there = read_tasks(LabelProject.open(folder)) if what != "init" else []
tasks = choose(numbers, Wanted(8, 0.0, 3, 2, 32), [t.window for t in there])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
try:
    if what == "init":
        create_project(folder, run, numbers.cube, 32, 0, tasks)
    elif what == "next":
        add_tasks(LabelProject.open(folder), numbers.cube, tasks, there)
    else:
        read_labels(LabelProject.open(folder))
except Exception as error:
    print(type(error).__name__, error)
else:
    print("nothing happened")
"""


def on_a_full_disk(what: str, run: Path, folder: Path, most: int) -> str:
    """Do something where no file may grow beyond some bytes, as on a disk that becomes full."""
    arguments = [sys.executable, "-c", FULL, what, str(run), str(folder), str(most)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_full_disk_loses_nothing(project: LabelProject, finished_small_run: Path, tmp_path: Path) -> None:
    draw(project, read_tasks(project)[0], shapely.box(2, 2, 12, 12))
    before = {layer: rows_of(project.gpkg, layer) for layer in ("tasks", "fields", "empty")}
    size = project.gpkg.stat().st_size
    said = on_a_full_disk("next", finished_small_run, project.folder, size)
    assert said.startswith("OSError") and "so nothing was added to it; make room and try again" in said
    for layer, rows in before.items():
        assert rows_of(project.gpkg, layer).equals(rows)
    said = on_a_full_disk("read", finished_small_run, project.folder, size // 2)
    assert "nothing happened" not in said
    assert not list(project.history.glob("*.gpkg")) and not list(project.history.glob(".copy*"))
    new = tmp_path / "new"
    said = on_a_full_disk("init", finished_small_run, new, size // 2)
    assert "nothing happened" not in said
    assert not new.exists() and not list(tmp_path.glob(".new*"))


@pytest.mark.parametrize("at", ["write_mosaic", "append_rows"])
def test_adding_that_is_killed_is_done_again(
    project: LabelProject, numbers: RunNumbers, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """What is there when these are called is what a killed command leaves."""
    rows = rows_of(project.gpkg, "fields")

    def stopped(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(project_module, at, stopped)
        more_tasks(project, numbers)
    assert rows_of(project.gpkg, "fields").equals(rows) and len(read_tasks(project)) == 5
    tasks = more_tasks(project, numbers)
    assert len(read_tasks(project)) == 5 + len(tasks)
    assert read_labels(project).count(TaskStatus.OPEN) == 5 + len(tasks)


def test_what_is_no_project_is_said(project: LabelProject, tmp_path: Path, numbers: RunNumbers) -> None:
    with pytest.raises(FileNotFoundError, match=r"is not a label project, it has no project\.json"):
        LabelProject.open(tmp_path / "nothing")
    path = project.folder / "project.json"
    stored = json.loads(path.read_text())
    for wrong in ("{", "[]", json.dumps({**stored, "format": "2"}), json.dumps({**stored, "block_px": "a"}), "{}"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"project\.json is damaged or of another version"):
            LabelProject.open(project.folder)
    path.write_text(json.dumps({**stored, "edition": "2019"}))
    with pytest.raises(ValueError, match="was made from edition '2019' with the sources aster, borealis"):
        add_tasks(LabelProject.open(project.folder), numbers.cube, [], [])
