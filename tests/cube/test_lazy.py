"""Lazy segmentation of a cube is the run's, whatever the chunks and the selection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from croplayer.cube.lazy import segment
from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from croplayer.models.networks.manifest import bundle_digest
from croplayer.sources.imagery import Imagery, empty_imagery
from croplayer.tasks.segment import SegmentTask
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange, PixelWindow

RANGE = BlockRange(1100, 5880, 2, 3)
BLOCK, CELL, BLEND = 64, 32, 8


class NothingBeyond:
    """A source that has no imagery outside the cube."""

    name = "aster"

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        return empty_imagery(window)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from croplayer.models.bundles.bundle import write_bundle
    from croplayer.models.networks.architectures import CLASSES
    from croplayer.models.networks.manifest import Manifest
    from croplayer.models.networks.segmentation import BANDS, build_segmenter

    network = build_segmenter("segformer", "tiny", seed=3)
    manifest = Manifest(
        "segmentation", "segformer", "tiny", CLASSES, BANDS, network.mean, network.std, (1.0, 5.0), "random", "none"
    )
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny", network.model, manifest)


@pytest.fixture(scope="module")
def mapped(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cube of random imagery with a gap, segmented block by block as a run does it."""
    path = tmp_path_factory.mktemp("cube") / "cube.zarr"
    CUBE.create(DurableStore(path), "2020", BlockGrid(BLOCK), RANGE, ("aster",))
    cube = Cube.open(path)
    rng = np.random.default_rng(0)
    blocks = [BlockIndex(RANGE.row + i, RANGE.col + j) for i in range(RANGE.rows) for j in range(RANGE.cols)]
    for block in blocks:
        cube.write_block("rgb", block, rng.integers(0, 256, (BLOCK, BLOCK, 3), dtype=np.uint8), "aster")
        valid = np.ones((BLOCK, BLOCK), dtype=bool)
        valid[:10, 20:] = block != blocks[1]
        cube.write_block("imagery_valid", block, valid, "aster")
    task = SegmentTask(
        cube, (NothingBeyond(),), frozenset(blocks), str(bundle), bundle_digest(bundle), CELL, BLEND, 2, 0.5
    )
    assert not [r.reason for r in task(blocks) if r.reason]
    return path


def test_it_is_the_maps_of_the_run(mapped: Path, bundle: Path) -> None:
    cube = open_cube(mapped)
    lazy = segment(cube, "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2)
    assert lazy.chunks == ((BLOCK,) * 2, (BLOCK,) * 3) and lazy.dtype == np.uint8
    expected = cube.cropland_probability.sel(source="aster").to_numpy()
    assert (expected == 254).any() and expected[expected < 254].std() > 0
    np.testing.assert_array_equal(lazy.to_numpy(), expected)


def test_other_chunks_are_the_same_map(mapped: Path, bundle: Path) -> None:
    cube = open_cube(mapped)
    whole = segment(cube.chunk(y=2 * BLOCK, x=3 * BLOCK), "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2)
    expected = cube.cropland_probability.sel(source="aster").to_numpy()
    np.testing.assert_array_equal(whole.to_numpy(), expected)
    east = cube.isel(x=slice(BLOCK, None))
    part = segment(east, "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2)
    reach = CELL + 2 * BLEND
    np.testing.assert_array_equal(part.to_numpy()[:, reach:], expected[:, BLOCK + reach :])


def test_a_cut_through_cells_is_refused(mapped: Path, bundle: Path) -> None:
    cube = open_cube(mapped)
    with pytest.raises(ValueError, match="not cut along cells of 32 px"):
        segment(cube.isel(x=slice(8, None)), "aster", bundle, cell_px=CELL, blend_px=BLEND)
    with pytest.raises(FileNotFoundError, match="is not a model bundle"):
        segment(cube, "aster", "fancy", cell_px=CELL, blend_px=BLEND)
