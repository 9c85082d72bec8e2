"""The warp equals rasterio, and a lattice pixel has one value in every window."""

from __future__ import annotations

import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.warp import Resampling, reproject
from scipy import ndimage

from croplayer.kernels.warp import mercator_to_lonlat, mercator_window

EARTH_M = math.pi * 6378137


def imagery(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = ndimage.gaussian_filter(rng.standard_normal((shape[0] // 4 + 1, shape[1] // 4 + 1, 3)), (1, 1, 0))
    smooth = coarse.repeat(4, axis=0).repeat(4, axis=1)[: shape[0], : shape[1]]
    return np.clip(120 + 200 * smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)


class Scene:
    """One block of the lattice and a mosaic that covers it with a margin."""

    def __init__(self, lat: float, lon: float, block_px: int, zoom: int, tile_px: int = 256, margin: int = 6) -> None:
        self.px = block_px
        self.row, self.col = round((90 - lat) * 20) * block_px, round((lon + 180) * 20) * block_px
        self.scale = {"px_per_degree": 20 * block_px, "zoom": zoom, "tile_px": tile_px}
        need = mercator_window(self.row, self.col, block_px, block_px, resampling="bilinear", **self.scale)
        self.mosaic_row, self.mosaic_col = need.row - margin, need.col - margin
        self.mosaic = imagery((need.height + 2 * margin, need.width + 2 * margin))
        self.valid = np.ones(self.mosaic.shape[:2], bool)

    def warp(
        self, resampling: str, window: tuple[int, int, int, int] | None = None, trim: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Our answer for a (row, col, height, width) window counted from the block's corner."""
        row, col, height, width = window or (0, 0, self.px, self.px)
        place = {"row": self.row + row, "col": self.col + col, "height": height, "width": width}
        mosaic, valid, top, left = self.mosaic, self.valid, self.mosaic_row, self.mosaic_col
        if trim:
            need = mercator_window(**place, **self.scale, resampling=resampling)
            part = np.s_[need.row - top :, need.col - left :]
            mosaic, valid = mosaic[part][: need.height, : need.width], valid[part][: need.height, : need.width]
            top, left = need.row, need.col
        return mercator_to_lonlat(
            mosaic, valid, mosaic_row=top, mosaic_col=left, resampling=resampling, **place, **self.scale
        )

    def rasterio(self, resampling: str) -> np.ndarray:
        pixel_m = 2 * EARTH_M / (self.scale["tile_px"] << self.scale["zoom"])
        west, north = -EARTH_M + self.mosaic_col * pixel_m, EARTH_M - self.mosaic_row * pixel_m
        ppd = self.scale["px_per_degree"]
        out = np.zeros((3, self.px, self.px), np.uint8)
        reproject(
            np.ascontiguousarray(np.moveaxis(self.mosaic, -1, 0)),
            out,
            src_transform=Affine(pixel_m, 0, west, 0, -pixel_m, north),
            src_crs="EPSG:3857",
            dst_transform=Affine(1 / ppd, 0, self.col / ppd - 180, 0, -1 / ppd, 90 - self.row / ppd),
            dst_crs="EPSG:4326",
            resampling=Resampling[resampling],
        )
        return np.moveaxis(out, 0, -1)

    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Mosaic positions of the block's rows and columns, in pixels."""
        world, ppd = self.scale["tile_px"] << self.scale["zoom"], self.scale["px_per_degree"]
        steps = np.arange(self.px) + 0.5
        latitude = np.radians(90 - (self.row + steps) / ppd)
        y = (1 - np.arcsinh(np.tan(latitude)) / np.pi) / 2 * world - self.mosaic_row
        return y, (self.col + steps) / (360 * ppd) * world - self.mosaic_col


PLACES = {
    "wider kernel in y at 35 N": (35.0, 113.0, 1024, 15),
    "two taps at 23 N": (23.0, 113.0, 1024, 14),
    "both axes wider, south": (-34.0, 20.5, 700, 15),
    "reciprocal snaps to 1": (17.5, 101.3, 1165, 15),
    "several pixels per lattice pixel at 60 N": (60.0, 25.0, 256, 15),
    "coarse source": (47.0, -99.2, 640, 13),
}


@pytest.mark.parametrize("place", PLACES)
def test_bilinear_equals_rasterio(place: str) -> None:
    scene = Scene(*PLACES[place])
    rgb, valid = scene.warp("bilinear")
    apart = np.abs(rgb.astype(int) - scene.rasterio("bilinear"))
    assert valid.all() and apart.max() <= 1 and (apart == 0).mean() >= 0.9999


@pytest.mark.parametrize("place", PLACES)
def test_nearest_equals_rasterio(place: str) -> None:
    scene = Scene(*PLACES[place])
    rgb, valid = scene.warp("nearest")
    y, x = scene.centres()
    # On the very edge between two source pixels GDAL's rounding decides.
    away = [np.abs(position - np.round(position)) > 1e-6 for position in (y, x)]
    assert valid.all() and min(a.mean() for a in away) > 0.9
    np.testing.assert_array_equal(rgb[away[0]][:, away[1]], scene.rasterio("nearest")[away[0]][:, away[1]])


def kernel(centres: np.ndarray, size: int) -> np.ndarray:
    """(n, size) float64 triangle weights, with GDAL's width for the mean spacing of the centres."""
    spacing = abs(centres[-1] - centres[0]) / (len(centres) - 1)
    reach = 1.0 if spacing < 1.05 else spacing
    return np.maximum(0, 1 - np.abs(np.arange(size) + 0.5 - centres[:, None]) / reach)


def test_colours_are_means_over_valid_pixels() -> None:
    scene = Scene(35.0, 113.0, 320, 13)
    rng = np.random.default_rng(4)
    scene.valid = ndimage.gaussian_filter(rng.standard_normal(scene.valid.shape), 2) > -0.1
    rgb, valid = scene.warp("bilinear")
    y, x = scene.centres()
    np.testing.assert_array_equal(valid, scene.valid[np.floor(y).astype(int)][:, np.floor(x).astype(int)])
    down, across = kernel(y, scene.valid.shape[0]), kernel(x, scene.valid.shape[1]).T
    share = down @ scene.valid @ across
    for band in range(3):
        want = (down @ np.where(scene.valid, scene.mosaic[..., band], 0) @ across)[valid] / share[valid]
        assert np.abs(rgb[..., band][valid] - want).max() < 0.51
    assert not rgb[~valid].any() and 0.2 < valid.mean() < 0.8


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_pixel_has_one_value_in_every_window(data: st.DataObject) -> None:
    lat = data.draw(st.sampled_from([35.0, 18.05, -34.0, 60.0]))
    scene = Scene(lat, 113.05, 120, 12, 256)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    if data.draw(st.booleans()):
        scene.valid = rng.random(scene.valid.shape) < 0.97
    resampling = data.draw(st.sampled_from(["bilinear", "nearest"]))
    rgb, valid = scene.warp(resampling)
    row, col = data.draw(st.integers(0, 119)), data.draw(st.integers(0, 119))
    height, width = data.draw(st.integers(1, 120 - row)), data.draw(st.integers(1, 120 - col))
    part = np.s_[row : row + height, col : col + width]
    for trim in (False, True):
        part_rgb, part_valid = scene.warp(resampling, (row, col, height, width), trim=trim)
        np.testing.assert_array_equal(part_rgb, rgb[part])
        np.testing.assert_array_equal(part_valid, valid[part])


def test_windows_across_blocks_agree() -> None:
    """Rows of two bands, whose kernels differ in width, keep their values in a window over both."""
    scene = Scene(35.0, 113.0, 200, 13)
    scale = {**scene.scale, "resampling": "bilinear"}
    place = {"row": scene.row - 200, "col": scene.col - 70, "height": 400, "width": 300}
    need = mercator_window(**place, **scale)
    mosaic = imagery((need.height, need.width), seed=9)
    seen = {"mosaic_row": need.row, "mosaic_col": need.col}
    known = np.ones(mosaic.shape[:2], bool)
    rgb, valid = mercator_to_lonlat(mosaic, known, **seen, **place, **scale)
    assert valid.all()
    for top in (0, 200):
        half = {**place, "row": place["row"] + top, "height": 200, "col": scene.col, "width": 200}
        np.testing.assert_array_equal(
            mercator_to_lonlat(mosaic, known, **seen, **half, **scale)[0], rgb[top:][:200, 70:270]
        )


def test_outside_the_mosaic_is_not_valid() -> None:
    scene = Scene(35.0, 113.0, 128, 12)
    full, _ = scene.warp("bilinear")
    scene.mosaic, scene.valid = scene.mosaic[40:-50, 33:-35], scene.valid[40:-50, 33:-35]
    scene.mosaic_row, scene.mosaic_col = scene.mosaic_row + 40, scene.mosaic_col + 33
    y, x = scene.centres()
    inside = (y >= 0) & (y < len(scene.valid)), (x >= 0) & (x < scene.valid.shape[1])
    for resampling in ("nearest", "bilinear"):
        rgb, valid = scene.warp(resampling)
        np.testing.assert_array_equal(valid, inside[0][:, None] & inside[1])
        assert not rgb[~valid].any()
    deep = ndimage.binary_erosion(valid, iterations=3)
    np.testing.assert_array_equal(rgb[deep], full[deep])


def test_beyond_the_mercator_world() -> None:
    scale = {"px_per_degree": 200, "zoom": 3, "tile_px": 256, "resampling": "bilinear"}
    need = mercator_window(0, 100, 50, 50, **scale)
    assert need.height == 0
    place = {"row": 0, "col": 100, "height": 50, "width": 50}
    _, valid = mercator_to_lonlat(
        np.zeros((5, 2048, 3), np.uint8), np.ones((5, 2048), bool), mosaic_row=0, mosaic_col=0, **place, **scale
    )
    assert not valid.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resampling": "cubic"}, "resampling is 'cubic'; expected 'nearest' or 'bilinear'"),
        ({"px_per_degree": 51}, "px_per_degree is 51; expected a multiple of 20"),
        ({"height": 0}, "height=0 .* is not inside the lattice of 36000 x 72000 pixels"),
        ({"col": 71990}, "col=71990 .* is not inside the lattice"),
        ({"zoom": -1}, "zoom is -1"),
    ],
)
def test_bad_windows(change: dict[str, object], message: str) -> None:
    good = {"row": 0, "col": 0, "height": 20, "width": 20, "px_per_degree": 200, "zoom": 10, "tile_px": 256}
    with pytest.raises(ValueError, match=message):
        mercator_window(**{**good, "resampling": "nearest", **change})


def test_bad_mosaics() -> None:
    place = {"row": 10000, "col": 0, "height": 4, "width": 4, "px_per_degree": 200, "zoom": 9, "tile_px": 256}
    place |= {"mosaic_row": 0, "mosaic_col": 0, "resampling": "nearest"}
    with pytest.raises(TypeError, match="mosaic is float64 and mosaic_valid bool; expected uint8 and bool"):
        mercator_to_lonlat(np.zeros((4, 4, 3)), np.ones((4, 4), bool), **place)
    with pytest.raises(ValueError, match=r"mosaic has shape \(4, 4\)"):
        mercator_to_lonlat(np.zeros((4, 4), np.uint8), np.ones((4, 4), bool), **place)
