"""The region is the region: whatever is asked of a dataset counts its pixels alone, compared with plain geometry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import matplotlib.pyplot as plt
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from shared.small_cubes import RANGE, make_cube

import croplayer
from croplayer.cube.opening import open_cube
from croplayer.cube.query import cut_region
from stores.finished import UnfinishedBlocksWarning
from stores.grid import BlockGrid, BlockIndex

N = 64
GRID = BlockGrid(N)
WINDOW = RANGE.window(GRID)
WEST, NORTH = 114.0, 35.0
RING = shapely.Point(114.07, 34.953).buffer(0.035).difference(shapely.Point(114.08, 34.95).buffer(0.012))
TWO = shapely.union(shapely.Point(114.031, 34.97).buffer(0.021), shapely.box(114.0801, 34.9103, 114.1377, 34.9352))
CENTRES = np.meshgrid(GRID.longitudes(WINDOW.col, WINDOW.width), GRID.latitudes(WINDOW.row, WINDOW.height))
KM2 = np.repeat(GRID.pixel_area_m2(WINDOW.row, WINDOW.height)[:, None] / 1e6, WINDOW.width, axis=1)
FLAGS = np.random.default_rng(5).choice([0, 1, 1, 254, 255], (2 * N, 3 * N)).astype(np.uint8)
BORDER_BOX = (114.0131, 34.9207, 114.1209, 34.9755)

REGIONS: dict[str, tuple[Any, shapely.Geometry | None]] = {
    "everything": (None, None),
    "box": (BORDER_BOX, None),
    "polygon with a hole": (RING, RING),
    "name": ("Two Isles", TWO),
    "code": ("7", TWO),
    "UTM frame": (gpd.GeoDataFrame(geometry=[RING], crs=4326).to_crs(32649), RING),
    "Mercator series": (gpd.GeoSeries(shapely.get_parts(TWO), crs=4326).to_crs(3857), TWO),
    "blocks": ([BlockIndex(1100, 5880).name, BlockIndex(1101, 5881).name], shapely.union(shapely.box(114.0, 34.95, 114.05, 35.0), shapely.box(114.05, 34.9, 114.1, 34.95))),
}  # fmt: skip
SELECTIONS: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "as it is": lambda d: d,
    "across blocks": lambda d: d.isel(y=slice(9, -5), x=slice(7, 80)),
    "by labels": lambda d: d.sel(y=slice(34.98, 34.93), x=slice(114.03, 114.12)),
    "one row": lambda d: d.isel(y=[30]),
    "loaded": lambda d: d.isel(x=slice(3, None)).load(),
    "other chunks": lambda d: d.chunk(y=50, x=33),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("region")
    cube = make_cube(folder / "cube.zarr", N)
    for row, col in np.ndindex(RANGE.rows, RANGE.cols):
        block = BlockIndex(RANGE.row + row, RANGE.col + col)
        pixels = FLAGS[row * N : (row + 1) * N, col * N : (col + 1) * N]
        cube.write_block("croplayer", block, pixels)
        cube.write_block("cropland", block, np.where(pixels < 2, 1 - pixels, pixels).astype(np.uint8), "borealis")
    gpd.GeoDataFrame(
        {"adcode": ["7", "8"], "name_en": ["Two Isles", "Ring"], "name_zh": ["", ""], "level": [1, 1]},
        geometry=[TWO, RING], crs=4326,
    ).to_parquet(folder / "boundaries.parquet")  # fmt: skip
    return folder


def expected_pixels(dataset: xr.Dataset, region: Any, geometry: shapely.Geometry | None) -> np.ndarray:
    """Which pixels of the whole cube a dataset must count, (128, 192) bool, by plain geometry."""
    seen = np.zeros(FLAGS.shape, bool)
    rows = np.round((NORTH - dataset.y.to_numpy()) * GRID.px_per_degree - 0.5).astype(int)
    cols = np.round((dataset.x.to_numpy() - WEST) * GRID.px_per_degree - 0.5).astype(int)
    seen[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = True
    return seen if geometry is None else seen & shapely.contains_xy(geometry, *CENTRES)


@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("name", REGIONS)
def test_every_method_counts_the_pixels_of_the_region(run: Path, tmp_path: Path, name: str, selection: str) -> None:
    region, geometry = REGIONS[name]
    dataset = SELECTIONS[selection](open_cube(run, region))
    counted = expected_pixels(dataset, region, geometry)
    crop, known = counted & (FLAGS == 1), counted & (FLAGS < 2)
    assert counted.sum() > 0 and crop.any()

    flags = dataset.crop.flags().to_numpy()
    assert ((flags == 1).sum(), (flags == 254).sum()) == (crop.sum(), (counted & (FLAGS == 254)).sum())
    np.testing.assert_array_equal(cut_region(dataset).mask, flags)
    table = dataset.crop.area()
    assert table.area_km2[0] == pytest.approx(KM2[crop].sum(), rel=1e-9)
    assert table.known_share[0] == pytest.approx(KM2[known].sum() / KM2[counted].sum(), rel=1e-9)
    assert dataset.crop.area(source="borealis").area_km2[0] == pytest.approx(KM2[known & ~crop].sum(), rel=1e-9)
    polygons = dataset.crop.polygons()
    assert shapely.area(polygons.geometry.to_numpy()).sum() * GRID.px_per_degree**2 == pytest.approx(crop.sum())
    assert polygons.area_ha.sum() / 100 == pytest.approx(KM2[crop].sum(), rel=1e-6)
    shapes = croplayer.region_properties(dataset, dataset.croplayer).compute()
    assert shapes.area_px.sum() == crop.sum()

    codes = np.zeros(FLAGS.shape, np.uint8)
    codes[:, 60:], codes[:50, 60:] = 40, 10  # cropland below, trees above, nothing known in the west
    with rasterio.open(
        tmp_path / "esa.tif", "w", driver="GTiff", width=192, height=128, count=1, dtype="uint8", crs="EPSG:4326",
        transform=rasterio.transform.from_origin(WEST, NORTH, GRID.px_deg, GRID.px_deg),
    ) as sink:  # fmt: skip
        sink.write(codes, 1)
    found = dataset.crop.compare("ESA", str(tmp_path / "esa.tif"))
    both = known & (codes > 0)
    want = [(both & a & b).sum() for a, b in ((crop, codes == 40), (crop, codes == 10), (~crop, codes == 40), (~crop, codes == 10))]  # fmt: skip
    assert found[["tp", "fp", "fn", "tn", "unknown"]].tolist() == [*want, counted.sum() - both.sum()]

    drawn = dataset.crop.plot().images[0]
    plt.close("all")
    assert drawn.get_array().count() == counted.sum()
    assert drawn.get_extent()[0] == pytest.approx(float(dataset.x[0]) - GRID.px_deg / 2)


@pytest.mark.parametrize("selection", ["as it is", "across blocks", "one row"])
def test_a_unit_that_is_not_seen_has_no_area_and_a_cut_one_a_share(run: Path, selection: str) -> None:
    inside, cut, away = TWO, shapely.box(114.1, 34.85, 114.2, 34.95), shapely.box(10.0, 50.0, 11.0, 51.0)
    small = shapely.box(114.07001, 34.95001, 114.07002, 34.95002)
    units = gpd.GeoDataFrame({"adcode": list("abcd")}, geometry=[inside, cut, away, small], crs=4326)
    dataset = SELECTIONS[selection](open_cube(run))
    seen = expected_pixels(dataset, None, None)
    table = dataset.crop.area(by=units.to_crs(32650))
    assert table.columns.tolist() == ["adcode", "area_km2", "known_share"] and table.adcode.tolist() == list("abcd")
    for row, unit in enumerate((inside, cut)):
        mine = shapely.contains_xy(unit, *CENTRES)
        crop, known = mine & seen & (FLAGS == 1), mine & seen & (FLAGS < 2)
        land = KM2[mine].sum() / (0.25 if unit is cut else 1)  # a quarter of it lies in the cube; rows differ by 0.1 %
        if known.any():
            assert table.area_km2[row] == pytest.approx(KM2[crop].sum(), rel=1e-9)
            assert table.known_share[row] == pytest.approx(KM2[known].sum() / land, rel=0.01)
        else:
            assert np.isnan(table.area_km2[row]) and table.known_share[row] == 0
    assert table.area_km2[2:].isna().all() and (table.known_share[2:] == 0).all()
    ring = dataset.crop.area(by=units[:1]) if selection == "as it is" else None
    if ring is not None:
        part = open_cube(run, RING).crop.area(by=units[:1])
        assert 0 < part.area_km2[0] < ring.area_km2[0] and part.known_share[0] < ring.known_share[0]


def test_where_nothing_is_known_there_is_no_area(tmp_path: Path) -> None:
    make_cube(tmp_path / "cube.zarr")
    dataset = open_cube(tmp_path / "cube.zarr")
    assert dataset.crop.area().isna().area_km2[0] and dataset.crop.area().known_share[0] == 0
    assert croplayer.region_properties(dataset, dataset.croplayer).regions.isnull().all()


THINNED: dict[str, Callable[[xr.Dataset], xr.Dataset]] = {
    "thinned": lambda d: d.isel(y=slice(None, None, 2)),
    "coarsened": lambda d: d.coarsen(y=2, x=2).max(),
    "in another order": lambda d: d.isel(y=[0, 2, 1, 3]),
    "south first": lambda d: d.sortby("y"),
    "repeated": lambda d: d.isel(x=[1, 2, 2, 4]),
    "moved": lambda d: d.assign_coords(x=d.x + 1e-7),
}


@pytest.mark.parametrize("how", THINNED)
def test_what_is_no_window_of_pixels_is_not_measured(run: Path, how: str) -> None:
    dataset = THINNED[how](open_cube(run)[["croplayer"]])
    for measure in (lambda: dataset.crop.area(), lambda: dataset.crop.polygons(), lambda: cut_region(dataset)):
        with pytest.raises(ValueError, match=r"does not hold every pixel of a window along '[xy]'"):
            measure()
    if how in ("thinned", "south first"):
        assert dataset.crop.plot().images  # a picture may be thinned
        plt.close("all")


def test_selections_without_pixels_or_dimensions_are_named(run: Path) -> None:
    dataset = open_cube(run)
    with pytest.raises(ValueError, match="holds no pixel along 'y'; latitudes run from north to south"):
        dataset.sel(y=slice(34.93, 34.98)).crop.area()
    with pytest.raises(ValueError, match="has no dimension 'y'; select one row or column with a slice"):
        dataset.isel(y=5).crop.polygons()
    with pytest.raises(ValueError, match="source 'bing' is not in the dataset; it has aster, borealis"):
        dataset.crop.area(source="bing")
    assert dataset.sel(source="borealis").crop.area(source="borealis").equals(dataset.crop.area(source="borealis"))
    with pytest.raises(ValueError, match="has no array 'croplayer'; it has rgb"):
        dataset[["rgb"]].crop.area()
    with pytest.raises(ValueError, match="the mask lies elsewhere along 'y'"):
        croplayer.region_properties(dataset.isel(y=slice(0, 9)), dataset.croplayer.isel(y=slice(1, 10)))
    with pytest.raises(ValueError, match="not a dataset of open_cube"):
        xr.open_zarr(run / "cube.zarr", group="2020", consolidated=False).crop.area()


BAD: dict[str, tuple[Any, str]] = {
    "latitude first": ((34.95, 114.0, 35.0, 114.1), "not a box in degrees.*these look like latitude before longitude"),
    "east before west": ((114.1, 34.95, 114.0, 35.0), "not a box in degrees; expected west < east"),
    "metres": ((500_000, 3_800_000, 510_000, 3_900_000), "for metres give a GeoDataFrame"),
    "not finite": ((float("nan"), 34.9, 114.1, 35.0), "not a box in degrees"),
    "three numbers": ((1, 2, 3), r"region \(1, 2, 3\) is not bounds"),
    "a number": (5, "region 5 is not bounds"),
    "a point": (shapely.Point(114.05, 34.95), "is a Point; expected polygons"),
    "nothing": (shapely.Polygon(), "has no geometry"),
    "swapped polygon": (shapely.box(34.95, 114.0, 35.0, 114.1), "outside of longitudes and latitudes"),
    "elsewhere": (shapely.box(80, 30, 81, 31), r"region Polygon within \(80, 30, 81, 31\) does not overlap the cube"),
    "around it": (shapely.box(113, 34, 116, 36) - shapely.box(113.5, 34.5, 115.5, 35.5), "does not overlap the cube"),
    "beside it": (shapely.box(114.15, 34.9, 114.2, 35.0), "does not overlap the cube"),
    "no CRS": (gpd.GeoSeries([RING]), "a frame without a CRS"),
    "no features": (gpd.GeoDataFrame(geometry=[], crs=4326), "a frame without features"),
    "a bow tie": (shapely.Polygon([(114, 34.9), (114.1, 35), (114.1, 34.9), (114, 35)]), "repairing it changes its area"),
    "less than a pixel": (shapely.box(114.07001, 34.95001, 114.07002, 34.95002), "holds the centre of no pixel"),
    "unknown name": ("Atlantis", r"admin unit 'Atlantis' is not in .*Two Isles"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_region_of_the_cube_gets_a_sentence(run: Path, name: str) -> None:
    region, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        open_cube(run, region)


def test_exchanged_coordinates_are_hinted_at_where_both_are_possible(tmp_path: Path) -> None:
    from croplayer.cube.regions import Asked, exchanged_hint

    box = GRID.window_bounds(GRID.window(BlockIndex(1100, 4300)))  # 35 E, 35 N
    swapped = shapely.box(box.south, box.west, box.north, box.east)
    assert "exchanged" in exchanged_hint(Asked(swapped, True, ""), box)
    assert exchanged_hint(Asked(shapely.box(1, 2, 3, 4), True, ""), box) == ""


def test_a_region_that_is_partly_outside_is_told(run: Path) -> None:
    west = shapely.box(113.9, 34.93, 114.03, 34.97)
    with pytest.warns(
        UnfinishedBlocksWarning, match=r"4 of 6 blocks of the region lie outside .*cube.zarr and are not in"
    ):
        dataset = open_cube(run, west)
    assert dataset.sizes["x"] == round(0.03 * GRID.px_per_degree + 0.5)
