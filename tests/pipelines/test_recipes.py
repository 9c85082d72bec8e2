"""The recipes for real data, with models that learned for a few steps and as they stand; one training serves all."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from shared.commands import croplayer
from shared.places import REPOSITORY

from croplayer.cube.opening import open_cube

pytestmark = [pytest.mark.data, pytest.mark.slow]
RECIPES = REPOSITORY / "pipelines/recipes"
FEW, ALL = "a few steps", "as they stand"


class Recipes:
    """Runs recipes, each once, with one folder of models; with few steps their models learn almost nothing."""

    def __init__(self, root: Path, steps: str) -> None:
        self.root, self.models = root, root / "models"
        self._are_short = steps == FEW
        if self._are_short:
            shutil.copy(RECIPES / "stutsman.geojson", root)
            for path in RECIPES.glob("*.toml"):
                text = re.sub(r"^(steps|per_class) = \d+$", r"\1 = 10", path.read_text(encoding="utf-8"), flags=re.M)
                text = text.replace('recipe = "naip_fields"', f'recipe = "{root}/naip_fields.toml"')
                (root / path.name).write_text(text, encoding="utf-8")

    def out(self, name: str) -> Path:
        """The folder of the finished run of a recipe."""
        if not (self.root / name).exists():
            self.again(name)
        return self.root / name

    def again(self, name: str) -> CompletedProcess[str]:
        """Run a recipe, whether it was run or not."""
        recipe = self.root / f"{name}.toml" if self._are_short else name
        return croplayer("run", recipe, "-o", self.root / name, models=self.models)


@pytest.fixture(scope="module", params=[FEW, pytest.param(ALL, marks=pytest.mark.soak)])
def recipes(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recipes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROPLAYER_DATA", str(data))
        yield Recipes(tmp_path_factory.mktemp("recipes"), request.param)


def validated(recipes: Recipes) -> dict[str, Any]:
    """What the segmentation model of naip_fields says of its training."""
    (manifest,) = [json.loads(p.read_text()) for p in recipes.models.glob("naip_fields-*/manifest.json")]
    metrics: dict[str, Any] = manifest["metrics"]
    return metrics


def test_naip_fields_is_judged_on_scenes_it_never_saw(recipes: Recipes) -> None:
    out = recipes.out("naip_fields")
    metrics = validated(recipes)
    seen, judged = set(metrics["training_scenes"]), set(metrics["validation"]["by_scene"])
    assert len(seen) == 24 and len(judged) == 6 and not seen & judged
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "constant answer: all field" in html and f"{metrics['validation']['pooled']['iou']:.3g}" in html


@pytest.mark.soak
@pytest.mark.parametrize("recipes", [ALL], indirect=True)
def test_naip_fields_beats_the_constant_answers(recipes: Recipes) -> None:
    recipes.out("naip_fields")
    validation = validated(recipes)["validation"]
    constant = max(validation["all_field"]["iou"], validation["no_field"]["iou"])
    assert validation["pooled"]["iou"] > constant + 0.08


def test_naip_dates_maps_both_dates(recipes: Recipes, data: Path) -> None:
    out = recipes.out("naip_dates")
    cube = open_cube(out / "cube.zarr").load()
    assert list(cube.source.to_numpy()) == ["autumn", "summer"]
    for source in range(2):
        covered = cube.imagery_valid.isel(source=source)
        assert 0.3 < float(covered.mean()) < 0.5
        assert ((cube.cropland.isel(source=source) == 254) == ~covered).all()
        share = float((cube.cropland.isel(source=source) == 1).sum() / covered.sum())
        assert 0.05 < share < 0.99
    table = pd.read_csv(out / "tables/units_1.csv")
    assert table.land_km2[0] == pytest.approx(16.7, abs=0.5) and table.in_run[0] == pytest.approx(1, abs=1e-3)
    products = pd.read_csv(out / "tables/products.csv").set_index("product")
    with rasterio.open(data / "hyde_cropland/lcv_landuse.cropland_hyde_p_10km_2016_v3.2.tif") as file:
        cells = [v[0] / 100 for v in file.sample([(-99.18, 47.02), (-99.12, 47.02)])]
    assert min(cells) - 0.01 <= products.area_fraction["hyde"] <= max(cells) + 0.01


def test_swellendam_measures_real_terrain(recipes: Recipes, data: Path) -> None:
    out = recipes.out("swellendam")
    blocks = gpd.read_parquet(out / "blocks.parquet")
    assert blocks.elevation_m.notna().all() and blocks.slope_deg.between(0, 45).all()
    with rasterio.open(data / "swellendam/srtm_41_19_4326.tif") as file:
        for row in blocks.itertuples():
            west, south, east, north = row.geometry.bounds
            window = rasterio.windows.from_bounds(west, south, east, north, file.transform)
            values = file.read(1, window=window)
            assert row.elevation_m == pytest.approx(np.median(values), rel=0.05, abs=3)
    # The mountain is in the north, the irrigated valley in the south.
    assert blocks.sort_values("row").slope_deg.iloc[0] > 2 * blocks.sort_values("row").slope_deg.iloc[-1]
    cube = open_cube(out / "cube.zarr")
    assert cube.sizes["source"] == 1
    known = cube.crop.area()
    assert known.known_share.item() > 0.1
    assert known.area_km2.item() == pytest.approx(blocks.area_km2_croplayer.sum(), rel=1e-6)


@pytest.mark.soak
def test_china_grid_sums_the_real_product_by_province(recipes: Recipes, data: Path) -> None:
    out = recipes.out("china_grid")
    blocks = pd.read_parquet(out / "blocks.parquet", columns=["block", "adcode_1", "area_km2_hyde"])
    # The paper counts 389,777 blocks with finer boundaries.
    assert len(blocks) == pytest.approx(389_777, rel=0.03)
    table = pd.read_csv(out / "tables/units_1.csv", dtype={"adcode": str})
    assert len(table) == 34 and "广东省" in set(table.name_zh)
    assert table.statistic_km2.notna().sum() == 32
    assert table.statistic_km2.sum() == pytest.approx(1_278_618 + 7_901, abs=2)
    expected = exact_sums(data)
    large = table.hyde_km2 > 5000
    np.testing.assert_allclose(table.hyde_km2[large], expected[large.to_numpy()], rtol=2e-3)
    percent = 100 * table.hyde_km2 / table.statistic_km2
    # The table holds eight significant digits.
    np.testing.assert_allclose(table.hyde_percent.dropna(), percent[table.hyde_percent.notna()], rtol=1e-7)


def exact_sums(data: Path) -> np.ndarray:
    """Cropland of HYDE by province in km2 with fractional borders, by another library."""
    from exactextract import exact_extract

    units = gpd.read_file(data / "china_admin/chn_admin_level1.shp").sort_values("ADM1_PCODE").reset_index(drop=True)
    path = data / "hyde_cropland/lcv_landuse.cropland_hyde_p_10km_2016_v3.2.tif"
    sums = exact_extract(str(path), units, ["sum(coverage_weight=area_spherical_km2)"], output="pandas")
    # The library weighs by area on a sphere; the ratio of the ellipsoid's to the sphere's area is that of the polygons.
    from pyproj import Geod

    spherical = Geod(a=6378137.0, f=0)
    ellipsoid = Geod(ellps="WGS84")
    ratio = [ellipsoid.geometry_area_perimeter(g)[0] / spherical.geometry_area_perimeter(g)[0] for g in units.geometry]
    return sums.iloc[:, 0].to_numpy() / 100 * np.array(ratio)


@pytest.mark.parametrize(
    "name", ["naip_fields", "naip_dates", "swellendam", pytest.param("china_grid", marks=pytest.mark.soak)]
)
def test_a_second_run_does_nothing(recipes: Recipes, name: str) -> None:
    out = recipes.out(name)

    def times() -> dict[Path, int]:
        files = (path for path in out.rglob("*") if path.is_file() and path.name not in (".lock", "run.log"))
        return {path: path.stat().st_mtime_ns for path in files}

    before = times()
    assert "nothing to do" in recipes.again(name).stdout
    assert times() == before
