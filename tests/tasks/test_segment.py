"""What a block is segmented from and what is written of it: imagery from the cube, from the source, none beyond the lattice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import morecantile
import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.transform import from_origin

from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from croplayer.models.bundles.bundle import load, write_bundle
from croplayer.models.bundles.familiarity_file import FAMILIARITY_NAME, familiarity_bytes
from croplayer.models.networks.familiarity import describe_windows
from croplayer.models.networks.manifest import bundle_digest
from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.networks.window_features import window_features
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.raster import RasterSource
from croplayer.sources.tiles import FolderTiles
from croplayer.sources.xyz import XyzSource
from croplayer.tasks import segment
from croplayer.tasks.segment import SegmentTask, own_device
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import LATTICE_COLS, LATTICE_ROWS, BlockGrid, BlockIndex, BlockRange, Bounds

GRID = BlockGrid(64)
LAST_ROW, LAST_COL = LATTICE_ROWS - 1, LATTICE_COLS - 1


def raster_around(folder: Path, block: BlockIndex) -> ImagerySource:
    box = GRID.bounds(block)
    with rasterio.open(
        folder / "scene.tif", "w", driver="GTiff", dtype="uint8", count=3, height=150, width=150, crs="EPSG:4326",
        transform=from_origin(max(box.west - 0.05, -180), min(box.north + 0.05, 90), 0.001, 0.001),
    ) as file:  # fmt: skip
        file.write(np.random.default_rng(0).integers(1, 256, (3, 150, 150), np.uint8))
    return RasterSource("a", (str(folder / "scene.tif"),))


def tiles_around(folder: Path, block: BlockIndex) -> ImagerySource:
    west, south, east, north = GRID.bounds(block)
    box = Bounds(max(west - 0.05, -180), south - 0.05, min(east + 0.05, 180), north + 0.05)
    rng = np.random.default_rng(0)
    for tile in morecantile.tms.get("WebMercatorQuad").tiles(*box, zooms=[12]):
        path = folder / f"12/{tile.x}/{tile.y}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (256, 256, 3), np.uint8)).save(path)
    return XyzSource("a", FolderTiles(f"{folder}/{{z}}/{{x}}/{{y}}.png"), 12)


@pytest.mark.parametrize(
    ("make", "block"),
    [
        (raster_around, BlockIndex(0, 0)),
        (raster_around, BlockIndex(LAST_ROW, LAST_COL)),
        (tiles_around, BlockIndex(1100, 0)),
        (tiles_around, BlockIndex(1100, LAST_COL)),
    ],
    ids=["north-west", "south-east", "west", "east"],
)  # fmt: skip
def test_there_is_no_imagery_beyond_the_lattice(
    tmp_path: Path, make: Callable[[Path, BlockIndex], ImagerySource], block: BlockIndex
) -> None:
    source = make(tmp_path, block)
    CUBE.create(DurableStore(tmp_path / "cube.zarr"), "1", GRID, BlockRange.around([block]), ("a",))
    cube = Cube.open(tmp_path / "cube.zarr")
    imagery = source.read(GRID.window(block), GRID)
    cube.write_block("rgb", block, imagery.rgb, "a")
    cube.write_block("imagery_valid", block, imagery.valid, "a")
    task = SegmentTask(
        cube, (source,), frozenset([block]), "", "", cell_px=32, blend_px=8, batch_cells=1, threshold=0.5
    )
    context = task.context(block, source)
    halo = task.halo_px
    rows, cols = (np.arange(-halo, 64 + halo) + 64 * start for start in block)
    inside = ((rows >= 0) & (rows < 64 * LATTICE_ROWS))[:, None] & ((cols >= 0) & (cols < 64 * LATTICE_COLS))
    assert not context.valid[~inside].any() and not context.rgb[~inside].any()
    assert context.valid[inside].mean() > 0.99 and 0.3 < inside.mean() < 1
    np.testing.assert_array_equal(context.rgb[halo:-halo, halo:-halo], imagery.rgb)


def bundle(folder: Path, architecture: str) -> Path:
    network = build_segmenter(architecture, "tiny", seed=3)
    manifest = network.described(gsd_m=(1.0, 5.0), training_data="-", licence="-")
    return write_bundle(folder / architecture, network.model, manifest)


def mosaicked(folder: Path, block: BlockIndex, optional: tuple[str, ...]) -> tuple[Cube, ImagerySource]:
    """A cube that holds the imagery of a block, and the source that has it too."""
    source = raster_around(folder, block)
    CUBE.create(DurableStore(folder / "cube.zarr"), "1", GRID, BlockRange.around([block]), ("a",), optional)
    cube = Cube.open(folder / "cube.zarr")
    imagery = source.read(GRID.window(block), GRID)
    cube.write_block("rgb", block, imagery.rgb, "a")
    cube.write_block("imagery_valid", block, imagery.valid, "a")
    return cube, source


def task_of(cube: Cube, source: ImagerySource, block: BlockIndex, model: Path) -> SegmentTask:
    return SegmentTask(
        cube, (source,), frozenset([block]), str(model), bundle_digest(model),
        cell_px=64, blend_px=0, batch_cells=1, threshold=0.5, device="cpu",
    )  # fmt: skip


def test_boundaries_are_the_second_output_of_the_network(tmp_path: Path) -> None:
    block = BlockIndex(1100, 5880)
    cube, source = mosaicked(tmp_path, block, ("boundary_probability",))
    folder = bundle(tmp_path, "unet")
    task = task_of(cube, source, block, folder)
    record = task.one(block)
    names = ("cropland_probability", "cropland", "boundary_probability")
    assert set(record.files) == {cube.block_key(name, block, "a") for name in names}
    context, network = task.context(block, source), load(folder, device="cpu")
    pixels = network.normalise(torch.from_numpy(context.rgb[None]), torch.from_numpy(context.valid[None]))
    with torch.no_grad():
        told = network.model(pixel_values=pixels).boundary_logits
    large = torch.nn.functional.interpolate(told, scale_factor=2, mode="bilinear", align_corners=False)
    expected = 250 * large.sigmoid()[0, 0, 32:-32, 32:-32].numpy()
    stored = cube.read_block("boundary_probability", block, "a")
    assert stored.dtype == np.uint8 and np.abs(stored - expected).max() <= 0.51 and np.ptp(stored) > 3
    shown = open_cube(cube.path).boundary_probability
    assert shown.dims == ("source", "y", "x") and shown.attrs["probability_scale"] == 1 / 250
    np.testing.assert_array_equal(shown.sel(source="a"), stored)


def test_a_network_without_boundaries_writes_none_and_leaves_none_of_another(tmp_path: Path) -> None:
    block = BlockIndex(1100, 5880)
    segformer, unet = bundle(tmp_path, "segformer"), bundle(tmp_path, "unet")
    (tmp_path / "old").mkdir()
    old, source = mosaicked(tmp_path / "old", block, ())
    record = task_of(old, source, block, segformer).one(block)
    assert set(record.files) == {old.block_key(name, block, "a") for name in ("cropland_probability", "cropland")}
    assert "boundary_probability" not in open_cube(old.path)
    (tmp_path / "new").mkdir()
    cube, source = mosaicked(tmp_path / "new", block, ("boundary_probability",))
    assert task_of(cube, source, block, unet).one(block).files.keys() > record.files.keys()
    assert task_of(cube, source, block, segformer).one(block).files == record.files
    assert (cube.read_block("boundary_probability", block, "a") == 255).all()


@pytest.mark.parametrize("is_described", [True, False])
def test_a_block_tells_how_familiar_its_imagery_is(tmp_path: Path, is_described: bool) -> None:
    block = BlockIndex(1100, 5000)
    source = raster_around(tmp_path, block)
    CUBE.create(DurableStore(tmp_path / "cube.zarr"), "1", GRID, BlockRange.around([block]), ("a",))
    cube = Cube.open(tmp_path / "cube.zarr")
    imagery = source.read(GRID.window(block), GRID)
    cube.write_block("rgb", block, imagery.rgb, "a")
    cube.write_block("imagery_valid", block, imagery.valid, "a")
    network = build_segmenter("segformer", "tiny", 0).eval()
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 256 - 40 * i, (3, 64, 64, 3)).astype(np.uint8) for i in range(5)]
    described = describe_windows(64, [window_features(network, s, np.ones(s.shape[:3], bool)) for s in scenes])
    assert described is not None
    extra = {FAMILIARITY_NAME: familiarity_bytes(described)} if is_described else {}
    manifest = network.described(gsd_m=(80.0, 90.0), training_data="-", licence="-")
    folder = write_bundle(tmp_path / "model", network.model, manifest, extra)
    task = SegmentTask(
        cube, (source,), frozenset([block]), str(folder), bundle_digest(folder), cell_px=32, blend_px=8, batch_cells=1,
        threshold=0.5, device="cpu",
    )  # fmt: skip
    found = task.one(block).values["familiarity_a"]
    if is_described:
        assert found == pytest.approx(described.of_image(network, imagery.rgb, imagery.valid), abs=1e-3)
        assert 0 < found < 1
    else:
        assert found is None


def test_processes_take_the_devices_of_a_machine_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [own_device(kind) for kind in ("cpu", "cuda", None)] == ["cpu", "cuda", None]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    taken = []
    for number in range(5):
        monkeypatch.setattr(segment, "own_number", lambda number=number: number)
        taken.append(own_device("cuda"))
    assert taken == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]
    assert own_device("cpu") == "cpu"
