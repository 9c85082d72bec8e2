"""`croplayer query` cuts a region out of a finished run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import rasterio
from shared.commands import croplayer


@pytest.mark.parametrize("ending", ["tif", "parquet", "shp"])
def test_query_cuts_a_region_into_a_file(finished: Path, models: Path, tmp_path: Path, ending: str) -> None:
    units = gpd.read_parquet(finished / "boundaries.parquet")
    inside = units[(units.level == 1)].cx[114.0:114.1, 34.0:34.1].iloc[0]
    out = tmp_path / f"cut.{ending}"
    croplayer("query", finished / "cube.zarr", "--admin", inside.adcode, "-o", out, models=models)
    table = pd.read_csv(finished / "tables/units_1.csv", dtype={"adcode": str}).set_index("adcode")
    expected = table.croplayer_km2[inside.adcode]
    if ending == "tif":
        with rasterio.open(out) as file:
            assert file.crs == "EPSG:4326" and file.nodata == 255
            assert (file.read(1) == 1).any() == (expected > 0)
        return
    parcels = gpd.read_parquet(out) if ending == "parquet" else gpd.read_file(out)
    assert parcels.crs == "EPSG:4326"
    assert parcels.area_ha.sum() / 100 == pytest.approx(expected, rel=1e-4)
    assert parcels.id.is_unique and parcels.is_valid.all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--admin", "Atlantis"], r"admin unit 'Atlantis' is not in .*boundaries.parquet"),
        (["--bbox", "1,2,3"], "--bbox is '1,2,3'; expected west,south,east,north"),
        (["--bbox", "1,2,3,4"], "does not overlap the cube"),
        ([], "exactly one of --bbox, --polygon and --admin"),
    ],
)
def test_bad_queries_get_one_sentence(
    finished: Path, models: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = croplayer("query", finished / "cube.zarr", *arguments, "-o", tmp_path / "x.tif", models=models, check=False)
    assert done.returncode == 2
    assert re.fullmatch(rf"croplayer: .*{message}.*\n", done.stderr), done.stderr


def test_a_query_says_what_is_known_and_what_is_not_finished(finished: Path, models: Path, tmp_path: Path) -> None:
    """The folder of a run serves as well as its cube, and a polygon in metres as well as the unit's name."""
    units = gpd.read_parquet(finished / "boundaries.parquet")
    unit = units[units.level == 1].cx[114.0:114.1, 34.0:34.1].iloc[:1]
    unit.to_crs(32650).to_file(tmp_path / "unit.gpkg")
    region = ["--polygon", tmp_path / "unit.gpkg", "-o", tmp_path / "cut.tif"]
    done = croplayer("query", finished, *region, models=models)
    table = pd.read_csv(finished / "tables/units_1.csv", dtype={"adcode": str}).set_index("adcode")
    said = re.search(
        r"^(\S+) km² of cropland; (\S+)% of the land of the region in the cube is known$", done.stderr, re.M
    )
    assert said and float(said[1]) == pytest.approx(table.croplayer_km2[unit.adcode.iloc[0]], rel=1e-3)
    assert done.stdout.splitlines() == [str(tmp_path / "cut.tif")]
    with rasterio.open(tmp_path / "cut.tif") as file:
        before = file.read(1)
    shutil.copytree(finished, tmp_path / "run")
    name = pd.read_parquet(finished / "blocks.parquet").block[0]
    (tmp_path / "run/cube.zarr/2020/croplayer/c/0/0").write_bytes(b"")
    done = croplayer("query", tmp_path / "run", *region, models=models)
    assert f"have no finished 'integrate': {name}; unfinished blocks read as never processed (255)" in done.stderr
    again = float(re.search(r"; (\S+)% of the land", done.stderr)[1])  # type: ignore[index]
    assert again < float(said[2])
    with rasterio.open(tmp_path / "cut.tif") as file:
        after = file.read(1)
    assert ((after == 255) | (after == before)).all() and (after != before).any()
