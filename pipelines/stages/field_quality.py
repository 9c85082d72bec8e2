"""Fields of a run against reference parcels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd

from croplayer.fields.files import read_fields
from croplayer.files.tables import write_csv
from croplayer.vector.read import digest_vector
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule
from pipelines.engine.steps import OutputStep
from pipelines.stages.field_files import written_files
from pipelines.stages.field_parts import has_drawn_fields
from stores.field_columns import CONFIDENCE
from stores.grid import CRS, BlockGrid, Bounds
from stores.step_memory import FIELDS

if TYPE_CHECKING:
    from croplayer.evaluation.field_matches import FieldMatches

MOST_SCORED_PX = 2 * 10**8
"""Largest window in which fields are compared with reference parcels."""
WORST = 8
"""Drawn fields that the report shows."""


def scored(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write the tables ``field_figures``, ``field_reliability`` and ``field_worst``: the fields against reference parcels."""
    path, folder = Path(str(inputs.recipe.evaluation.parcels)), output.folder

    def make() -> Sequence[Path]:
        from croplayer.cube.lattice import pixels_of_blocks
        from croplayer.evaluation.field_objects import count_fields, field_figures
        from croplayer.evaluation.field_squares import count_by_squares
        from croplayer.evaluation.reliability import reliability
        from croplayer.fields.pieces import pixel_widths_m
        from croplayer.vector.polygons import read_polygons
        from croplayer.vector.zones import zones_of_pixels

        grid = inputs.grid
        drawn = read_polygons(path, "parcels")
        window = grid.pixels_of(Bounds(*drawn.total_bounds)).grown(1).common(output.cube.blocks.window(grid))
        if window.is_empty:
            raise ValueError(f"parcels {path} lie outside the region; give parcels of the mapped land")
        if window.height * window.width > MOST_SCORED_PX:
            raise ValueError(
                f"parcels {path} spread over {window.height} x {window.width} px; at most {MOST_SCORED_PX:,} are compared "
                "at a time, so give parcels of a smaller region"
            )
        written = written_files([done[name] for name in done if name != FIELDS], output)
        frames = (frame for file in written for frame in read_fields(file, grid.window_bounds(window)))
        fields = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=CRS)
        known = pixels_of_blocks(window, grid, done[FIELDS].blocks)
        found, truth = (zones_of_pixels(frame, window, grid) + 1 for frame in (fields, drawn))
        row_km2 = grid.pixel_area_m2(window.row, window.height) / 1e6
        width = float(pixel_widths_m(grid, window.row + window.height // 2, 1)[0])
        height = float(row_km2[window.height // 2] * 1e6 / width)
        squares = count_by_squares(found, truth, known, window, grid, (height, width))
        figures = field_figures([count_fields(found, truth, known, row_km2, (height, width))], clusters=squares.counts)
        matches = squares.matches
        is_judged = ~matches.found.left_out.to_numpy()
        judged, square = matches.found[is_judged], squares.found_square[is_judged]
        sure = fields[CONFIDENCE].to_numpy(float)[judged.label.to_numpy() - 1]
        return [
            write_csv(folder.table("field_figures.csv"), figures),
            write_csv(folder.table("field_reliability.csv"), reliability(sure, (judged.iou > 0.5).to_numpy(), square)),
            write_csv(folder.table("field_worst.csv"), _worst(matches, drawn, grid)),
        ]

    files = [done[name].digest for name in done if name != FIELDS]
    yield OutputStep("field_figures", {"files": files, "parcels": digest_vector(path)}, make)


def _worst(matches: FieldMatches, drawn: gpd.GeoDataFrame, grid: BlockGrid) -> pd.DataFrame:
    """Window of the lattice, area and IoU of the drawn fields that were mapped worst."""
    from croplayer.evaluation.field_matches import worst_drawn

    worst = worst_drawn(matches, WORST)
    boxes = drawn.geometry.iloc[worst.label.to_numpy() - 1].bounds.to_numpy()
    windows = [grid.pixels_of(Bounds(*box)) for box in boxes.tolist()]
    places = pd.DataFrame(windows, columns=["row", "col", "height", "width"], index=worst.index)
    return pd.concat([places, worst[["area_ha", "iou"]]], axis=1)


RULES = (
    Rule(
        "field_figures",
        "fields",
        after=(FIELDS, "field_files"),
        applies=has_drawn_fields,
        code=(__name__,),
        steps=scored,
    ),
)
