from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import rasterio.features
import shapely
from shared.small_cubes import RANGE, SOURCES, make_cube

from croplayer.active.prefill import outlines_of, prefilled
from croplayer.active.project import create_project
from croplayer.active.reading import read_labels
from croplayer.active.tasks import Task, task_id
from croplayer.active.windows import windows_of
from croplayer.cube.whole_blocks import Cube
from stores.columns import FIELD, FIELD_JOIN
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, PixelWindow

BLOCK = BlockIndex(RANGE.row, RANGE.col)


def test_windows_without_cropland_have_no_polygons(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    mask = np.zeros((64, 64), np.uint8)
    mask[:32, :32], mask[40, 40] = 254, 1
    cube.write_block("croplayer", BLOCK, mask)
    tasks = [Task(task_id(w, cube.grid), w, "", "", 1, "Why.") for w in windows_of(BLOCK, cube.grid, 32)]
    assert [len(prefilled(cube, task)) for task in tasks] == [0, 0, 0, 0]
    project = create_project(tmp_path / "labels", tmp_path, cube, 32, 0, tasks)
    found = read_labels(project)
    assert len(found.tasks) == 4 and found.fields.empty and found.empty.empty
    assert pd.read_parquet(project.clean / "fields.parquet").empty


def test_fields_that_touch_stay_apart_and_share_their_border() -> None:
    """Numbers of single fields give their polygons just as regions do, also large and gappy ones."""
    grid, window = BlockGrid(2560), PixelWindow(1100 * 2560, 5880 * 2560, 64, 64)
    numbers = np.zeros((64, 64), np.int64)
    numbers[4:60, 4:30], numbers[4:60, 30:60], numbers[0, 0] = 7 << 40, 3 << 41, 5
    shapes = outlines_of(numbers, window, grid)
    assert len(shapes) == 2 and shapely.intersection(*shapes).area == 0 and shapely.touches(*shapes)
    burnt = rasterio.features.rasterize(shapes, (64, 64), transform=grid.transform(window))
    assert np.array_equal(burnt > 0, numbers > 5)


def test_a_run_with_fields_gives_its_fields(tmp_path: Path) -> None:
    CUBE.create(DurableStore(tmp_path / "cube.zarr"), "2020", BlockGrid(64), RANGE, SOURCES, (FIELD, FIELD_JOIN))
    cube = Cube.open(tmp_path / "cube.zarr")
    mask, field = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint32)
    mask[:30, :60], field[:30, :30], field[:30, 30:50] = 1, 4, 9
    cube.write_block("croplayer", BLOCK, mask)
    cube.write_block(FIELD, BLOCK, field)
    window = cube.grid.window(BLOCK)
    shapes = prefilled(cube, Task(task_id(window, cube.grid), window, "", "", 1, "Why.")).geometry
    widths = [round((b[2] - b[0]) * cube.grid.px_per_degree) for b in shapes.map(lambda s: s.bounds)]
    assert widths == [30, 20, 10]
