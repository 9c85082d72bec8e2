"""Terrain of a block from an elevation raster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shared.source_files import BLOCK, BOUNDS, write_raster

from croplayer.sources.elevation import ElevationRaster
from stores.grid import BlockGrid, BlockIndex


def test_terrain_medians_of_a_tilted_plane(tmp_path: Path) -> None:
    size = 60
    rows = np.arange(size, dtype=np.float32)[:, None] * np.ones((1, size), np.float32)
    path = write_raster(tmp_path / "dem.tif", (1000 - 10 * rows)[None])
    medians = ElevationRaster(str(path)).block_terrain(BLOCK)
    metres = 0.001 * 111_319.49  # a degree as GDAL 3.11 has it
    assert medians.slope_deg == pytest.approx(np.degrees(np.arctan(10 / metres)), rel=1e-3)
    assert medians.roughness_m == pytest.approx(20, rel=1e-5)
    assert medians.ruggedness_m == pytest.approx(10 * 6**0.5, rel=1e-5)
    empty = write_raster(tmp_path / "void.tif", np.full((1, size, size), -32768, np.float32))
    nothing = ElevationRaster(str(empty)).block_terrain(BLOCK)
    assert np.isnan(nothing[:4]).all() and nothing.elevation_void_fraction == 1
    assert ElevationRaster(str(path)).block_terrain(BlockIndex(BLOCK.row, BLOCK.col + 9)).elevation_void_fraction == 1


def plane(path: Path, crs: str, unit: str = "", *, factor: float = 1.0, dtype: str = "float32", **words: Any) -> str:
    """A plane that rises 10 per cent to the north on the ground, 811.5 m in the middle of the block, in a CRS."""
    from pyproj import Geod, Transformer

    lon, lat = (BOUNDS.west + BOUNDS.east) / 2, (BOUNDS.south + BOUNDS.north) / 2
    to, back = Transformer.from_crs(4326, crs, always_xy=True), Transformer.from_crs(crs, 4326, always_xy=True)
    x, y = to.transform(lon, lat)
    step = abs(to.transform(lon, lat + 0.0003)[1] - y)
    size = 300
    place = from_origin(x - size / 2 * step, y + size / 2 * step, step, step)
    columns, rows = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    lons, lats = back.transform(place.c + place.a * columns, place.f + place.e * rows)
    if crs in ("EPSG:4326", "EPSG:3857"):
        metres_north = np.radians(lats - lat) * 6378137.0
    else:
        metres_north = Geod(ellps="WGS84").inv(lons, np.full_like(lons, lat), lons, lats)[2] * np.sign(lats - lat)
    heights = (811.5 + 0.1 * metres_north - words.get("offset", 0.0)) / factor / words.get("scale", 1.0)
    if dtype != "float32":
        heights = np.rint(heights)
    write_raster(path, heights[None].astype(dtype), crs=crs, transform=place)
    with rasterio.open(path, "r+") as file:
        file.units = (unit,)
        file.scales, file.offsets = (words.get("scale", 1.0),), (words.get("offset", 0.0) / factor,)
    return str(path)


@pytest.mark.parametrize(
    "crs",
    ["EPSG:4326", "EPSG:3857", "EPSG:32650", "EPSG:32651", "EPSG:4549", "EPSG:3395", "EPSG:6933", "ESRI:102012", "EPSG:8857"],
)  # fmt: skip
def test_slopes_are_those_of_the_ground_in_every_projection(tmp_path: Path, crs: str) -> None:
    dem = ElevationRaster(plane(tmp_path / "dem.tif", crs))
    try:
        dem.check(BOUNDS)
    except ValueError as error:
        # A projection that shears the ground is refused.
        assert crs == "EPSG:8857" and "on the ground; warp it" in str(error)
        return
    terrain = dem.block_terrain(BLOCK)
    assert terrain.slope_deg == pytest.approx(5.7106, rel=4e-3)
    assert terrain.elevation_m == pytest.approx(811.5, abs=2)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32650"])
def test_terrain_of_points_is_that_of_the_cells_that_hold_them(tmp_path: Path, crs: str) -> None:
    """The median over points all over a block is the block's; a point beyond the model has none."""
    dem = ElevationRaster(plane(tmp_path / "dem.tif", crs))
    box = BlockGrid().bounds(BLOCK)
    lon, lat = (
        a.ravel() for a in np.meshgrid(np.linspace(box.west, box.east, 60), np.linspace(box.south, box.north, 60))
    )
    elevation, slope = dem.terrain_at(lon, lat)
    whole = dem.block_terrain(BLOCK)
    assert np.median(elevation) == pytest.approx(whole.elevation_m, abs=2)
    assert np.median(slope) == pytest.approx(whole.slope_deg, rel=1e-3)
    middle = (BOUNDS.south + BOUNDS.north) / 2
    np.testing.assert_allclose(elevation, 811.5 + 0.1 * 110_950 * (lat - middle), atol=4)
    far = dem.terrain_at(np.array([box.west + 40]), np.array([box.south]))
    assert np.isnan(far).all() and not dem.terrain_at(lon[:0], lat[:0])[0].size


def test_feet_of_the_crs_and_of_the_heights_are_metres(tmp_path: Path) -> None:
    """A state plane in survey feet: the plane lies in North Carolina, far from the block of the other tests."""
    from pyproj import Transformer

    x, y = Transformer.from_crs(4326, 2264, always_xy=True).transform(-78.975, 35.525)
    north = -100.0 * (np.arange(200)[:, None] - 100) * np.ones((1, 200))
    path = write_raster(
        tmp_path / "dem.tif", (600 + 0.1 * north)[None].astype(np.float32), crs="EPSG:2264",
        transform=from_origin(x - 10_000, y + 10_000, 100, 100),
    )  # fmt: skip
    with rasterio.open(path, "r+") as file:
        file.units = ("US survey foot",)
    terrain = ElevationRaster(str(path)).block_terrain(BlockGrid().block_at(-78.975, 35.525))
    assert terrain.slope_deg == pytest.approx(5.7106, rel=1e-3)
    assert terrain.elevation_m == pytest.approx(600 * 1200 / 3937, abs=5)


@pytest.mark.parametrize(
    ("unit", "metres"),
    [("", 1), ("m", 1), ("metre", 1), ("ft", 0.3048), ("Foot", 0.3048), ("US survey foot", 1200 / 3937), ("us-ft", 1200 / 3937),
     ("cm", 0.01), ("dm", 0.1), ("mm", 0.001), ("km", 1000)],
)  # fmt: skip
def test_heights_are_metres_whatever_their_unit(tmp_path: Path, unit: str, metres: float) -> None:
    said = ElevationRaster(plane(tmp_path / "said.tif", "EPSG:4326", unit, factor=metres)).block_terrain(BLOCK)
    assert said.elevation_m == pytest.approx(811.5, abs=1) and said.slope_deg == pytest.approx(5.7106, rel=2e-3)
    untold = ElevationRaster(plane(tmp_path / "untold.tif", "EPSG:4326", "", factor=metres), unit=unit or "m")
    assert untold.block_terrain(BLOCK).elevation_m == pytest.approx(811.5, abs=1)


def test_scale_and_offset_of_heights_are_used(tmp_path: Path) -> None:
    path = plane(tmp_path / "dem.tif", "EPSG:4326", dtype="int16", scale=0.1, offset=100.0)
    terrain = ElevationRaster(path).block_terrain(BLOCK)
    assert terrain.elevation_m == pytest.approx(811.5, abs=1) and terrain.slope_deg == pytest.approx(5.7106, rel=2e-2)
    both = plane(tmp_path / "both.tif", "EPSG:4326", "ft", factor=0.3048, dtype="int32", scale=0.1)
    assert ElevationRaster(both).block_terrain(BLOCK).elevation_m == pytest.approx(811.5, abs=1)


def test_a_vertical_crs_in_feet_is_heard(tmp_path: Path) -> None:
    path = plane(tmp_path / "dem.tif", "EPSG:4326", factor=1200 / 3937)
    with rasterio.open(path, "r+") as file:
        file.crs = rasterio.crs.CRS.from_user_input("EPSG:4326+6360")
    assert ElevationRaster(path).block_terrain(BLOCK).elevation_m == pytest.approx(811.5, abs=1)


def test_what_cannot_be_told_of_heights_is_refused(tmp_path: Path) -> None:
    path = plane(tmp_path / "dem.tif", "EPSG:4326", "decibel")
    with pytest.raises(ValueError, match=r'dem\.tif has heights in "decibel"; set unit in \[terrain\]'):
        ElevationRaster(path).check(BOUNDS)
    ElevationRaster(path, unit="m").check(BOUNDS)
    with pytest.raises(ValueError, match="unit is 'fathom'; expected m, ft"):
        ElevationRaster(path, unit="fathom")
    two = write_raster(tmp_path / "two.tif", np.stack([np.full((60, 60), v, np.int16) for v in (7, 900)]))
    with pytest.raises(ValueError, match=r"two\.tif has 2 bands; set band in \[terrain\], from 1 to 2"):
        ElevationRaster(str(two)).check(BOUNDS)
    assert ElevationRaster(str(two), band=2).block_terrain(BLOCK).elevation_m == 900


@pytest.mark.parametrize("west", [0.0, -180.0])
def test_longitudes_of_an_elevation_model_may_run_from_0_to_360(tmp_path: Path, west: float) -> None:
    lon = (west + (np.arange(36_000) + 0.5) * 0.01 + 180) % 360 - 180
    heights = np.broadcast_to(1000 + lon, (1, 30, 36_000)).astype(np.float32)
    path = write_raster(
        tmp_path / "world.tif", heights, transform=from_origin(west, 34.2, 0.01, 0.01), compress="deflate"
    )
    for at in (-97.03, -179.93, 0.07, 12.03, 150.03):
        block = BlockGrid().block_at(at, 34.07)
        dem = ElevationRaster(str(path))
        dem.check(BlockGrid().bounds(block))
        assert dem.block_terrain(block).elevation_m == pytest.approx(1000 + at, abs=0.05)
        assert dem.block_terrain(block).elevation_void_fraction == 0


@pytest.mark.parametrize("crs", ["EPSG:27572", "EPSG:4807", "EPSG:2154", "EPSG:3035"])
def test_projections_on_another_meridian_and_in_grads_are_measured_on_the_ground(tmp_path: Path, crs: str) -> None:
    """France, also in Lambert II, whose own longitudes are grads from Paris, and in these themselves."""
    from pyproj import Transformer

    to, back = Transformer.from_crs(4326, crs, always_xy=True), Transformer.from_crs(crs, 4326, always_xy=True)
    x, y = to.transform(0.525, 47.025)
    step = abs(to.transform(0.525, 47.0253)[1] - y)
    place = from_origin(x - 150 * step, y + 150 * step, step, step)
    columns, rows = np.meshgrid(np.arange(300) + 0.5, np.arange(300) + 0.5)
    _, lats = back.transform(place.c + place.a * columns, place.f + place.e * rows)
    heights = 300 + 0.1 * 111_170 * (lats - 47.025)  # metres of a degree of latitude at 47 N
    path = write_raster(tmp_path / "dem.tif", heights[None].astype(np.float32), crs=crs, transform=place)
    block = BlockGrid().block_at(0.525, 47.025)
    dem = ElevationRaster(str(path))
    dem.check(BlockGrid().bounds(block))
    terrain = dem.block_terrain(block)
    assert terrain.slope_deg == pytest.approx(5.7106, rel=0.01 if crs != "EPSG:3035" else 0.03)
    assert terrain.elevation_m == pytest.approx(300, abs=2) and terrain.elevation_void_fraction == 0
