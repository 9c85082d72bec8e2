from __future__ import annotations

import numpy as np
import pytest
import rasterio
import torch
from pyproj import Transformer
from rasterio.transform import from_origin

from croplayer.models.augmentation import Augmentation, SceneTensors, draw_batch, step_generator
from croplayer.models.evaluation import score_scenes
from croplayer.models.losses import MOST_EVENED, evened, training_loss
from croplayer.models.segmentation import build_segmenter
from croplayer.models.water import SHORE_M, water_scenes

WEST, NORTH, GSD_M, HEIGHT, WIDTH = 486_000, 5_209_000, 5.0, 120, 200
MEADOW, CROP, ROOF, LAKE, ALGAE = (90, 110, 80, 160), (60, 120, 50, 190), (40, 40, 40, 45), (40, 60, 60, 20), (100, 130, 70, 60)  # fmt: skip
LAKES = (slice(20, 60), slice(10, 70)), (slice(30, 80), slice(120, 180))


def degrees(x: float, y: float) -> tuple[float, float]:
    return Transformer.from_crs("EPSG:26914", "EPSG:4326", always_xy=True).transform(x, y)


def bounds(first_col: float, end_col: float) -> tuple[float, float, float, float]:
    """The box in degrees around columns of the whole raster."""
    corners = [
        degrees(WEST + GSD_M * col, NORTH - GSD_M * row) for col in (first_col, end_col) for row in (-1, HEIGHT + 1)
    ]
    return min(c[0] for c in corners), min(c[1] for c in corners), max(c[0] for c in corners), max(c[1] for c in corners)  # fmt: skip


EVERYWHERE = bounds(-5, WIDTH + 5)


def write(path, bands, **changes):
    profile = {
        "driver": "GTiff", "width": bands.shape[2], "height": bands.shape[1], "count": bands.shape[0],
        "dtype": bands.dtype.name, "crs": "EPSG:26914", "transform": from_origin(WEST, NORTH, GSD_M, GSD_M), "photometric": "MINISBLACK",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile | changes) as raster:
        raster.write(bands)
    return path


def landscape() -> np.ndarray:
    """(4, h, w) uint8: meadow and crop with a dark lake in the west, a green one in the east, and dark roofs."""
    pixels = np.empty((HEIGHT, WIDTH, 4), dtype=np.int64)
    pixels[:], pixels[:, 80:110], pixels[90:110, 20:60] = MEADOW, CROP, ROOF
    for place, colour in zip(LAKES, (LAKE, ALGAE), strict=True):
        pixels[place] = colour
    pixels[5:7, :] = LAKE  # A brook of 10 m.
    pixels += np.random.default_rng(0).integers(-6, 7, pixels.shape)
    return np.moveaxis(pixels, -1, 0).astype(np.uint8)


@pytest.fixture
def lakes(tmp_path):
    return write(tmp_path / "lakes.tif", landscape())


def test_lakes_are_labelled_without_their_shores_and_nothing_else_is(lakes):
    (scene,) = water_scenes([lakes], EVERYWHERE).scenes
    arrays = scene.read()
    assert scene.name == "lakes" and scene.gsd_m == pytest.approx(GSD_M)
    shore = round(SHORE_M / GSD_M)
    expected = np.zeros((HEIGHT, WIDTH), dtype=bool)
    for rows, cols in LAKES:
        expected[rows.start + shore : rows.stop - shore, cols.start + shore : cols.stop - shore] = True
    np.testing.assert_array_equal(arrays.labelled, expected)
    assert arrays.valid.all() and not arrays.field.any()


def test_only_the_pixels_within_the_bounds_are_there(lakes):
    whole = water_scenes([lakes], EVERYWHERE).scenes[0].read()
    (west,) = water_scenes([lakes], bounds(-5, 100)).scenes
    arrays = west.read()
    assert arrays.rgb.shape[0] == HEIGHT and abs(arrays.rgb.shape[1] - 100) <= 2
    np.testing.assert_array_equal(arrays.rgb, whole.rgb[:, : arrays.rgb.shape[1]])
    assert arrays.labelled.any() and not arrays.labelled[:, 75:].any()


def test_pixels_without_imagery_are_no_water(tmp_path):
    bands = landscape()
    bands[:, 30:40, 20:30] = 0
    arrays = water_scenes([write(tmp_path / "gap.tif", bands, nodata=0)], EVERYWHERE).scenes[0].read()
    assert not arrays.valid[30:40, 20:30].any() and not arrays.labelled[30:40, 20:30].any()
    assert arrays.labelled.any()


def test_what_does_not_fit_is_named(tmp_path, lakes):
    with pytest.raises(ValueError, match="near infrared"):
        water_scenes([write(tmp_path / "rgb.tif", landscape()[:3])], EVERYWHERE).scenes[0].read()
    with pytest.raises(ValueError, match="near infrared"):
        alpha = write(tmp_path / "alpha.tif", landscape(), photometric="RGB", alpha="yes")
        water_scenes([alpha], EVERYWHERE).scenes[0].read()
    with pytest.raises(ValueError, match="no pixel in the bounds"):
        water_scenes([lakes], (10.0, 10.0, 11.0, 11.0)).scenes[0].read()
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="called 'lakes'"):
        water_scenes([lakes, write(tmp_path / "other" / "lakes.tif", landscape())], EVERYWHERE)
    with pytest.raises(ValueError, match="no CRS"):
        water_scenes([write(tmp_path / "nowhere.tif", landscape(), crs=None)], EVERYWHERE)


def test_agreement_counts_labelled_pixels_only(lakes):
    scenes = water_scenes([lakes], EVERYWHERE)
    (score,) = score_scenes(build_segmenter("segformer", "tiny", 0).eval(), scenes)
    n = scenes.scenes[0].read().labelled.sum()
    assert score.no_field.tn == score.all_field.fp == score.model.fp + score.model.tn == n


def test_the_loss_counts_labelled_pixels_only(lakes):
    arrays = water_scenes([lakes], EVERYWHERE).scenes[0].read()
    tensors = SceneTensors.from_arrays(arrays, GSD_M)
    batch = draw_batch([tensors], 2, 96, (5.0, 5.0), Augmentation(), step_generator(0, 0))
    assert batch.valid.all() and 0 < batch.labelled.float().mean() < 0.5
    near = torch.nn.functional.max_pool2d(batch.labelled[:, None].float(), 9, 1, 4)[:, 0] > 0
    for architecture in ("segformer", "pidnet"):
        network = build_segmenter(architecture, "tiny", 0).train()
        far = batch._replace(field=torch.where(near, batch.field, 1.0))
        assert training_loss(network, far, 1.0) == training_loss(network, batch, 1.0)
        here = batch._replace(field=torch.where(batch.labelled, 1.0, batch.field))
        assert training_loss(network, here, 1.0) != training_loss(network, batch, 1.0)


def test_windows_show_labelled_pixels_that_weigh_more_where_they_are_few(lakes):
    arrays = water_scenes([lakes], EVERYWHERE).scenes[0].read()
    arrays.labelled[:, :80], arrays.labelled[:40] = False, False
    tensors = SceneTensors.from_arrays(arrays, GSD_M)
    batch = draw_batch([tensors], 12, 32, (5.0, 5.0), Augmentation(), step_generator(0, 0))
    shares = batch.labelled.float().mean((1, 2))
    assert shares.min() > 0 and shares.max() > 0.5
    of_windows = evened(batch.labelled).mean((1, 2))
    enough = shares >= 1 / MOST_EVENED
    assert torch.allclose(of_windows[enough], torch.ones(int(enough.sum())), atol=1e-5)
    assert torch.allclose(of_windows[~enough], MOST_EVENED * shares[~enough], atol=1e-5)
    assert torch.equal(evened(torch.ones(2, 4, 4, dtype=torch.bool)), torch.ones(2, 4, 4))
