"""The eight maps in their own legends, CRS, tiling and traps, read back pixel by pixel and ranked."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import pystac
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from croplayer.evaluation.maps import agreement_table
from croplayer.landscape.administration import make_administration
from croplayer.landscape.country import Country
from croplayer.landscape.product_definitions import PRODUCTS
from croplayer.landscape.products import REPEATED_STRIP_PX, write_products
from croplayer.landscape.truth import truth_mask
from croplayer.measures.agreement import Agreement
from croplayer.measures.products import map_agreement
from croplayer.products.codes import RasterCodes
from croplayer.products.legend import known_legends, read_legend
from croplayer.products.open import open_product, product_files
from croplayer.products.product import UNKNOWN, Product
from croplayer.products.strips import repeated_edges
from croplayer.sources.raster_file import RasterPlace, open_file
from croplayer.tasks.compare import CompareTask
from stores.grid import BlockGrid, Bounds, PixelWindow

BOUNDS = Bounds(113.95, 34.95, 114.05, 35.05)
"""Astride two UTM zones, two FROM tiles and two FCS30 tiles."""
GRID = BlockGrid(160)
BLOCKS = list(GRID.blocks_in(BOUNDS))
EIGHT = [p.key for p in PRODUCTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eight")
    write_products(Country(1), folder, BOUNDS, make_administration(1, BOUNDS, provinces=3).provinces)
    return folder


def opened(folder: Path, key: str, **how: object) -> Product:
    """A product of the synthetic country; its CACD writes 2 for what is not cropland, unlike the published one."""
    if key == "CACD":
        return Product("cacd", RasterCodes(product_files(str(folder / key))), (1,), (0, 1, 2), (0,))
    return open_product(key, str(folder / key), **how)  # type: ignore[arg-type]


def whole_window() -> PixelWindow:
    n = GRID.block_px
    rows, cols = [b.row for b in BLOCKS], [b.col for b in BLOCKS]
    return PixelWindow(min(rows) * n, min(cols) * n, (max(rows) - min(rows) + 1) * n, (max(cols) - min(cols) + 1) * n)


@pytest.mark.parametrize(
    ("key", "codes"),
    [("CACD", (1,)), ("CLCD", (1,)), ("ESA", (40,)), ("ESRI", (5,)), ("FROM", (10,)), ("FCS30", (10, 11, 20)), ("GL30", (10,)), ("SinoLC", (5,))],
)  # fmt: skip
def test_cropland_is_what_the_paper_takes(key: str, codes: tuple[int, ...]) -> None:
    legend = read_legend(key)
    assert legend.crop_codes() == codes
    assert not set(codes) & set(legend.file.nodata)


def test_every_legend_that_comes_along_is_sound() -> None:
    assert set(EIGHT) <= set(known_legends())
    for key in known_legends():
        legend = read_legend(key)
        assert legend.file.key == key
        assert legend.file.licence and legend.file.source
        assert set(legend.crop_codes()) <= set(legend.known_codes)


def test_definitions_are_switched_where_the_map_has_classes_for_it() -> None:
    assert read_legend("ESRI").crop_codes(include=["paddy"]) == (4, 5)
    assert read_legend("FCS30").crop_codes(include=["orchard"]) == (10, 11, 12, 20)
    with pytest.raises(ValueError, match=r"ESA has no class of its own for 'orchard' \(in its cropland: out\)"):
        read_legend("ESA").crop_codes(include=["orchard"])
    with pytest.raises(ValueError, match="kinds that can be included or excluded: none"):
        read_legend("GL30").crop_codes(exclude=["greenhouse"])


@pytest.mark.parametrize("key", EIGHT)
def test_every_pixel_is_the_published_pixel_that_holds_its_centre(folder: Path, key: str) -> None:
    """Against a plain lookup of every centre in the file that should hold it."""
    product = opened(folder, key)
    percent = product.read(whole_window(), GRID).on_pixels()
    window = whole_window()
    lon, lat = np.meshgrid(GRID.longitudes(window.col, window.width), GRID.latitudes(window.row, window.height))
    expected = np.full(lon.shape, UNKNOWN, np.uint8)
    for path in product_files(str(folder / key)):
        with rasterio.open(path) as file:
            codes = file.read(1)
            if key == "SinoLC":
                codes = codes[:-REPEATED_STRIP_PX, :-REPEATED_STRIP_PX]
            x, y = pyproj.Transformer.from_crs("EPSG:4326", file.crs, always_xy=True).transform(lon, lat)
            cols = np.floor((x - file.transform.c) / file.transform.a).astype(int)
            rows = np.floor((y - file.transform.f) / file.transform.e).astype(int)
            inside = (rows >= 0) & (rows < codes.shape[0]) & (cols >= 0) & (cols < codes.shape[1])
            if file.crs.to_epsg() in (32649, 32650):
                inside &= (lon < 114) == (file.crs.to_epsg() == 32649)
            found = codes[np.where(inside, rows, 0), np.where(inside, cols, 0)]
            inside &= ~np.isin(found, product.nodata) & (expected == UNKNOWN)
            expected[inside] = 100 * np.isin(found, product.crop_codes)[inside]
    assert (percent == expected).mean() > 0.9999
    assert (percent != UNKNOWN).mean() > 0.99


def test_a_block_does_not_depend_on_the_window_around_it(folder: Path) -> None:
    n = GRID.block_px
    for key in ("GL30", "FCS30", "SinoLC"):
        product = opened(folder, key)
        whole = product.read(whole_window(), GRID).on_pixels()
        for i, block in enumerate(BLOCKS):
            row, col = divmod(i, whole.shape[1] // n)
            own = product.read(GRID.window(block), GRID).on_pixels()
            assert (own == whole[row * n : (row + 1) * n, col * n : (col + 1) * n]).mean() > 0.9995


def test_repeated_strips_are_found_and_plain_ground_is_not(folder: Path, tmp_path: Path) -> None:
    for path in product_files(str(folder / "SinoLC")):
        assert repeated_edges(open_file(RasterPlace(path)), 1) == (REPEATED_STRIP_PX, REPEATED_STRIP_PX)
    rng = np.random.default_rng(0)
    sound = {
        "plain": np.full((300, 200), 7, np.uint8),
        "sea": np.pad(rng.integers(1, 9, (300, 100)), ((0, 0), (0, 100))).astype(np.uint8),
        "field": np.kron(rng.integers(1, 9, (30, 20)), np.ones((10, 10), int)).astype(np.uint8),
    }
    for name, values in sound.items():
        path = tmp_path / f"{name}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1, dtype="uint8",
            crs="EPSG:4326", transform=from_origin(114, 35, 1e-4, 1e-4),
        ) as sink:  # fmt: skip
            sink.write(values, 1)
        assert repeated_edges(open_file(RasterPlace(str(path))), 1) == (0, 0), name


@pytest.mark.parametrize("seed", range(6))
def test_a_repeated_strip_is_as_wide_as_what_repeats(seed: int, tmp_path: Path) -> None:
    """Land of large equal fields, whose lines are alike in many places, with strips at both ends or none."""
    rng = np.random.default_rng(seed)
    values = np.kron(rng.integers(1, 3, (25, 30)), np.ones((12, 10), int)).astype(np.uint8)
    values[rng.random(values.shape) < 0.01] = 3
    rows, cols = (0, 0) if seed == 0 else (int(n) for n in rng.integers(8, 100, 2))
    values = np.concatenate([values, values[len(values) - rows :]]) if rows else values
    values = np.concatenate([values, values[:, values.shape[1] - cols :]], axis=1) if cols else values
    path = tmp_path / "strips.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1, dtype="uint8",
        crs="EPSG:4326", transform=from_origin(114, 35, 1e-4, 1e-4),
    ) as sink:  # fmt: skip
        sink.write(values, 1)
    assert repeated_edges(open_file(RasterPlace(str(path))), 1) == (rows, cols)


def test_an_unknown_code_is_named_with_its_file(folder: Path, tmp_path: Path) -> None:
    legend = tmp_path / "mine.toml"
    legend.write_text(
        'key = "Mine"\ntitle = "mine"\nnodata = [0]\n[classes]\n40 = { name = "crop", land = "crop" }\n10 = "trees"\n'
    )
    product = open_product(str(legend), str(folder / "ESA" / "*.tif"))
    with pytest.raises(ValueError, match=r"product 'mine' holds code [23]0 in .*ESA_WorldCover.*tif, which its legend"):
        product.read(whole_window(), GRID)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('key = "a"\ntitle = "a"\n[classes]\n1 = "trees"\n', 'no class has land = "crop"'),
        ('key = "a"\ntitle = "a"\n[classes]\n1 = { name = "x", land = "rice" }\n', "classes.1.land: Input should be 'crop', 'paddy'"),
        ('key = "a"\ntitle = "a"\ncrops = [1]\n[classes]\n1 = { name = "x", land = "crop" }\n', "crops: Extra inputs"),
        ("key = ", "is not TOML"),
    ],
)  # fmt: skip
def test_errors_in_a_legend_file_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_legend(str(path))
    assert "mine.toml" in str(caught.value)
    with pytest.raises(
        FileNotFoundError, match=r"legend 'ESSA' is neither a \.toml file nor one of the included maps CACD, CLCD"
    ):
        read_legend("ESSA")


def test_stac_items_in_two_zones_give_the_pixels_of_their_files(folder: Path) -> None:
    features = []
    for path in product_files(str(folder / "ESRI")):
        with rasterio.open(path) as file:
            box = rasterio.warp.transform_bounds(file.crs, "EPSG:4326", *file.bounds, densify_pts=21)
            item = pystac.Item(
                id=Path(path).stem, geometry=shapely.geometry.mapping(shapely.box(*box)), bbox=list(box),
                datetime=datetime(2020, 7, 1, tzinfo=UTC),
                properties={"proj:code": f"EPSG:{file.crs.to_epsg()}", "proj:epsg": file.crs.to_epsg()},
            )  # fmt: skip
            item.add_asset("data", pystac.Asset(href=Path(path).name))
        features.append(item.to_dict(include_self_link=False))
    items = folder / "ESRI" / "items.json"
    items.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    stac = open_product("ESRI", str(items), asset="data", year=2020)
    stac.check(BOUNDS)
    files = opened(folder, "ESRI")
    for block in BLOCKS:
        window = GRID.window(block)
        np.testing.assert_array_equal(*(p.read(window, GRID).on_pixels() for p in (stac, files)))
    with pytest.raises(ValueError, match="has no item of 2019"):
        open_product("ESRI", str(items), asset="data", year=2019).check(BOUNDS)
    with pytest.raises(ValueError, match="has no asset 'map'; it has data"):
        open_product("ESRI", str(items), asset="map").check(BOUNDS)


def test_the_eight_are_held_against_the_truth_and_ranked(folder: Path, tmp_path: Path) -> None:
    n = GRID.block_px
    window = whole_window()
    truth = truth_mask(Country(1), window, GRID)
    with rasterio.open(
        tmp_path / "truth.tif", "w", driver="GTiff", width=2 * n, height=2 * n, count=1, dtype="uint8",
        crs="EPSG:4326", transform=GRID.transform(window),
    ) as sink:  # fmt: skip
        sink.write(truth, 1)
    reference = Product("truth", RasterCodes((str(tmp_path / "truth.tif"),)), (1,), (0, 1))
    products = {key.lower(): opened(folder, key) for key in EIGHT if key != "CACD"} | {"cacd": opened(folder, "CACD")}
    records = CompareTask(GRID, None, tuple(products.values()), reference)(BLOCKS)
    assert [r.reason for r in records] == [""] * len(BLOCKS)
    table = agreement_table(pd.DataFrame([r.values for r in records]), list(products), "truth").set_index("map")
    for key, product in products.items():
        percent = product.read(window, GRID).on_pixels()
        known = percent != UNKNOWN
        crop = (percent > 50) & known
        iou = (crop & (truth == 1)).sum() / ((crop | (truth == 1)) & known).sum()
        assert table.iou[key] == pytest.approx(iou, abs=0.002), key
    assert table.iou.between(0.3, 0.99).all(), table.iou
    # Orchards and built land that FROM counts and parcels that SinoLC misses cost more than the 30 m of FCS30.
    assert table.iou["fcs30"] > table.iou["from"]
    assert table.iou["esa"] > table.iou["sinolc"]


CDL_CROPS = (1, 2, 4, 5, 6, 24, 26, 27, 28, 29, 36, 44, 58, 61, 74, 205, 225, 228, 236, 240)
"""Classes of the Cropland Data Layer that are crops or fallow; hay (37), sod (59) and pasture (176) are not."""


def test_the_cultivated_layer_agrees_with_the_crops_it_is_made_from(data: Path) -> None:
    """By its documentation every pixel with a crop this year is cultivated, and so are some that had one before."""
    folder = data / "cdl_kansas"
    crops = Product("cdl", RasterCodes((str(folder / "2021_30m_cdls.tif"),)), CDL_CROPS)
    cultivated = Product("cultivated", RasterCodes((str(folder / "2021_cultivated_layer.tif"),)), (2,), (1, 2))
    grid = BlockGrid(400)
    counts = Agreement()
    for block in grid.blocks_in(Bounds(-97.15, 39.2, -96.95, 39.35)):
        window = grid.window(block)
        counts += map_agreement(crops.read(window, grid).flags(), cultivated.read(window, grid))
    assert sum(counts) > 12 * 300**2
    assert counts.fp == 0
    with rasterio.open(folder / "2021_30m_cdls.tif") as a, rasterio.open(folder / "2021_cultivated_layer.tif") as b:
        crop, layer = np.isin(a.read(1), CDL_CROPS), b.read(1) == 2
    assert not (crop & ~layer).any()
    assert counts.iou == pytest.approx((crop & layer).sum() / (crop | layer).sum(), abs=0.01)


WORLDCOVER = """
import sys
import numpy as np
from stores.grid import BlockGrid
from croplayer.products.open import open_product
from croplayer.measures.products import agreement_values, area_values, compared_with
grid = BlockGrid(2560)
product = open_product("ESA", sys.argv[1])
mask = np.ones((2560, 2560), np.uint8)
pixels = 0
for i in range(1, 30):
    block = grid.block_at(6 + 0.1 * i, 3 - 0.1 * i)
    read = product.read(grid.window(block), grid)
    counts = agreement_values("map", "esa", *compared_with(mask, [read]))
    pixels += sum(counts.values())
    assert area_values("esa", read, grid, block)["known_esa"] * 2560**2 == sum(counts.values())
print(pixels)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read as Linux tells it")
def test_a_tile_of_a_billion_pixels_is_compared_by_window_in_little_memory(data: Path) -> None:
    (path,) = data.glob("esa_worldcover/*.tif")
    done = subprocess.run([sys.executable, "-c", WORLDCOVER, str(path)], capture_output=True, text=True, check=True)
    _, kib = done.stdout.split()
    assert int(kib) < 300 * 1024, f"{int(kib) / 1024:.0f} MiB"
