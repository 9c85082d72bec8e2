"""A person who labels a synthetic country: knows the truth, makes mistakes, and works in the GeoPackage or at the page.

Nothing is written but what a person can: rows of ``labels.gpkg`` through geopandas, as a GIS does, and keys and clicks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from benchmarks.browser import Tab
from croplayer.active.page.keys import CHOICES, DIGITS
from croplayer.active.prefill import outlines_of
from croplayer.active.project import EMPTY, FIELDS, TASKS, LabelProject
from croplayer.active.rounds.shown import ShownMasks
from croplayer.active.simulated_labeller import Labeller
from croplayer.active.tasks import FieldClass, Origin, Task, TaskStatus
from croplayer.kernels.basins import regions_of_equal
from croplayer.landscape.classes import IS_CROPLAND
from croplayer.landscape.country import Country
from croplayer.landscape.truth import truth_mask
from croplayer.measures.judgement import best_integration, mask_correctness
from stores.grid import CRS, BlockGrid, BlockIndex, PixelWindow
from stores.legends import CROPLAND, DEFAULT_CLASSES, Integration

ACCEPTED_IOU = 0.8
"""A polygon of the map that is at least so like a true field is left as it is."""
OVERLOOKED = 0.03
"""Share of the wrong polygons of the map that are left all the same."""
EMPTY_SHARE = 0.002
"""A window with less cropland is labelled as one without any."""
CLICK_S = 0.4
"""Two clicks in a shorter time are a double click."""
TOLERANCE_PX = 1.5
"""An outline that is clicked follows the field so far."""
PLACE = """(() => { const model = Bokeh.documents[0].get_model_by_name('picture0'); const view = Bokeh.index.get_by_id(model.id);
const box = view.canvas_view.el.getBoundingClientRect(); const frame = view.frame ?? view._frame;
return [box.left + frame.x_scale.compute(X), box.top + frame.y_scale.compute(Y)] })()"""


@dataclass(frozen=True)
class Person:
    """Somebody who knows the country."""

    name: str
    country: Country
    grid: BlockGrid
    seed: int
    habits: Labeller = field(default_factory=Labeller)

    def drawn(self, task: Task) -> tuple[np.ndarray, float]:
        """The fields that the person sees in a window, (h, w) int64 numbers with the person's mistakes, and the minutes."""
        survey = _survey(self.country, task.window, self.grid)
        labels = self.habits.label(survey, self._rng(task.id))
        return labels.fields, labels.minutes

    def label_by_layers(self, project: LabelProject, tasks: Sequence[Task]) -> None:
        """Finish tasks by editing the layers of ``labels.gpkg``."""
        if not tasks:
            return
        fields, areas, rows = (_read(project, layer) for layer in (FIELDS, EMPTY, TASKS))
        for task in tasks:
            numbers, minutes = self.drawn(task)
            shapes = _outlines(numbers, task.window, self.grid)
            own = fields[fields.task == task.id]
            kept, left = self._accepted(own, shapes, self._rng(f"look {task.id}"))
            fields = fields.drop(index=own.index.difference(kept))
            if (numbers > 0).mean() < EMPTY_SHARE:
                fields = fields.drop(index=fields.index.intersection(kept))
                square = shapely.box(*self.grid.window_bounds(task.window))
                areas = _with(areas, [square], note="")
            else:
                fields = _with(
                    fields, left, **{"class": FieldClass.CROPLAND.value, "origin": Origin.PERSON.value, "task": task.id}
                )
            at = rows.index[rows.id == task.id]
            rows.loc[at, ["status", "person", "minutes"]] = [TaskStatus.DONE.value, self.name, round(minutes, 1)]
        for layer, table in ((FIELDS, fields), (EMPTY, areas), (TASKS, rows)):
            table.to_file(project.gpkg, layer=layer, engine="pyogrio", driver="GPKG")

    def label_at_the_page(self, tab: Tab, project: LabelProject, task: Task) -> None:
        """Finish the task that the page shows: every polygon of the map is refused, and the fields are drawn with the mouse."""
        numbers, _ = self.drawn(task)
        if (numbers > 0).mean() < EMPTY_SHARE:
            press(tab, "w", "d")
            return
        height = task.window.height
        for _ in range(int((_read(project, FIELDS).task == task.id).sum())):
            press(tab, "Tab", "x")
        for ring in clicked_rings(numbers):
            press(tab, "c")
            for col, row in ring:
                click(tab, col, height - row)
            press(tab, "Enter")
        press(tab, "d")

    def judge_at_the_page(self, tab: Tab, masks: ShownMasks, sources: Sequence[str], block: str) -> None:
        """Judge the masks of the block that the page shows, and choose among them."""
        shown = masks.masks(block)
        truth = truth_mask(self.country, self.grid.window(BlockIndex.parse(block)), self.grid)
        found = [(shown[source] == CROPLAND).astype(np.uint8) for source in sources]
        for digits, mask in zip(DIGITS, found, strict=False):
            press(tab, digits[DEFAULT_CLASSES.labels.index(mask_correctness(truth, mask).label)])
        choice = best_integration(truth, found[0], found[-1])
        press(tab, CHOICES[list(Integration).index(choice)])

    def _accepted(
        self, polygons: gpd.GeoDataFrame, shapes: Sequence[shapely.Geometry], rng: np.random.Generator
    ) -> tuple[pd.Index, list[shapely.Geometry]]:
        """The map's polygons that stay, and the fields that are left to draw."""
        left, kept = list(shapes), []
        for number, polygon in zip(polygons.index, polygons.geometry, strict=True):
            like = [_iou(polygon, shape) for shape in left]
            if like and max(like) >= ACCEPTED_IOU:
                left.pop(int(np.argmax(like)))
                kept.append(number)
            elif rng.random() < OVERLOOKED:
                kept.append(number)
        return pd.Index(kept), left

    def _rng(self, text: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *text.encode()])


def clicked_rings(numbers: np.ndarray) -> list[list[tuple[float, float]]]:
    """Corners, column and row, of the outlines of connected fields as somebody clicks them: simple, and without their holes."""
    import rasterio.features

    mask = numbers > 0
    parts = rasterio.features.shapes(mask.astype(np.uint8), mask=mask, connectivity=4)
    shapes = [shapely.Polygon(part["coordinates"][0]).simplify(TOLERANCE_PX) for part, _ in parts]
    return [list(shape.exterior.coords)[:-1] for shape in shapes if shape.area >= 16 and shape.geom_type == "Polygon"]


def page_cost(numbers: np.ndarray) -> float:
    """Clicks that a window takes at the page; infinite where fields lie around other land, which clicks cannot leave out."""
    rings = clicked_rings(numbers)
    drawn = sum(shapely.Polygon(ring).area for ring in rings)
    return float("inf") if abs(drawn - (numbers > 0).sum()) > 0.03 * numbers.size else sum(map(len, rings))


def opened(tab: Tab, address: str, name: str) -> None:
    """Open the page under a name, and wait until it is ready."""
    tab.open(f"{address}?name={name}")
    tab.until(lambda: tab.value("document.body && document.body.dataset.ready"), "the page is not ready")
    tab.until(lambda: tab.text("#saved") == "all saved", "not connected")


def press(tab: Tab, *keys: str) -> None:
    """Press keys, each when the one before is saved."""
    for key in keys:
        tab.press(key)
        tab.until(lambda: tab.text("#saved") == "all saved", f"key {key} is not saved")


def click(tab: Tab, x: float, y: float) -> None:
    """Click at pixels of the window, x to the east and y to the north."""
    left, top = tab.value(PLACE.replace("X", str(x)).replace("Y", str(y)))
    tab.click(left, top)
    time.sleep(CLICK_S)


def _survey(country: Country, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    survey = country.survey(grid.longitudes(window.col, window.width), grid.latitudes(window.row, window.height))
    return np.where(IS_CROPLAND[survey.cover] == 1, survey.parcel, 0)


def _outlines(numbers: np.ndarray, window: PixelWindow, grid: BlockGrid) -> list[shapely.Geometry]:
    parts, _ = regions_of_equal(numbers.astype(np.int32))
    return list(outlines_of(parts.astype(np.int64), window, grid))


def _read(project: LabelProject, layer: str) -> gpd.GeoDataFrame:
    return gpd.read_file(project.gpkg, layer=layer, engine="pyogrio")


def _with(table: gpd.GeoDataFrame, shapes: Sequence[shapely.Geometry], **values: str) -> gpd.GeoDataFrame:
    """A layer and more polygons."""
    if not len(shapes):
        return table
    more = gpd.GeoDataFrame(
        {name: [value] * len(shapes) for name, value in values.items()}, geometry=list(shapes), crs=CRS
    )
    both = pd.concat([table, more], ignore_index=True) if len(table) else more.reindex(columns=table.columns)
    return gpd.GeoDataFrame(both, geometry="geometry", crs=CRS)


def _iou(one: shapely.Geometry, other: shapely.Geometry) -> float:
    both = shapely.intersection(one, other).area
    return both / (one.area + other.area - both) if both else 0.0
