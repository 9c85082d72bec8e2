"""Fields that the report shows over the imagery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from pipelines.stages.report_pictures import Shown
from stores.columns import RGB
from stores.durable import digest_file
from stores.grid import CRS, PixelWindow

if TYPE_CHECKING:
    from croplayer.report.field_pictures import FieldView

AROUND = 0.4
"""Ground shown on each side of a field, of its longer side."""
LEAST_AROUND_PX = 12


def worst_fields(run: Shown, worst: pd.DataFrame) -> list[FieldView]:
    """Views of the drawn fields of ``tables/field_worst.csv`` and of what was found there, over the imagery."""
    from croplayer.cube.field_query import fields_in
    from croplayer.report.field_pictures import FieldView
    from croplayer.report.page import number
    from croplayer.vector.polygons import read_polygons
    from croplayer.vector.zones import zones_of_pixels

    grid, held = run.inputs.grid, run.output.cube.blocks.window(run.inputs.grid)
    drawn = read_polygons(Path(str(run.inputs.recipe.evaluation.parcels)), "parcels")
    views = []
    for row in worst.itertuples():
        own = PixelWindow(*(int(n) for n in (row.row, row.col, row.height, row.width)))
        around = max(LEAST_AROUND_PX, round(AROUND * max(own.height, own.width)))
        window = own.grown(around).common(held)
        frames = fields_in(run.output.folder, grid.window_bounds(window))
        found = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=CRS)
        labels, truth = (zones_of_pixels(frame, window, grid) + 1 for frame in (found, drawn))
        views.append(FieldView(_imagery(run, window), labels, truth, f"{number(row.area_ha)} ha, IoU {row.iou:.2f}"))
    return views


def _imagery(run: Shown, window: PixelWindow) -> np.ndarray:
    """Pixels (h, w, 3) uint8 of a window, in each block of the first source that the map takes there."""
    from croplayer.cube.decisions import Taken, decisions_of

    cube, path = run.output.cube, run.output.folder.table("integration.parquet")
    taken = Taken(cube.sources, decisions_of(str(path), digest_file(path).sha256))
    image = np.zeros((window.height, window.width, 3), np.uint8)
    for block in cube.grid.blocks_under(window):
        part = window.common(cube.grid.window(block))
        source = (taken.of(block) or cube.sources)[0]
        image[part.slices_in(window)] = cube.read_window(RGB, part, source)
    return image
