"""Units that overlap, and what of it is only a sliver."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from croplayer.vector.overlaps import check_apart, overlaps
from stores.grid import Bounds

OUTER, ENCLAVE = shapely.box(114.0, 34.0, 114.1, 34.1), shapely.box(114.015, 34.015, 114.085, 34.085)
REGION = Bounds(114.0, 34.0, 114.1, 34.1)


def units(*polygons: shapely.Geometry) -> gpd.GeoDataFrame:
    codes = [str(i) for i in range(1, len(polygons) + 1)]
    table = {"adcode": codes, "name_en": [f"U{c}" for c in codes], "level": 1}
    return gpd.GeoDataFrame(table, geometry=list(polygons), crs="EPSG:4326")


def test_an_enclave_without_a_hole_is_an_error_that_names_the_pair_and_the_ground() -> None:
    # pyproj.Geod gives 50.18 km2 for the enclave.
    message = (
        r"boundaries a.gpkg, b.gpkg: the units '1' \(U1\) and '2' \(U2\) of level 1 overlap by 50\.18 km2, so this "
        "ground would be counted twice; cut one out of the other"
    )
    with pytest.raises(ValueError, match=message):
        check_apart(units(OUTER, ENCLAVE), REGION, [Path("a.gpkg"), Path("b.gpkg")])


def test_units_that_touch_and_an_enclave_in_its_hole_are_fine() -> None:
    ring = OUTER.difference(ENCLAVE)
    beside = shapely.box(114.1, 34.0, 114.2, 34.1)
    corner = shapely.box(114.1, 34.1, 114.2, 34.2)
    assert overlaps(units(ring, ENCLAVE, beside, corner)) == []


def test_the_same_polygon_under_two_codes_is_an_overlap_and_the_largest_is_first() -> None:
    found = overlaps(units(ENCLAVE, OUTER, ENCLAVE))
    assert [(pair.first, pair.second) for pair in found] == [(0, 1), (0, 2), (1, 2)]
    assert found[0].km2 == pytest.approx(found[1].km2)


def test_overlaps_far_from_the_region_do_not_matter_to_it() -> None:
    far = [shapely.transform(polygon, lambda p: p + 10) for polygon in (OUTER, ENCLAVE)]
    check_apart(units(OUTER, *far), REGION, [Path("a.gpkg")])


def test_borders_that_were_simplified_apart_are_fine() -> None:
    random = np.random.default_rng(1)
    corners = shapely.multipoints(random.uniform([110, 30], [114, 34], (80, 2)))
    cells = shapely.get_parts(shapely.voronoi_polygons(corners))
    rough = shapely.transform(
        shapely.segmentize(cells, 0.002), lambda p: (p + 0.0005 * np.sin(p[:, ::-1] * 997)).round(6)
    )
    simplified = shapely.simplify(rough, 0.003)
    assert shapely.is_valid(simplified).all()
    shared = shapely.area(shapely.intersection(simplified[:, None], simplified[None]))
    assert (shared > 0).sum() > 3 * len(cells), "neighbours overlap"
    assert overlaps(units(*simplified)) == []


def test_a_wide_strip_is_an_overlap_and_a_narrow_one_is_not() -> None:
    west = shapely.box(114.0, 34.0, 114.5, 34.5)
    narrow, wide = (shapely.box(114.5 - width, 34.0, 115.0, 34.5) for width in (0.004, 0.02))
    assert overlaps(units(west, narrow)) == [] and len(overlaps(units(west, wide))) == 1
