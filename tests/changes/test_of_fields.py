"""Fields as evidence: the ground tells which fields are gone and new, and outlines alone do not."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from croplayer.changes.of_fields import change_of_fields
from croplayer.fields.matching import match_fields
from stores.grid import BlockGrid, PixelWindow
from stores.legends import Change

GRID = BlockGrid(96)
PLACE = PixelWindow(row=1115 * 96, col=5880 * 96, height=96, width=96)


def fields(**places: tuple[int, int, int, int]) -> gpd.GeoDataFrame:
    """Rectangles of pixels (row, col, height, width) of the window by id."""
    shapes = []
    for row, col, height, width in places.values():
        box = GRID.window_bounds(PixelWindow(PLACE.row + row, PLACE.col + col, height, width))
        shapes.append(shapely.box(*box))
    areas = [
        float(GRID.pixel_area_m2(PLACE.row + row, height).sum() * width / 1e4)
        for row, _, height, width in places.values()
    ]
    return gpd.GeoDataFrame({"id": list(places), "area_ha": areas}, geometry=shapes, crs="EPSG:4326")


def verdicts(change: np.ndarray, before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> dict[tuple[str, str], str]:
    def read(window: PixelWindow) -> np.ndarray:
        out = np.full((window.height, window.width), Change.NEVER_COMPARED, np.uint8)
        part = window.common(PLACE)
        if not part.is_empty:
            out[part.slices_in(window)] = change[part.slices_in(PLACE)]
        return out

    table = change_of_fields([before], [after], match_fields(before, after), read, GRID)
    assert (table.changed_ha <= table.known_ha + 1e-9).all()
    assert table.known_ha.to_numpy() == pytest.approx(np.minimum(table.known_ha, table.area_ha))
    return {(row.edition, row.id): row.verdict for row in table.itertuples()}


def test_the_ground_tells_what_became_of_a_field() -> None:
    change = np.full((96, 96), Change.STABLE_CROPLAND, np.uint8)
    change[0:20, 0:20] = Change.LOSS
    change[0:20, 30:50] = Change.GAIN
    change[30:50, 16:20] = Change.LOSS
    change[60:80, 60:80] = Change.UNKNOWN
    before = fields(lost=(0, 0, 20, 20), shrunk=(30, 0, 20, 20), unseen=(30, 60, 20, 20), dark=(60, 60, 20, 20))
    after = fields(won=(0, 30, 20, 20), shrunk=(30, 0, 20, 16), outline=(60, 0, 20, 20))
    assert verdicts(change, before, after) == {
        ("before", "lost"): "gone",
        ("before", "shrunk"): "part",
        ("before", "unseen"): "none",
        ("before", "dark"): "not known",
        ("after", "won"): "new",
        ("after", "shrunk"): "none",
        ("after", "outline"): "none",
    }


def test_gain_does_not_make_a_field_gone_nor_loss_a_new_one() -> None:
    change = np.full((96, 96), Change.GAIN, np.uint8)
    change[:, 48:] = Change.LOSS
    before, after = fields(a=(0, 0, 20, 20)), fields(b=(0, 60, 20, 20))
    assert verdicts(change, before, after) == {("before", "a"): "none", ("after", "b"): "none"}


def test_beyond_the_comparison_nothing_is_known() -> None:
    change = np.full((96, 96), Change.LOSS, np.uint8)
    before = fields(most=(0, 86, 20, 24), out=(0, 200, 20, 20))
    found = verdicts(change, before, fields(far=(200, 200, 9, 9)))
    assert found == {("before", "most"): "not known", ("before", "out"): "not known", ("after", "far"): "not known"}
