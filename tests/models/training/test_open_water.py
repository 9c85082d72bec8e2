"""Open water in rasters with near infrared."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.training.evaluation import water_figures, water_table
from croplayer.models.training.open_water import open_water, water_scenes

GSD_M = 5.0


def picture(lakes: list[tuple[slice, slice]], shape: tuple[int, int] = (120, 200)) -> np.ndarray:
    """(4, h, w) uint8: green land that reflects near infrared, with dark green lakes that do not."""
    pixels = np.empty((4, *shape), np.uint8)
    pixels[:] = np.array([80, 110, 60, 160], np.uint8)[:, None, None]
    for lake in lakes:
        pixels[(slice(None), *lake)] = np.array([40, 90, 60, 20], np.uint8)[:, None, None]
    return pixels


WEST, EAST, ACROSS = np.s_[10:50, 10:50], np.s_[60:100, 140:180], np.s_[40:70, 80:130]


def write(folder, name, pixels, alpha="NO"):
    folder.mkdir(exist_ok=True)
    with rasterio.open(
        folder / name, "w", driver="GTiff", width=pixels.shape[2], height=pixels.shape[1], count=len(pixels),
        dtype="uint8", photometric="RGB", alpha=alpha, crs="EPSG:26914", transform=from_origin(500_000, 5_200_000, GSD_M, GSD_M),
    ) as raster:  # fmt: skip
        raster.write(pixels)


def test_water_is_found_away_from_its_shore():
    pixels = picture([WEST, np.s_[100:103, 100:103]])
    valid = np.ones(pixels.shape[1:], bool)
    found = open_water(np.moveaxis(pixels[:3], 0, -1), pixels[3], valid, GSD_M)
    expected = np.zeros_like(found)
    expected[12:48, 12:48] = True  # 10 m are two pixels; the pond of 0.02 ha is left out
    assert np.array_equal(found, expected)


def test_dark_soil_is_no_water():
    pixels = picture([])
    pixels[:, 20:60, 20:60] = np.array([50, 45, 40, 60], np.uint8)[:, None, None]
    valid = np.ones(pixels.shape[1:], bool)
    assert not open_water(np.moveaxis(pixels[:3], 0, -1), pixels[3], valid, GSD_M).any()


def test_the_halves_share_no_lake(tmp_path):
    for name in ("b.tif", "a.tif"):
        write(tmp_path / "images", name, picture([WEST, EAST, ACROSS]))
    west, east = water_scenes(tmp_path / "images", "west", every=2), water_scenes(tmp_path / "images", "east")
    assert west.names == ("a_west",) and east.names == ("a_east", "b_east")
    learned, judged = west.scenes[0].read(), east.scenes[0].read()
    assert learned.rgb.shape == judged.rgb.shape == (120, 100, 3) and not learned.field.any()
    assert learned.labelled[12:48, 12:48].all() and learned.labelled[42:68, 82:100].all()
    assert judged.labelled.sum() == 36 * 36 and judged.labelled[62:98, 42:78].all()
    assert west.scenes[0].gsd_m == GSD_M


def test_the_share_of_water_that_is_mapped(tmp_path):
    write(tmp_path / "images", "a.tif", picture([EAST]))
    network = build_segmenter("unet", "tiny", 0).eval()
    with torch.no_grad():
        for head, bias in ((network.model.head, (-9.0, 9.0)), (network.model.fine_head, (0.0, 0.0))):
            head.weight.zero_()
            head.bias.copy_(torch.tensor(bias))
    found = water_figures(network, water_scenes(tmp_path / "images", "east"))
    assert found == {"mapped_as_cropland": 1.0, "pixels": 36 * 36, "by_scene": {"a_east": 1.0}}
    assert water_table({"a": (1, 4), "b": (0, 0)}) == {
        "mapped_as_cropland": 0.25,
        "pixels": 4,
        "by_scene": {"a": 0.25, "b": None},
    }


def test_rasters_without_near_infrared_are_refused(tmp_path):
    write(tmp_path / "images", "a.tif", picture([EAST])[:3])
    with pytest.raises(ValueError, match=r"a.tif has 3 bands.*expected red, green, blue and near infrared"):
        water_scenes(tmp_path / "images", "east")
    write(tmp_path / "alpha", "a.tif", picture([EAST]), alpha="YES")
    with pytest.raises(ValueError, match="says that it is alpha; expected near infrared"):
        water_scenes(tmp_path / "alpha", "east")
    write(tmp_path / "dry", "a.tif", picture([WEST]))
    with pytest.raises(ValueError, match="no open water was found in the east"):
        water_scenes(tmp_path / "dry", "east")
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        water_scenes(tmp_path / "nothing", "east")
