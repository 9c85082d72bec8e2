"""The cube on disk: created once, written by whole blocks, opened lazily with its CRS."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
import zarr
from pyproj import Geod
from scipy import ndimage
from skimage.measure import label, regionprops

import croplayer
from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from stores.cube import CUBE
from stores.durable import DurableStore, digest_file
from stores.grid import BlockGrid, BlockIndex, BlockRange, Bounds
from stores.schema import SchemaError

RANGE = BlockRange(1100, 5880, 2, 3)
SOURCES = ("aster", "borealis")


def make_cube(path: Path, block_px: int = 64) -> Cube:
    CUBE.create(DurableStore(path), "2020", BlockGrid(block_px), RANGE, SOURCES)
    return Cube.open(path)


def fill_checkerboard(cube: Cube) -> None:
    n = cube.grid.block_px
    for row in range(RANGE.rows):
        for col in range(RANGE.cols):
            y, x = np.mgrid[row * n : (row + 1) * n, col * n : (col + 1) * n]
            mask = ((y + x) % 2).astype(np.uint8)
            cube.write_block("croplayer", BlockIndex(RANGE.row + row, RANGE.col + col), mask)


def test_open_cube_is_lazy_and_knows_its_crs(tmp_path: Path) -> None:
    make_cube(tmp_path / "cube.zarr")
    cube = open_cube(tmp_path / "cube.zarr")
    assert cube.rio.crs == "EPSG:4326"
    assert cube.croplayer.dtype == np.uint8
    assert cube.croplayer.chunksizes == {"y": (64, 64), "x": (64, 64, 64)}
    assert list(cube.source.to_numpy()) == list(SOURCES)
    west, south, east, north = cube.rio.bounds()
    assert (west, north) == pytest.approx((114.0, 35.0), abs=1e-12)
    assert (east, south) == pytest.approx((114.15, 34.9), abs=1e-12)


def test_nothing_written_reads_as_never_processed(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    assert (cube.read_block("croplayer", BlockIndex(1100, 5880)) == 255).all()
    assert (cube.read_block("cropland", BlockIndex(1100, 5880), "aster") == 255).all()


def test_a_block_is_written_whole_and_known_by_its_digest(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    files = cube.write_block("rgb", BlockIndex(1101, 5882), pixels, "borealis")
    ((key, digest),) = files.items()
    assert key == "2020/rgb/c/1/1/2/0"
    assert digest_file(tmp_path / "cube.zarr" / key) == digest
    np.testing.assert_array_equal(cube.read_block("rgb", BlockIndex(1101, 5882), "borealis"), pixels)
    assert not list((tmp_path / "cube.zarr").rglob("*.partial"))


def test_a_block_of_the_fill_value_still_has_a_file(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    files = cube.write_block("imagery_valid", BlockIndex(1100, 5880), np.zeros((64, 64), bool), "aster")
    assert len(files) == 1
    assert all((tmp_path / "cube.zarr" / key).exists() for key in files)


def test_part_of_a_block_and_wrong_types_are_refused(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    with pytest.raises(ValueError, match="written whole"):
        cube.write_block("croplayer", BlockIndex(1100, 5880), np.zeros((32, 64), np.uint8))
    with pytest.raises(TypeError, match="expected uint8"):
        cube.write_block("croplayer", BlockIndex(1100, 5880), np.zeros((64, 64)))
    with pytest.raises(ValueError, match="outside the cube"):
        cube.write_block("croplayer", BlockIndex(1102, 5880), np.zeros((64, 64), np.uint8))


def test_one_flipped_bit_is_never_read_as_data(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    rng = np.random.default_rng(1)
    block = BlockIndex(1100, 5880)
    files = cube.write_block("croplayer", block, rng.integers(0, 2, (64, 64)).astype(np.uint8))
    path = tmp_path / "cube.zarr" / next(iter(files))
    good = path.read_bytes()
    for _ in range(60):
        place, bit = int(rng.integers(len(good))), int(rng.integers(8))
        path.write_bytes(good[:place] + bytes([good[place] ^ (1 << bit)]) + good[place + 1 :])
        with pytest.raises(Exception):  # noqa: B017 (zstd and zarr raise several kinds)
            cube.read_block("croplayer", block)
    path.write_bytes(good)
    cube.read_block("croplayer", block)


def test_creating_again_keeps_the_cube_and_another_layout_is_refused(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    cube.write_block("croplayer", BlockIndex(1100, 5880), np.ones((64, 64), np.uint8))
    make_cube(tmp_path / "cube.zarr")
    assert (cube.read_block("croplayer", BlockIndex(1100, 5880)) == 1).all()
    with pytest.raises(SchemaError, match="block_px is 64, expected 32"):
        make_cube(tmp_path / "cube.zarr", 32)


def test_an_edition_whose_creation_was_cut_short_is_created_anew(tmp_path: Path) -> None:
    make_cube(tmp_path / "cube.zarr")
    whole = {p: p.read_bytes() for p in sorted((tmp_path / "cube.zarr").rglob("*")) if p.is_file()}
    for name in ("2020/zarr.json", "2020/x/c/0", "2020/rgb/zarr.json"):
        (tmp_path / "cube.zarr" / name).unlink()
    make_cube(tmp_path / "cube.zarr")
    assert {p: p.read_bytes() for p in sorted((tmp_path / "cube.zarr").rglob("*")) if p.is_file()} == whole


def test_blocks_that_lost_the_metadata_of_their_edition_are_kept(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    (key,) = cube.write_block("croplayer", BlockIndex(1100, 5880), np.ones((64, 64), np.uint8))
    metadata = tmp_path / "cube.zarr/2020/zarr.json"
    lost = metadata.read_bytes()
    metadata.unlink()
    with pytest.raises(
        SchemaError, match=rf"edition '2020' of .*cube.zarr has lost its metadata .* such as {key}; restore"
    ):
        make_cube(tmp_path / "cube.zarr")
    metadata.write_bytes(lost)
    assert (make_cube(tmp_path / "cube.zarr").read_block("croplayer", BlockIndex(1100, 5880)) == 1).all()


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the metadata of an array or group by hand."""
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))


def grid_of_chunks(shape: list[int]) -> Callable[[dict[str, Any]], object]:
    return lambda m: m["chunk_grid"]["configuration"].update(chunk_shape=shape)


HOSTILE = {
    "of a trillion pixels": ("croplayer", lambda m: m.update(shape=[10**6, 10**6]), r"array 'croplayer' has the shape \(1000000, 1000000\)"),
    "in a chunk of a terabyte": ("cropland", grid_of_chunks([1, 10**6, 10**6]), r"array 'cropland' is stored in parts of .* 1000000000000 bytes"),
    "with a coordinate in a huge chunk": ("x", grid_of_chunks([10**12]), "array 'x' is stored in parts of"),
    "of complex numbers": ("croplayer", lambda m: (m.update(data_type="complex128", fill_value=[0, 0])), "array 'croplayer' is of complex128; expected numbers"),
    "of texts": ("croplayer", lambda m: m.update(data_type="string", fill_value="", codecs=[{"name": "vlen-utf8"}]), "array 'croplayer' is of .*; expected numbers"),
    "of objects": ("croplayer", lambda m: m.update(data_type="object"), "has metadata that cannot be read|expected numbers"),
    "with a dimension of its own": ("croplayer", lambda m: m.update(dimension_names=["y", "time"]), "array 'croplayer' has the dimensions"),
    "with another codec": ("croplayer", lambda m: m.update(codecs=[{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 1}}]), "array 'croplayer' is encoded with GzipCodec"),
    "on a huge lattice": ("", lambda m: m["attributes"]["croplayer"].update(block_px=10**9), "block_px is 1000000000; expected a whole number from 1 to 10240"),
    "beyond the Earth": ("", lambda m: m["attributes"]["croplayer"].update(col=7199), "reaches beyond the lattice"),
    "that does not say where": ("", lambda m: m["attributes"]["croplayer"].pop("row"), "row is None; expected"),
    "of true rows": ("", lambda m: m["attributes"]["croplayer"].update(rows=True), "rows is True; expected"),
    "without sources": ("", lambda m: m["attributes"]["croplayer"].update(sources="aster"), "sources are aster; expected 1 to 16 names"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_foreign_cube_is_refused_by_its_metadata(tmp_path: Path, name: str) -> None:
    """Nothing is allocated: a process of 1 GiB would not survive most of these arrays."""
    make_cube(tmp_path / "cube.zarr")
    array, change, message = HOSTILE[name]
    rewrite(tmp_path / "cube.zarr/2020" / array / "zarr.json", change)
    tracemalloc.start()
    for read in (Cube.open, open_cube):
        with pytest.raises(SchemaError, match=message) as caught:
            read(tmp_path / "cube.zarr")
        assert "cube.zarr" in str(caught.value) and "\n" not in str(caught.value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("shift", [1e-9, 0.5 / 1280], ids=["noise", "half a pixel"])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_coordinates_off_the_lattice_are_refused(tmp_path: Path, axis: str, shift: float) -> None:
    """Two cubes with such coordinates would have no row or column in common, and their sum none at all."""
    make_cube(tmp_path / "cube.zarr")
    array = zarr.open_array(str(tmp_path / "cube.zarr"), path=f"2020/{axis}", mode="r+")
    array[:] = array[:] + shift
    with pytest.raises(SchemaError, match=f"'{axis}' is not the lattice's; write the cube again"):
        open_cube(tmp_path / "cube.zarr")


def test_cubes_of_two_runs_join_exactly(tmp_path: Path) -> None:
    """The same coordinates to the last bit, also where one starts elsewhere: nothing is lost in a sum."""
    make_cube(tmp_path / "one.zarr")
    shifted = BlockRange(RANGE.row + 1, RANGE.col + 1, 2, 2)
    CUBE.create(DurableStore(tmp_path / "two.zarr"), "2020", BlockGrid(64), shifted, SOURCES)
    box = BlockGrid(64).bounds(BlockIndex(RANGE.row + 1, RANGE.col + 1))
    one, two = (open_cube(tmp_path / f"{name}.zarr", box).croplayer for name in ("one", "two"))
    with xr.set_options(arithmetic_join="exact"):
        assert (one + two).shape == (64, 64)


def test_region_by_bounds_is_cut_first_and_chunked_by_block_after(tmp_path: Path) -> None:
    make_cube(tmp_path / "cube.zarr")
    cube = open_cube(tmp_path / "cube.zarr", (114.03, 34.93, 114.12, 34.97))
    ppd = 20 * 64
    assert cube.sizes["x"] == round(0.12 * ppd + 0.4999) - int(0.03 * ppd)
    assert sum(cube.chunksizes["x"]) == cube.sizes["x"]
    assert len(cube.chunksizes["x"]) == 3
    with pytest.raises(ValueError, match="does not overlap the cube"):
        open_cube(tmp_path / "cube.zarr", Bounds(10.0, 10.0, 11.0, 11.0))


def test_region_by_name_and_polygon(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    fill_checkerboard(cube)
    units = gpd.GeoDataFrame(
        {"adcode": ["1", "2"], "name_en": ["West Land", "East Land"], "name_zh": ["西", "东"], "level": [1, 1]},
        geometry=[shapely.box(114.0, 34.9, 114.05, 35.0), shapely.Point(114.1, 34.95).buffer(0.03)],
        crs="EPSG:4326",
    )
    units.to_parquet(tmp_path / "boundaries.parquet")
    west = open_cube(tmp_path / "cube.zarr", "west land")
    assert west.sizes == {"source": 2, "y": 128, "x": 64, "band": 3}
    assert bool(west.in_region.all())
    east = open_cube(tmp_path / "cube.zarr", "东")
    pixels = int(east.in_region.sum())
    assert pixels == pytest.approx(np.pi * (0.03 * 20 * 64) ** 2, rel=0.01)
    with pytest.raises(ValueError, match=r"admin unit 'Nowhere' is not in .*West Land"):
        open_cube(tmp_path / "cube.zarr", "Nowhere")


def test_area_by_province_on_a_checkerboard_equals_the_geodesic_sum(tmp_path: Path) -> None:
    """Pixel by pixel against pyproj, membership by an independent point-in-polygon test."""
    cube = make_cube(tmp_path / "cube.zarr", 32)
    fill_checkerboard(cube)
    units = gpd.GeoDataFrame(
        {"adcode": ["a", "b"]},
        geometry=[
            shapely.Polygon([(114.0, 34.9), (114.07, 34.9), (114.04, 35.0), (114.0, 35.0)]),
            shapely.Polygon([(114.07, 34.9), (114.15, 34.9), (114.15, 35.0), (114.04, 35.0)]),
        ],
        crs="EPSG:4326",
    )
    table = open_cube(tmp_path / "cube.zarr").crop.area(by=units)
    geod = Geod(ellps="WGS84")
    window = RANGE.window(cube.grid)
    box = cube.grid.window_bounds(window)
    x, y = np.linspace(box.west, box.east, window.width + 1), np.linspace(box.north, box.south, window.height + 1)
    expected = np.zeros(2)
    for j in range(window.height):
        pixel = ([x[0], x[1], x[1], x[0]], [y[j + 1], y[j + 1], y[j], y[j]])
        area = abs(geod.polygon_area_perimeter(*pixel)[0]) / 1e6
        centres = shapely.points((x[:-1] + x[1:]) / 2, np.full(window.width, (y[j] + y[j + 1]) / 2))
        crop = (np.arange(window.width) + j) % 2 == 1
        for u, polygon in enumerate(units.geometry):
            expected[u] += area * (shapely.contains(polygon, centres) & crop).sum()
    np.testing.assert_allclose(table.area_km2, expected, rtol=1e-6)


def test_regions_of_each_chunk_are_those_of_scikit_image(tmp_path: Path) -> None:
    cube, rng = make_cube(tmp_path / "cube.zarr"), np.random.default_rng(4)
    for row in range(RANGE.rows):
        for col in range(RANGE.cols):
            # Blobs, some of them with holes, and a block without cropland.
            pixels = (ndimage.gaussian_filter(rng.random((64, 64)), 2) > 0.5).astype(np.uint8)
            pixels[:5] = 254
            cube.write_block("croplayer", BlockIndex(RANGE.row + row, RANGE.col + col), pixels * (row + col > 0))
    # The selection cuts blocks, so its chunks differ in size.
    dataset = croplayer.open_cube(tmp_path / "cube.zarr", region=(114.01, 34.91, 114.14, 34.99))
    shape = croplayer.region_properties(dataset, dataset.croplayer)
    assert shape.regions.shape == (2, 3) and shape.regions.chunks is not None
    shape = shape.compute()
    ends = [np.cumsum((0, *dataset.chunksizes[d])) for d in ("y", "x")]
    for i, j in np.ndindex(2, 3):
        chunk = dataset.croplayer[ends[0][i] : ends[0][i + 1], ends[1][j] : ends[1][j + 1]] == 1
        found = {name: float(values[i, j]) for name, values in shape.items()}
        regions = regionprops(label(chunk.to_numpy(), connectivity=2))
        assert (found["regions"], found["area_px"]) == (len(regions), sum(r.area for r in regions))
        assert found["euler_total"] == sum(r.euler_number for r in regions)
        assert found["solidity_total"] == pytest.approx(sum(r.solidity for r in regions))
        for name in ("euler", "solidity"):
            mean = found[f"{name}_total"] / len(regions) if regions else np.nan
            assert found[f"{name}_mean"] == pytest.approx(mean, nan_ok=True)
    assert shape.regions.sum() > 20 and shape.regions[0, 0] == 0 and (shape.euler_total < shape.regions).any()


def test_a_product_is_compared_lazily_pixel_by_pixel(tmp_path: Path) -> None:
    fill_checkerboard(make_cube(tmp_path / "cube.zarr"))
    codes = np.zeros((64, 96), np.uint8)
    codes[:, :48], codes[:32, 48:] = 40, 10
    with rasterio.open(
        tmp_path / "esa.tif", "w", driver="GTiff", width=96, height=64, count=1, dtype="uint8", crs="EPSG:4326",
        transform=rasterio.transform.from_origin(114.0, 35.0, 0.15 / 96, 0.1 / 64),
    ) as sink:  # fmt: skip
        sink.write(codes, 1)
    found = open_cube(tmp_path / "cube.zarr").crop.compare("ESA", str(tmp_path / "esa.tif"))
    pixels = 128 * 192
    # Half is cropland in the product, a quarter other land, a quarter nodata; ours is a checkerboard.
    assert found[["tp", "fp", "fn", "tn"]].tolist() == [pixels / 4, pixels / 8, pixels / 4, pixels / 8]
    assert found.area_fraction == 0.5
    assert found.area_fraction_esa == pytest.approx(2 / 3)


def test_the_layout_equals_its_template(tmp_path: Path) -> None:
    """A change of the bytes' meaning shows as a change of the checked-in template."""
    from stores.templates import cube_template, template_path

    assert template_path("cube").read_text() == cube_template()


def test_missing_or_foreign_cube_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not a cube"):
        open_cube(tmp_path / "nothing.zarr")
    zarr.open_group(str(tmp_path / "other.zarr"), mode="w").create_group("x")
    with pytest.raises(SchemaError, match="not a croplayer edition"):
        open_cube(tmp_path / "other.zarr")
    make_cube(tmp_path / "cube.zarr")
    with pytest.raises(ValueError, match="no edition '1999'"):
        open_cube(tmp_path / "cube.zarr", edition="1999")


def test_plain_xarray_reads_the_cube_too(tmp_path: Path) -> None:
    make_cube(tmp_path / "cube.zarr")
    plain = xr.open_zarr(tmp_path / "cube.zarr", group="2020", decode_coords="all", consolidated=False)
    assert plain.rio.crs == "EPSG:4326"


def test_a_region_too_large_for_one_piece_is_refused_before_it_is_read() -> None:
    import dask.array
    import xarray as xr

    from croplayer.cube.query import cut_region

    whole = xr.Dataset({"croplayer": (("y", "x"), dask.array.zeros((50_000, 50_000), np.uint8, chunks=5_000))})
    with pytest.raises(ValueError, match="the region is 50000 x 50000 px; at most 2,000,000,000 are cut in one piece"):
        cut_region(whole)
