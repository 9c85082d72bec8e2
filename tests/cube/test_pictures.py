"""Pictures from overviews: the mean colours of the map's pixels, of the region alone, and only where they are the map's own."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import shapely
import xarray as xr
import zarr
from matplotlib.colors import to_rgb
from shared.small_cubes import RANGE, SOURCES, make_cube

from croplayer.cube.opening import open_cube
from croplayer.cube.pictures import quick_look_of, shares_of
from croplayer.cube.whole_blocks import Cube
from croplayer.tasks.overviews import OverviewsTask, SquaresTask
from stores.block_list import BlockList
from stores.durable import DurableStore
from stores.edition import SchemaError
from stores.legends import FLAG_COLOURS
from stores.levels import squares_of
from stores.overviews import create_overviews

BLOCKS = BlockList.rectangle(RANGE.row, RANGE.col, RANGE.rows, RANGE.cols)


def make(path: Path) -> Cube:
    """A cube of 128 x 192 px with overviews of factor 4, 16 and 64."""
    cube, rng = make_cube(path), np.random.default_rng(2)
    create_overviews(DurableStore(path), "2020", cube.grid, cube.blocks, SOURCES)
    for block in BLOCKS:
        known = rng.random() * 0.6
        for name, source in (("croplayer", None), *(("cropland", source) for source in SOURCES)):
            flags = rng.choice(np.array([0, 1, 254], np.uint8), (64, 64), p=(known, 0.8 - known, 0.2))
            cube.write_block(name, block, flags, source)
        for source in SOURCES:
            cube.write_block("rgb", block, rng.integers(0, 256, (64, 64, 3), np.uint8), source)
            cube.write_block("imagery_valid", block, cube.read_block("cropland", block, source) < 254, source)
    OverviewsTask(cube)(BLOCKS)
    SquaresTask(cube, BLOCKS)(squares_of(BLOCKS))
    return cube


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures") / "cube.zarr"
    make(place)
    return place


def painted(flags: np.ndarray) -> np.ndarray:
    colours = np.zeros((*flags.shape, 3))
    for flag, colour in FLAG_COLOURS.items():
        colours[flags == flag] = to_rgb(colour)
    return colours


@pytest.mark.parametrize(("most_px", "factor"), [(96, 4), (24, 16), (6, 64)])
@pytest.mark.parametrize("source", [None, "borealis"])
def test_colours_are_the_means_of_the_pixels(path: Path, most_px: int, factor: int, source: str | None) -> None:
    dataset = open_cube(path)
    shares = shares_of(dataset, source, most_px)
    assert shares is not None
    assert shares.grid.block_px == 64 // factor
    colours = painted(dataset.crop.flags(source).to_numpy())
    means = colours.reshape(128 // factor, factor, 192 // factor, factor, 3).mean(axis=(1, 3))
    assert shares.colours[..., :3].shape == means.shape
    # Two roundings to 250 parts.
    assert np.abs(shares.colours[..., :3] - means).max() <= 1 / 250
    assert shares.flags == {0, 1, 254}


def test_a_selection_that_cuts_coarse_pixels_is_drawn_from_those_it_touches(path: Path) -> None:
    whole = shares_of(open_cube(path), None, 96)
    part = shares_of(open_cube(path).isel(y=slice(6, 90), x=slice(9, 181)), None, 86)
    assert whole is not None
    assert part is not None
    np.testing.assert_array_equal(part.area_fraction, whole.area_fraction[1:23, 2:46])
    figure, ax = plt.subplots()
    open_cube(path).isel(y=slice(6, 90), x=slice(9, 181)).crop.plot(ax=ax, most_px=86)
    dataset = open_cube(path).isel(y=slice(6, 90), x=slice(9, 181))
    half = 1 / 20 / 64 / 2
    np.testing.assert_allclose(ax.get_xlim(), (float(dataset.x[0]) - half, float(dataset.x[-1]) + half), rtol=1e-9)
    assert np.asarray(ax.get_images()[0].get_array()).shape == (22, 44, 4)
    plt.close(figure)


def test_only_the_pixels_of_a_polygon_are_shown(path: Path) -> None:
    box = open_cube(path).rio.bounds()
    polygon = shapely.Polygon([(box[0], box[3]), (box[2], box[3]), (box[0], box[1])])
    dataset = open_cube(path, polygon)
    shares = shares_of(dataset, None, 96)
    assert shares is not None
    window = shares.window
    lon, lat = np.meshgrid(
        shares.grid.longitudes(window.col, window.width), shares.grid.latitudes(window.row, window.height)
    )
    expected = shapely.contains_xy(polygon, lon, lat)
    on_edge = shapely.distance(polygon.exterior, shapely.points(lon, lat)) < 1e-9
    np.testing.assert_array_equal(shares.is_inside[~on_edge], expected[~on_edge])
    assert (shares.colours[..., 3] == shares.is_inside).all()
    other = dataset.assign_coords(in_region=(("y", "x"), np.ones((128, 192), bool)))
    assert shares_of(other, None, 96) is None


def test_what_is_not_the_map_of_the_cube_is_drawn_pixel_by_pixel(path: Path, tmp_path: Path) -> None:
    dataset = open_cube(path)
    changed = dataset.assign(croplayer=dataset.croplayer.where(dataset.croplayer != 1, np.uint8(0)))
    make_cube(tmp_path / "bare.zarr")
    for other in (changed, dataset.load(), dataset.isel(y=slice(None, None, 2)), open_cube(tmp_path / "bare.zarr")):
        assert shares_of(other, None, 24) is None
    assert shares_of(open_cube(path), None, 1024) is None
    # The sources' maps are the cube's own, still.
    assert shares_of(open_cube(path).assign(croplayer=changed.croplayer), "aster", 24) is not None


def test_a_quick_look_is_the_mean_of_the_imagery_that_is_there(path: Path) -> None:
    box = open_cube(path).rio.bounds()
    dataset = open_cube(path, shapely.box(box[0] + 0.0101, *box[1:]))
    look = quick_look_of(dataset, "borealis", 20)
    assert look is not None
    whole = open_cube(path)
    rgb = whole.rgb.sel(source="borealis").to_numpy().astype(float)
    is_known = whole.imagery_valid.sel(source="borealis").to_numpy()
    squares = (8, 16, 12, 16)
    counts = is_known.reshape(squares).sum(axis=(1, 3))
    means = (rgb * is_known[..., None]).reshape(*squares, 3).sum(axis=(1, 3)) / counts[..., None]
    first = 12 - look.colours.shape[1]
    assert np.abs(look.colours[..., :3] - means[:, first:]).max() <= 1
    lon = look.grid.longitudes(look.window.col, look.window.width)
    assert ((look.colours[..., 3] == 255) == (lon > box[0] + 0.0101)).all()


@pytest.mark.parametrize("most_px", [24, 1024])
def test_quick_looks_are_drawn_with_and_without_overviews(path: Path, most_px: int) -> None:
    figure, ax = plt.subplots()
    open_cube(path).crop.quick_look("aster", ax=ax, most_px=most_px)
    image = np.asarray(ax.get_images()[0].get_array())
    assert image.shape == ((8, 12, 4) if most_px == 24 else (128, 192, 4))
    if most_px == 1024:
        valid = open_cube(path).imagery_valid.sel(source="aster").to_numpy()
        np.testing.assert_array_equal(image[..., 3] == 255, valid)
        np.testing.assert_array_equal(image[..., :3], open_cube(path).rgb.sel(source="aster"))
    with pytest.raises(ValueError, match="source 'new' is not in the dataset"):
        open_cube(path).crop.quick_look("new", ax=ax, most_px=most_px)
    plt.close(figure)


def test_a_level_of_another_layout_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "cube.zarr")
    level = zarr.open_group(tmp_path / "cube.zarr", path="2020/overviews/16", mode="r+")
    level.create_array(
        "area_fraction", shape=(3, 2, 2), dtype="uint8", dimension_names=("layer", "y", "x"), overwrite=True
    )
    with pytest.raises(SchemaError, match=r"'area_fraction' has the shape \(3, 2, 2\)"):
        shares_of(open_cube(tmp_path / "cube.zarr"), None, 24)


def test_notes_do_not_reach_files(path: Path, tmp_path: Path) -> None:
    box = open_cube(path).rio.bounds()
    dataset = open_cube(path, shapely.box(*box).buffer(-0.01))
    dataset.to_zarr(tmp_path / "copy.zarr", consolidated=False)
    again = xr.open_zarr(tmp_path / "copy.zarr", consolidated=False, mask_and_scale=False)
    assert not any("croplayer" in str(key) for v in again.variables.values() for key in v.attrs)
