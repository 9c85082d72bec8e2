"""Where a source has files, pixel by pixel, told from the tiles that lie in a folder."""

from __future__ import annotations

from pathlib import Path

import morecantile
import numpy as np
import pytest

from croplayer.sources.ground import ground_with_files
from croplayer.sources.tiles import FolderTiles
from croplayer.sources.xyz import XyzSource
from stores.grid import BlockGrid, PixelWindow

MERCATOR = morecantile.tms.get("WebMercatorQuad")
GRID = BlockGrid(32)


@pytest.mark.parametrize("latitude", [34.97, -0.02, -71.3])
def test_a_pixel_is_covered_where_the_tile_under_its_centre_is_a_file(tmp_path: Path, latitude: float) -> None:
    zoom = 15
    # No centre of a pixel lies on the edge of a tile, where rounding would decide.
    row, col = int((90 - latitude) * GRID.px_per_degree), 225 * 839 + 120
    window = PixelWindow(row, col, 40, 50)
    under = [
        [MERCATOR.tile(lon, lat, zoom) for lon in GRID.longitudes(col, window.width).tolist()]
        for lat in GRID.latitudes(row, window.height).tolist()
    ]
    there = sorted({tile for line in under for tile in line})[::2]
    for tile in there:
        path = tmp_path / f"{tile.z}" / f"{tile.x}" / f"{tile.y}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    source = XyzSource("tiles", FolderTiles(f"{tmp_path}/{{z}}/{{x}}/{{y}}.jpg"), zoom)
    found = ground_with_files(source, window, GRID)
    assert found is not None and found.any() and not found.all()
    np.testing.assert_array_equal(found, [[tile in there for tile in line] for line in under])


def test_no_tile_covers_the_poles(tmp_path: Path) -> None:
    (tmp_path / "0" / "0").mkdir(parents=True)
    (tmp_path / "0" / "0" / "0.jpg").touch()
    source = XyzSource("tiles", FolderTiles(f"{tmp_path}/{{z}}/{{x}}/{{y}}.jpg"), 0)
    found = ground_with_files(source, PixelWindow(0, 0, 10 * GRID.px_per_degree, 3), GRID)
    assert found is not None
    latitudes = GRID.latitudes(0, 10 * GRID.px_per_degree)
    np.testing.assert_array_equal(found, np.repeat((latitudes < 85.05112878)[:, None], 3, axis=1))
