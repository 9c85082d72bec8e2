from __future__ import annotations

import geopandas
import numpy as np
import pytest
from shapely.geometry import LineString, Polygon

from croplayer.models.scenes import LabelledScenes


def test_polygons_in_degrees_are_rasterised_on_a_projected_scene(painted_scenes):
    scene = painted_scenes.scenes[0]
    arrays = scene.read()
    assert scene.gsd_m == pytest.approx(2.0)
    assert arrays.rgb.shape == (160, 160, 3)
    assert arrays.valid.all()
    green = arrays.rgb[..., 1].astype(int) - arrays.rgb[..., 0] > 50
    assert (green == arrays.field).mean() > 0.995
    assert len(np.unique(arrays.parcels)) == len(scene.polygons) + 1


def test_split_is_by_scene_and_deterministic(painted_scenes):
    train, validation = painted_scenes.split_by_scene(0.34, seed=3)
    assert len(validation) == 2
    assert not set(train.names) & set(validation.names)
    assert set(train.names) | set(validation.names) == set(painted_scenes.names)
    assert painted_scenes.split_by_scene(0.34, seed=3)[1].names == validation.names
    assert any(painted_scenes.split_by_scene(0.34, seed=s)[1].names != validation.names for s in range(4, 9))


def test_folds_validate_each_scene_once(painted_scenes):
    folds = painted_scenes.folds(3, seed=0)
    held = [name for _, validation in folds for name in validation.names]
    assert sorted(held) == sorted(painted_scenes.names)
    assert all(not set(a.names) & set(b.names) for a, b in folds)


def test_invalid_polygons_are_repaired_and_reported(painted, tmp_path):
    images, _ = painted
    bow = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    line = LineString([(0, 0), (1, 1)])
    table = geopandas.GeoDataFrame({"image": ["scene0"] * 3}, geometry=[bow, line, None], crs="EPSG:4326")
    table.to_parquet(tmp_path / "odd.parquet")
    scenes = LabelledScenes.open(images, tmp_path / "odd.parquet")
    assert len(scenes.report.repaired) == 1
    assert "scene0" in scenes.report.repaired[0] and "area 0 -> 0.5" in scenes.report.repaired[0]
    assert len(scenes.report.dropped) == 2
    assert all(p.is_valid for p in scenes.scenes[0].polygons)
    assert len(scenes.scenes[1].polygons) == 0 and not scenes.scenes[1].read().field.any()


def test_missing_things_are_named(painted, tmp_path):
    images, polygons = painted
    with pytest.raises(FileNotFoundError, match="no folder"):
        LabelledScenes.open(tmp_path / "none", polygons)
    with pytest.raises(FileNotFoundError, match=r"none\.gpkg"):
        LabelledScenes.open(images, tmp_path / "none.gpkg")
    with pytest.raises(ValueError, match="no column 'scene'"):
        LabelledScenes.open(images, polygons, image_column="scene")
    table = geopandas.read_file(polygons)
    table.loc[0, "image"] = "elsewhere"
    table.to_file(tmp_path / "wrong.gpkg")
    with pytest.raises(FileNotFoundError, match="'elsewhere'"):
        LabelledScenes.open(images, tmp_path / "wrong.gpkg")


def test_real_scenes(naip_fields):
    scenes = LabelledScenes.open(naip_fields / "images", naip_fields / "fields.gpkg")
    assert len(scenes) == 30
    assert len(scenes.report.repaired) == 6
    assert not scenes.report.dropped
    assert {round(s.gsd_m, 1) for s in scenes.scenes} == {1.0, 2.5}
    assert sum(len(s.polygons) for s in scenes.scenes) == 1010
    share = np.mean([scene.read().field.mean() for scene in scenes.scenes])
    assert 0.6 < share < 0.75
