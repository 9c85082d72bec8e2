"""Familiarity before a run: the middles of some blocks, from files of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from croplayer.evaluation.source_familiarity import familiarity_of_sources
from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.bundles.familiarity_file import FAMILIARITY_NAME, familiarity_bytes
from croplayer.models.networks.familiarity import describe_windows
from croplayer.models.networks.manifest import bundle_digest
from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.networks.window_features import window_features
from croplayer.sources.access import Access
from croplayer.sources.raster import RasterSource
from stores.block_list import BlockList
from stores.grid import BlockGrid, BlockIndex, PixelWindow
from stores.legends import FOREIGN

GRID = BlockGrid(128)
BLOCKS = BlockList.of([BlockIndex(1100, col) for col in range(5000, 5004)])


def source_of(folder: Path, name: str, low: int, high: int) -> RasterSource:
    """Grey speckle over all blocks."""
    west, _, _, north = GRID.bounds(BLOCKS[0])
    grey = np.random.default_rng(9).integers(low, high, (1, 200, 700), np.uint8)
    with rasterio.open(
        folder / f"{name}.tif", "w", driver="GTiff", dtype="uint8", count=3, height=200, width=700, crs="EPSG:4326",
        transform=from_origin(west - 0.01, north + 0.01, 0.0004, 0.0004),
    ) as file:  # fmt: skip
        file.write(np.repeat(grey, 3, axis=0))
    return RasterSource(name, (str(folder / f"{name}.tif"),))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A network that knows the imagery of the source "alike"."""
    network = build_segmenter("segformer", "tiny", 0).eval()
    alike = source_of(tmp_path, "alike", 90, 130)
    pixels = [alike.read(GRID.window(block), GRID).rgb for block in BLOCKS]
    scenes = [np.stack([p[:64, :64], p[64:, 64:], p[:64, 64:]]) for p in pixels]
    described = describe_windows(64, [window_features(network, s, np.ones(s.shape[:3], bool)) for s in scenes])
    assert described is not None
    manifest = network.described(gsd_m=(40.0, 45.0), training_data="-", licence="-")
    extra = {FAMILIARITY_NAME: familiarity_bytes(described)}
    write_bundle(tmp_path / "plain", network.model, manifest)
    return write_bundle(tmp_path / "model", network.model, manifest, extra)


def test_foreign_imagery_is_told_before_a_run(bundle: Path, tmp_path: Path) -> None:
    sources = [source_of(tmp_path, "alike", 90, 130), source_of(tmp_path, "white", 230, 255)]
    alike, white = familiarity_of_sources(bundle, bundle_digest(bundle), sources, BLOCKS, GRID)
    assert alike is not None and alike > 0.2
    assert white is not None and white < FOREIGN
    plain = tmp_path / "plain"
    assert familiarity_of_sources(plain, bundle_digest(plain), sources, BLOCKS, GRID) == [None, None]


def test_of_fewer_blocks_more_is_read_each(bundle: Path) -> None:
    """A few windows of a region of one block say little of it; a large region costs no more for it."""

    class Watched:
        is_remote = False

        def __init__(self) -> None:
            self.areas: list[int] = []

        def read(self, window: PixelWindow, grid: BlockGrid) -> SimpleNamespace:
            self.areas.append(window.height * window.width)
            shape = (window.height, window.width)
            return SimpleNamespace(rgb=np.zeros((*shape, 3), np.uint8), valid=np.zeros(shape, bool))

    read = {}
    for count in (1, 2, 60):
        source = Watched()
        blocks = BlockList.of([BlockIndex(1100, col) for col in range(5000, 5000 + count)])
        familiarity_of_sources(bundle, bundle_digest(bundle), [source], blocks, BlockGrid(512))  # type: ignore[list-item]
        read[count] = source.areas
    assert read[1][0] > read[2][0] > read[60][0]
    assert max(map(sum, read.values())) <= 48 * 64 * 64


def test_no_server_is_asked_and_a_damaged_file_tells_nothing(bundle: Path, tmp_path: Path) -> None:
    source = source_of(tmp_path, "damaged", 90, 130)
    Path(source.paths[0]).write_bytes(Path(source.paths[0]).read_bytes()[:5000])
    remote = replace(source, paths=("https://nowhere.invalid/a.tif",), access=Access(i_have_rights=True))
    assert remote.is_remote
    found = familiarity_of_sources(bundle, bundle_digest(bundle), [source, remote], BLOCKS, GRID)
    assert found == [None, None]
