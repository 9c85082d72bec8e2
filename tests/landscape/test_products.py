"""The eight products have the form of the published ones, and err as they are said to."""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from croplayer.landscape.administration import make_administration
from croplayer.landscape.classes import IS_CROPLAND
from croplayer.landscape.country import Country
from croplayer.landscape.product_definitions import PRODUCTS, ProductDefinition
from croplayer.landscape.products import REPEATED_STRIP_PX, write_products
from stores.grid import Bounds

BOUNDS = Bounds(114.0, 34.9, 114.1, 35.05)
"""Astride two FCS30 tiles, on the edge of two UTM zones."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("products")
    write_products(Country(1), folder, BOUNDS, make_administration(1, BOUNDS, provinces=3).provinces)
    return folder


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda p: p.key)
def test_codes_are_those_of_the_legend(folder: Path, product: ProductDefinition) -> None:
    with (folder / product.key / "legend.csv").open(encoding="utf-8") as table:
        legend = {int(row["code"]): row["is_cropland"] == "1" for row in csv.DictReader(table)}
    files = sorted((folder / product.key).glob("*.tif"))
    assert files
    seen: set[int] = set()
    for path in files:
        with rasterio.open(path) as source:
            assert source.nodata == product.nodata
            assert source.dtypes == ("uint8",)
            seen |= set(np.unique(source.read(1)).tolist())
    assert seen <= set(legend)
    assert any(legend[code] for code in seen)


def test_names_and_tilings_are_the_published_ones(folder: Path) -> None:
    names = {p.key: sorted(f.name for f in (folder / p.key).glob("*.tif")) for p in PRODUCTS}
    assert names["CACD"] == ["CACD-2020.tif"]
    assert names["CLCD"] == ["CLCD_v01_2020_albert.tif"]
    assert names["ESA"] == ["ESA_WorldCover_10m_2020_v100_N33E114_Map.tif"]
    assert names["FROM"] == ["fromglc10v01_34_114.tif"]
    assert names["FCS30"] == ["GLC_FCS30_2020_E110N35.tif", "GLC_FCS30_2020_E110N40.tif"]
    assert names["GL30"] == ["N49_30_2020LC030.tif", "N50_30_2020LC030.tif"]
    assert names["ESRI"] == ["49S_2020.tif", "50S_2020.tif"]
    assert len(names["SinoLC"]) == 3


@pytest.mark.parametrize(("key", "zones"), [("GL30", (49, 50)), ("ESRI", (49, 50))])
def test_neighbouring_utm_zones_overlap(folder: Path, key: str, zones: tuple[int, int]) -> None:
    boxes = []
    for zone in zones:
        path = next((folder / key).glob(f"*{zone}*_2020*.tif"))
        with rasterio.open(path) as source:
            assert source.crs.to_epsg() == 32600 + zone
            boxes.append(gpd.GeoSeries([shapely.box(*source.bounds)], crs=source.crs).to_crs("EPSG:4326")[0])
    assert shapely.intersection(boxes[0], boxes[1]).area > 0.5 * (BOUNDS.east - BOUNDS.west) * 0.15


def test_sinolc_repeats_its_right_and_lower_edge(folder: Path) -> None:
    n = REPEATED_STRIP_PX
    for path in (folder / "SinoLC").glob("*.tif"):
        with rasterio.open(path) as source:
            values = source.read(1)
        np.testing.assert_array_equal(values[:, -n:], values[:, -2 * n : -n])
        np.testing.assert_array_equal(values[-n:], values[-2 * n : -n])


def test_products_agree_with_the_truth_as_far_as_they_should(folder: Path) -> None:
    iou = {}
    for product in PRODUCTS:
        crop_codes = [code for code, (_, crop) in product.legend.items() if crop]
        tp = union = 0
        for path in sorted((folder / product.key).glob("*.tif"))[:1]:
            with rasterio.open(path) as source:
                if source.crs.to_epsg() != 4326:
                    continue
                values, t = source.read(1), source.transform
            lon = t.c + (np.arange(values.shape[1]) + 0.5) * t.a
            lat = t.f + (np.arange(values.shape[0]) + 0.5) * t.e
            truth = IS_CROPLAND[Country(1).land_cover(lon, lat)].astype(bool)
            mapped = np.isin(values, crop_codes)
            known = values != product.nodata
            tp += int((truth & mapped & known).sum())
            union += int(((truth | mapped) & known).sum())
        if union:
            iou[product.key] = tp / union
    assert set(iou) == {"CACD", "ESA", "FROM", "FCS30", "SinoLC"}
    assert all(0.35 < value < 0.97 for value in iou.values()), iou
    assert max(iou.values()) - min(iou.values()) > 0.05
