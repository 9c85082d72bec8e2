"""Lazy segmentation of a cube is the run's, whatever the chunks and the selection."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from shapely import Point

from croplayer.cube.lazy import segment
from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from croplayer.models.networks import inference
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
    is_remote = False

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        return empty_imagery(window)

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        return "nothing"

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> list[str]:
        return []


def bundle_of(architecture: str, folder: Path) -> Path:
    from croplayer.models.bundles.bundle import write_bundle
    from croplayer.models.networks.segmentation import build_segmenter

    network = build_segmenter(architecture, "tiny", seed=3)
    manifest = network.described(gsd_m=(1.0, 5.0), training_data="random", licence="none")
    return write_bundle(folder / architecture, network.model, manifest)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_of("segformer", tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_of("unet", tmp_path_factory.mktemp("bundle"))


def cube_mapped_by(bundle: Path, path: Path, *more: str) -> Path:
    """A cube of random imagery with a gap, segmented block by block as a run does it."""
    CUBE.create(DurableStore(path), "2020", BlockGrid(BLOCK), RANGE, ("aster",), optional=more)
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


@pytest.fixture(scope="module")
def mapped(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cube_mapped_by(bundle, tmp_path_factory.mktemp("cube") / "cube.zarr")


@pytest.fixture(scope="module")
def with_boundaries(unet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cube_mapped_by(unet, tmp_path_factory.mktemp("cube") / "cube.zarr", "boundary_probability")


def test_it_is_the_maps_of_the_run(mapped: Path, bundle: Path) -> None:
    cube = open_cube(mapped)
    lazy = segment(cube, "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2)
    assert lazy.chunks == ((BLOCK,) * 2, (BLOCK,) * 3) and lazy.dtype == np.uint8
    expected = cube.cropland_probability.sel(source="aster").to_numpy()
    assert (expected == 254).any() and expected[expected < 254].std() > 0
    np.testing.assert_array_equal(lazy.to_numpy(), expected)


def test_a_selection_is_the_map_up_to_its_edge(mapped: Path, bundle: Path) -> None:
    """Whatever is selected and however, chunked or sent: the context comes from the cube behind it."""
    cube = open_cube(mapped)
    selections = [
        cube.chunk(y=2 * BLOCK, x=3 * BLOCK),
        cube.isel(x=slice(BLOCK, None)),
        cube.isel(y=slice(37, 70), x=slice(41, 150)),
        pickle.loads(pickle.dumps(cube.sel(y=slice(34.98, 34.93)).isel(x=slice(100, 101)).chunk(y=17))),
        cube.sel(source="aster")[["rgb", "imagery_valid", "cropland_probability"]].isel(y=[70]),
        open_cube(mapped, Point(114.07, 34.95).buffer(0.03)),
    ]
    for part in selections:
        lazy = segment(part, "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2)
        expected = part.cropland_probability.squeeze("source") if "source" in part.dims else part.cropland_probability
        np.testing.assert_array_equal(lazy.to_numpy(), expected)
        assert lazy.context_known.shape == lazy.shape and ("in_region" in lazy.coords) == ("in_region" in part.coords)


def test_boundaries_are_those_of_the_run_from_one_pass(
    with_boundaries: Path, unet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    plain = inference.predict_cells
    monkeypatch.setattr(inference, "predict_cells", lambda *a: passes.append(len(a[1])) or plain(*a))
    names = ["cropland_probability", "boundary_probability"]
    whole = open_cube(with_boundaries)
    for cube in (whole, whole.isel(y=slice(37, 90), x=slice(41, 150)), whole.compute()):
        lazy = segment(cube, "aster", unet, boundaries=True, cell_px=CELL, blend_px=BLEND, batch_cells=2)
        assert list(lazy.data_vars) == names and set(lazy.coords) == {"y", "x", "context_known"}
        assert all(lazy[name].dtype == np.uint8 and lazy[name].dims == ("y", "x") for name in names)
        found = lazy.compute()
        both = len(passes)
        for name in names:
            np.testing.assert_array_equal(found[name], cube[name].sel(source="aster"))
        assert (found.boundary_probability != found.cropland_probability).mean() > 0.5
        alone = segment(cube, "aster", unet, cell_px=CELL, blend_px=BLEND, batch_cells=2)
        assert alone.name == "cropland_probability"
        np.testing.assert_array_equal(alone.to_numpy(), found.cropland_probability)
        assert both == len(passes) - both > 0
        passes.clear()


def test_pixels_whose_context_is_not_in_the_cube_are_told(mapped: Path, bundle: Path, tmp_path: Path) -> None:
    """Beyond the blocks with imagery a run asks the source. What it finds there changes no pixel that is called known."""
    shutil.copytree(mapped, tmp_path / "cube.zarr")
    for key in (tmp_path / "cube.zarr/2020").glob("*/c/0/0/2*"):
        key.unlink() if key.is_file() else shutil.rmtree(key)
    cube = open_cube(tmp_path / "cube.zarr")
    lazy = segment(cube, "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2).compute()
    known = lazy.context_known.to_numpy()
    expected = open_cube(mapped).cropland_probability.sel(source="aster").to_numpy()
    np.testing.assert_array_equal(lazy.to_numpy()[known], expected[known])
    assert (lazy[:BLOCK, 2 * BLOCK :] == 255).all()
    # Cells lie half a cell across the edges of blocks, and see a fade beyond their own.
    reach = CELL // 2 + BLEND
    assert (
        known[reach:-reach, reach : 2 * BLOCK - reach].all() and known[BLOCK + reach : -reach, 2 * BLOCK : -reach].all()
    )
    assert not known[0].any() and not known[:, 0].any() and not known[BLOCK - 1, 2 * BLOCK :].any()
    differ = (lazy.to_numpy() != expected)[:, : 2 * BLOCK]
    assert differ.any() and (np.argwhere(differ)[:, 1] >= 2 * BLOCK - reach - BLEND).all()


def test_imagery_that_was_computed_is_not_mixed_with_that_of_the_cube(mapped: Path, bundle: Path) -> None:
    cube = open_cube(mapped)
    darker = cube.assign(rgb=cube.rgb // 2)
    lazy = segment(darker, "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2)
    whole = segment(darker.chunk(y=-1, x=-1), "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2)
    np.testing.assert_array_equal(lazy, whole)
    part = segment(
        darker.isel(x=slice(BLOCK, None)), "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2
    ).compute()
    known = part.context_known.to_numpy()
    assert known.any() and not known[:, 0].any()
    np.testing.assert_array_equal(part.to_numpy()[known], lazy.to_numpy()[:, BLOCK:][known])
    with pytest.raises(ValueError, match="imagery of its own and is not cut along cells of 32 px"):
        segment(darker.isel(x=slice(8, None)), "aster", bundle, cell_px=CELL, blend_px=BLEND)
    in_memory = segment(cube.load(), "aster", bundle, cell_px=CELL, blend_px=BLEND, batch_cells=2)
    np.testing.assert_array_equal(in_memory, cube.cropland_probability.sel(source="aster"))


def test_what_cannot_be_segmented_is_refused(mapped: Path, bundle: Path) -> None:
    cube = open_cube(mapped)
    with pytest.raises(ValueError, match="does not hold every pixel of a window along 'y'"):
        segment(cube.isel(y=slice(None, None, 2)), "aster", bundle, cell_px=CELL, blend_px=BLEND)
    with pytest.raises(ValueError, match="source 'bing' is not in the dataset; it has aster"):
        segment(cube, "bing", bundle, cell_px=CELL, blend_px=BLEND)
    with pytest.raises(ValueError, match="has no array 'rgb'"):
        segment(cube[["croplayer"]], "aster", bundle, cell_px=CELL, blend_px=BLEND)
    with pytest.raises(
        ValueError, match="is a segformer that tells no boundaries; leave out boundaries, or name a model"
    ):
        segment(cube, "aster", bundle, boundaries=True, cell_px=CELL, blend_px=BLEND)
    with pytest.raises(ValueError, match="'default_coverage' does not segment; name a segmentation model"):
        segment(cube, "aster", "default_coverage", cell_px=CELL, blend_px=BLEND)
    with pytest.raises(FileNotFoundError, match="is not a model bundle"):
        segment(cube, "aster", "fancy", cell_px=CELL, blend_px=BLEND)
