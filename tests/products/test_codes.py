"""Codes of product rasters: by their legend, with what is not known told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shared.source_files import BLOCK, BOUNDS, GRID, write_mask_beside, write_raster

from croplayer.products.codes import RasterCodes
from croplayer.products.product import Product
from stores.grid import BlockGrid, BlockIndex


def test_products_are_read_by_their_legend(tmp_path: Path) -> None:
    codes = np.array([[[10, 20], [0, 10]]], np.uint8)
    step = 0.025
    path = write_raster(tmp_path / "p.tif", codes, transform=from_origin(BOUNDS.west, BOUNDS.north, step, step))
    product = Product("p", RasterCodes((str(path),)), crop_codes=(10,), known_codes=(0, 10, 20), nodata=(0,))
    percent = product.read(GRID.window(BLOCK), GRID).on_pixels()
    assert percent[:64, :64].min() == 100 and percent[:64, 64:].max() == 0
    assert (percent[64:, :64] == 255).all() and percent[64:, 64:].min() == 100
    with pytest.raises(ValueError, match="holds code 20"):
        Product("p", RasterCodes((str(path),)), crop_codes=(10,), known_codes=(0, 10)).read(GRID.window(BLOCK), GRID)
    outside = BlockIndex(BLOCK.row, BLOCK.col + 4)
    assert (product.read(GRID.window(outside), GRID).on_pixels() == 255).all()


PLACES = {
    "lonlat": {"crs": "EPSG:4326", "transform": from_origin(BOUNDS.west - 0.01, BOUNDS.north + 0.01, 0.001, 0.001)},
    "utm": {"crs": "EPSG:32650", "transform": from_origin(221_500, 3_779_000, 110.0, 110.0)},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ({"crop_codes": (1,)}, {0, 100, 255}),
        ({}, {0, 1, 255}),
        ({"crop_codes": (1,), "nodata": (0,)}, {100, 255}),
        ({"crop_codes": (1,), "known_codes": (0, 1, 255)}, {0, 100}),
        ({"crop_codes": (1, 255)}, {0, 100}),
    ],
    ids=["classes", "per cent", "another code too", "named as a class", "named as cropland"],
)  # fmt: skip
def test_what_a_file_calls_nodata_is_not_known(
    tmp_path: Path, place: str, product: dict[str, Any], expected: set[int]
) -> None:
    """Stripes of 0, 1 and 255 in a file that declares 255; what the user names counts as he names it."""
    stripes = np.array([0, 1, 255], np.uint8)[np.arange(75) % 3][None, None].repeat(75, axis=1)
    path = write_raster(tmp_path / "p.tif", stripes, nodata=255, **PLACES[place])
    percent = Product("p", RasterCodes((str(path),)), **product).read(GRID.window(BLOCK), GRID).on_pixels()
    assert {*np.unique(percent).tolist()} == expected


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("codes", [{}, {"crop_codes": (1,), "known_codes": (0, 1)}], ids=["per cent", "classes"])
def test_what_the_mask_of_a_product_hides_is_not_known(tmp_path: Path, place: str, codes: dict[str, Any]) -> None:
    plain, masked = (
        write_raster(tmp_path / f"{name}.tif", np.ones((1, 75, 75), np.uint8), **PLACES[place]) for name in "ab"
    )
    write_mask_beside(masked, np.arange(75, dtype=np.uint8).repeat(75).reshape(75, 75) % 2 * 255)
    rows = write_raster(
        tmp_path / "rows.tif", (np.arange(75, dtype=np.uint8) % 2).repeat(75).reshape(1, 75, 75), **PLACES[place]
    )
    whole, seen, row = (
        Product("p", RasterCodes((str(path),)), **c).read(GRID.window(BLOCK), GRID).on_pixels()
        for path, c in ((plain, codes), (masked, codes), (rows, {}))
    )
    assert 0.4 < (row == 1).mean() < 0.6
    np.testing.assert_array_equal(seen, np.where(row == 1, whole, 255))


def test_projected_products_equal_a_pointwise_lookup(data: Path) -> None:
    from pyproj import Transformer

    path = data / "cdl_kansas/2021_cultivated_layer.tif"
    product = Product("cdl", RasterCodes((str(path),)), crop_codes=(2,), known_codes=(1, 2))
    grid = BlockGrid(200)
    window = grid.window(grid.block_at(-97.05, 39.28))
    percent = product.read(window, grid).on_pixels()
    lon, lat = np.meshgrid(grid.longitudes(window.col, 200), grid.latitudes(window.row, 200))
    with rasterio.open(path) as file:
        x, y = Transformer.from_crs("EPSG:4326", file.crs, always_xy=True).transform(lon, lat)
        rows, cols = rasterio.transform.rowcol(file.transform, x.ravel(), y.ravel())
        expected = file.read(1)[np.asarray(rows), np.asarray(cols)].reshape(200, 200) == 2
    assert ((percent == 100) == expected).mean() > 0.9995
