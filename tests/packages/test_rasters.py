"""The map of a province: colours, words, tiles and pixels as GDAL reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from shared.handed_out import handed_out_run, made_units

from croplayer.changes.editions import Edition, open_edition
from croplayer.cube.cuts import cut_polygon, strips_of_polygon
from croplayer.packages import rasters
from croplayer.packages.rasters import tiles_of, write_map
from croplayer.vector.files import write_geotiff
from croplayer.vector.regions import regions_of_mask, regions_of_strips
from stores.grid import CRS
from stores.legends import FLAG_COLOURS, FLAG_LABELS

WEST = made_units().geometry.iloc[0]


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Edition:
    return open_edition(str(handed_out_run(tmp_path_factory.mktemp("run"), with_fields=False)))


def words_of(path: Path) -> list[str]:
    """The names of values as GDAL reads them, which rasterio does not show."""
    shown = path.with_name("words.vrt")
    rasterio.shutil.copy(path, shown, driver="VRT")
    text = shown.read_text(encoding="utf-8")
    return [line.strip()[10:-11] for line in text.splitlines() if line.strip().startswith("<Category>")]


def test_a_map_has_pixels_colours_words_and_overviews(edition: Edition, tmp_path: Path) -> None:
    cut = cut_polygon(edition.cube, WEST, edition.finished)
    path, sidecar = write_map(edition.cube, WEST, edition.finished, tmp_path / "西省.tif")
    assert sidecar.name == "西省.tif.aux.xml"
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), cut.mask)
        assert file.crs == CRS and file.nodata == 255 and file.transform == cut.grid.transform(cut.window)
        colours = file.colormap(1)
        assert {value: "#{:02x}{:02x}{:02x}".format(*colours[value]) for value in FLAG_COLOURS} == FLAG_COLOURS
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    words = words_of(path)
    assert len(words) == 256
    assert {value: words[value] for value in FLAG_LABELS} == FLAG_LABELS


def test_gdal_reads_the_overviews(edition: Edition, tmp_path: Path) -> None:
    mask = np.tile(np.repeat(np.arange(2, dtype=np.uint8), 2), (1200, 300))
    grid = edition.cube.grid
    window = edition.cube.blocks.window(grid)._replace(height=1200, width=1200)
    path = rasters.write_cog(tmp_path / "large.tif", [(window, mask)], window, grid, colours=FLAG_COLOURS)
    with rasterio.open(path) as file:
        assert file.overviews(1) == [2, 4]
    with rasterio.open(path, overview_level=0) as file:
        np.testing.assert_array_equal(file.read(1), mask[::2, ::2])


def test_a_large_map_is_written_in_tiles_that_a_virtual_raster_shows_as_one(
    edition: Edition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rasters, "TILE_BLOCKS", 1)
    outline = made_units().geometry.union_all()
    cut = cut_polygon(edition.cube, outline, edition.finished)
    files = write_map(edition.cube, outline, edition.finished, tmp_path / "北.tif", most_px=100)
    tiles = [path for path in files if path.suffix == ".tif"]
    assert [path.name for path in tiles][:2] == ["北_34.25N_114.00E.tif", "北_34.25N_114.05E.tif"]
    assert len(tiles) == 6 and files[-1].name == "北.vrt"
    with rasterio.open(files[-1]) as file:
        np.testing.assert_array_equal(file.read(1), cut.mask)
        assert file.nodata == 255 and file.colormap(1)[1][:3] == tuple(bytes.fromhex(FLAG_COLOURS[1][1:]))
    assert words_of(files[-1])[254] == "no imagery"


def test_tiles_without_a_finished_block_are_left_out(edition: Edition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rasters, "TILE_BLOCKS", 1)
    outline = made_units().geometry.union_all()
    assert len(tiles_of(edition.cube, outline, edition.finished[:2], most_px=100)) == 2
    assert tiles_of(edition.cube, outline, edition.finished[:0]) == []


def test_pieces_give_the_bytes_of_the_whole(edition: Edition, tmp_path: Path) -> None:
    cut = cut_polygon(edition.cube, WEST, edition.finished)
    rows = [(cut.window._replace(row=cut.window.row + k, height=1), cut.mask[k : k + 1]) for k in range(len(cut.mask))]
    one = write_geotiff(tmp_path / "one" / "map.tif", *cut)
    two = rasters.write_cog(tmp_path / "two" / "map.tif", rows, cut.window, cut.grid)
    assert one.read_bytes() == two.read_bytes()


def test_regions_of_strips_are_those_of_the_mask(edition: Edition) -> None:
    outline = made_units().geometry.union_all()
    cut = cut_polygon(edition.cube, outline, edition.finished)
    strips = list(strips_of_polygon(edition.cube, outline, edition.finished))
    np.testing.assert_array_equal(np.concatenate(strips), cut.mask)
    whole = regions_of_mask(cut.mask == 1, cut.window, cut.grid).set_index("id")
    parts = [part for part in regions_of_strips((s == 1 for s in strips), cut.window, cut.grid) if len(part)]
    found = {row.id: row for part in parts for row in part.itertuples()}
    assert len(parts) > 1 and found.keys() == set(whole.index)
    for name, row in found.items():
        assert row.area_ha == whole.area_ha[name] and row.geometry.equals_exact(whole.geometry[name], 0)


def test_ground_without_cropland_has_no_regions(edition: Edition) -> None:
    window = edition.cube.blocks.window(edition.cube.grid)
    nothing = np.zeros((window.height, window.width), bool)
    for found in (
        regions_of_mask(nothing, window, edition.cube.grid),
        *regions_of_strips([nothing], window, edition.cube.grid),
    ):
        assert (
            len(found) == 0
            and list(found.columns) == ["id", "area_ha", "geometry"]
            and found.area_ha.dtype == np.float64
        )
