from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import shapely
from rasterio.enums import ColorInterp
from shapely.geometry import LineString, Polygon

from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training import TrainingConfig, train_segmentation
from pipelines.engine.models import Models
from pipelines.recipe import Recipe
from pipelines.recipe_models import Segmentation, Training

LOSSLESS = {"quality": 100, "reversible": "yes", "ycbcr420": "no"}


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
    west, south = 500_100, 3_999_800
    bow = Polygon([(west, south), (west + 40, south + 40), (west + 40, south), (west, south + 40)])
    line = LineString([(west, south), (west + 1, south + 1)])
    table = geopandas.GeoDataFrame({"image": ["scene0"] * 3}, geometry=[bow, line, None], crs="EPSG:32649")
    table.to_parquet(tmp_path / "odd.parquet")
    scenes = LabelledScenes.open(images, tmp_path / "odd.parquet")
    assert len(scenes.report.repaired) == 1
    assert "scene0" in scenes.report.repaired[0] and "area 0 -> 800" in scenes.report.repaired[0]
    assert len(scenes.report.dropped) == 2
    assert all(p.is_valid for p in scenes.scenes[0].polygons)
    assert len(scenes.scenes[1].polygons) == 0 and not scenes.scenes[1].read().field.any()


def moved(painted, tmp_path, change):
    """The scenes with changed polygons."""
    change(geopandas.read_file(painted[1])).to_file(tmp_path / "moved.gpkg")
    return painted[0], tmp_path / "moved.gpkg"


def swap(geometry):
    return shapely.transform(geometry, lambda xy: xy[:, ::-1])


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        (lambda t: t.to_crs("EPSG:32649").set_crs("EPSG:32650", allow_override=True), "read in EPSG:32649 they would"),
        (lambda t: t.to_crs("EPSG:32650").set_crs("EPSG:32651", allow_override=True), "read in EPSG:32650 they would"),
        (
            lambda t: t.set_geometry([swap(g) for g in t.geometry], crs=t.crs),
            "latitude and longitude are probably swapped",
        ),
        (lambda t: t.set_crs("EPSG:32649", allow_override=True), "read in EPSG:4326 they would meet it"),
        (lambda t: t.set_geometry(t.translate(0.1, 0)), "km from its centre"),
    ],
)
def test_polygons_that_miss_the_scene_that_they_name_are_refused(painted, tmp_path, change, hint):
    with pytest.raises(ValueError, match=r"polygons of scene 'scene0' do not meet its picture") as caught:
        LabelledScenes.open(*moved(painted, tmp_path, change))
    assert hint in str(caught.value)
    assert "'scene4'" in str(caught.value) and "1 more scenes are alike" in str(caught.value)


def test_the_error_says_how_far_off_the_polygons_are(painted, tmp_path):
    """A tenth of a degree of longitude at 36.1 degrees north is 9.0 km."""
    with pytest.raises(ValueError, match=r"they lie about (8\.9|9\.0|9\.1) km from its centre"):
        LabelledScenes.open(*moved(painted, tmp_path, lambda t: t.set_geometry(t.translate(0.1, 0))))


def test_a_polygon_beside_its_scene_is_left_out_and_reported(painted, tmp_path):
    def change(table):
        first = table.index[table.image == "scene0"][0]
        table.loc[first, "geometry"] = shapely.transform(table.geometry[first], lambda xy: xy + np.array([0.1, 0]))
        return table

    scenes = LabelledScenes.open(*moved(painted, tmp_path, change))
    whole = LabelledScenes.open(*painted)
    assert len(scenes.scenes[0].polygons) == len(whole.scenes[0].polygons) - 1
    assert scenes.report.dropped == ("1 of the 4 polygons of scene scene0: beside its picture",)


def test_a_scene_is_negative_only_if_no_polygon_names_it(painted, tmp_path):
    without = LabelledScenes.open(*moved(painted, tmp_path, lambda t: t[t.image != "scene2"]))
    assert [s.name for s in without.scenes if not s.polygons] == ["scene2"]
    with pytest.raises(ValueError, match="the polygons that name scene 'scene2' have no area"):
        LabelledScenes.open(
            *moved(painted, tmp_path, lambda t: t.assign(geometry=t.geometry.where(t.image != "scene2", None)))
        )


def test_labels_of_one_kind_teach_nothing(painted, tmp_path):
    only = LabelledScenes.open(*moved(painted, tmp_path, lambda t: t[t.image == "scene0"]))
    assert 0 < only.field_share() < 1
    config = TrainingConfig(steps=1, crop_px=32, batch=1, threads=1)
    words = {"work": tmp_path, "training_data": "-", "licence": "-"}
    with pytest.raises(ValueError, match="no pixel of the 5 scenes to train on"):
        train_segmentation(only.subset([n for n in only.names if n != "scene0"]), config, tmp_path / "m", **words)
    box = shapely.box(499_000, 3_990_000, 520_000, 4_001_000)
    everywhere = geopandas.GeoDataFrame({"image": list(only.names)}, geometry=[box] * len(only), crs="EPSG:32649")
    everywhere.to_file(tmp_path / "all.gpkg")
    with pytest.raises(ValueError, match="every pixel of the 6 scenes to train on"):
        train_segmentation(LabelledScenes.open(painted[0], tmp_path / "all.gpkg"), config, tmp_path / "m", **words)
    assert not (tmp_path / "m").exists()


def test_a_recipe_that_trains_says_what_was_mended(painted, tmp_path, monkeypatch, caplog):
    images, polygons = painted
    table = geopandas.read_file(polygons).to_crs("EPSG:32649")
    bow = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    table.loc[len(table)] = {"image": "scene0", "geometry": bow}
    table.set_crs("EPSG:32649").to_parquet(tmp_path / "odd.parquet")
    training = {
        "images": str(images), "polygons": str(tmp_path / "odd.parquet"), "description": "painted", "licence": "none",
        "stated_minutes": 0.1,
    }  # fmt: skip
    recipe = Recipe(name="r", title="r", segmentation=Segmentation(model="m", training=Training(**training)))
    trained = []
    monkeypatch.setattr("pipelines.engine.models.train_named", lambda scenes, *_, **__: trained.append(scenes))
    Models(tmp_path / "home", tmp_path / "out").train_missing(recipe)
    assert len(trained[0]) == 6
    assert f"labels: row {len(table) - 1} of scene scene0: Self-intersection" in caplog.text


def test_formats_that_name_other_files_are_no_scenes(painted, tmp_path):
    (tmp_path / "scene0.vrt").write_text('<VRTDataset rasterXSize="160" rasterYSize="160"/>')
    with pytest.raises(ValueError, match=r"holds no raster \(\.tif, \.tiff, \.png, \.jpg, \.jp2\)"):
        LabelledScenes.open(tmp_path, painted[1])


def test_scenes_of_every_format_are_read(painted, tmp_path):
    """The same pixels from PNG and JPEG 2000 with their CRS beside or inside as from GeoTIFF."""
    images, polygons = painted
    table = geopandas.read_file(polygons)
    table[table.image == "scene0"].to_file(tmp_path / "fields.gpkg")
    expected = LabelledScenes.open(*painted).subset(["scene0"]).scenes[0].read()
    for ending, driver, options in ((".png", "PNG", {"worldfile": "yes"}), (".jp2", "JP2OpenJPEG", LOSSLESS)):
        folder = tmp_path / driver
        folder.mkdir()
        rasterio.shutil.copy(images / "scene0.tif", folder / f"scene0{ending}", driver=driver, **options)
        found = LabelledScenes.open(folder, tmp_path / "fields.gpkg").scenes[0].read()
        np.testing.assert_array_equal(found.rgb, expected.rgb)
        np.testing.assert_array_equal(found.parcels, expected.parcels)


def test_bands_in_another_order_are_read_by_their_names(painted, tmp_path):
    images, polygons = painted
    table = geopandas.read_file(polygons)
    table[table.image == "scene0"].to_file(tmp_path / "fields.gpkg")
    expected = LabelledScenes.open(*painted).subset(["scene0"]).scenes[0].read()
    with rasterio.open(images / "scene0.tif") as raster:
        profile, pixels = raster.profile, raster.read()
    colours = [ColorInterp.alpha, ColorInterp.blue, ColorInterp.green, ColorInterp.red]
    folder = tmp_path / "scenes"
    folder.mkdir()
    with rasterio.open(folder / "scene0.tif", "w", **profile | {"count": 4}) as raster:
        raster.write(np.stack([np.full_like(pixels[0], 255), *pixels[::-1]]))
        raster.colorinterp = colours
    found = LabelledScenes.open(folder, tmp_path / "fields.gpkg").scenes[0].read()
    np.testing.assert_array_equal(found.rgb, expected.rgb)
    for changes, message in (
        ({"dtype": "uint16"}, "has uint16 pixels; expected uint8: set scale|expected RGB of uint8"),
        ({"count": 1}, "has 1 bands.*expected RGB of uint8"),
    ):
        with rasterio.open(folder / "scene0.tif", "w", **profile | changes) as raster:
            raster.write(pixels[: raster.count].astype(raster.dtypes[0]))
        with pytest.raises(ValueError, match=message):
            LabelledScenes.open(folder, tmp_path / "fields.gpkg").scenes[0].read()


def test_missing_things_are_named(painted, tmp_path):
    images, polygons = painted
    with pytest.raises(FileNotFoundError, match="is not a folder"):
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
