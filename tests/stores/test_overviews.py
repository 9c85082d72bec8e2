"""The levels of overviews: which there are, which one is drawn, and how they are laid out in the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from shared.small_cubes import SOURCES, make_cube

from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.edition import SchemaError
from stores.foreign_cube import check_arrays, read_layout
from stores.grid import BlockGrid, BlockIndex, BlockRange
from stores.levels import blocks_of_square, by_square, factor_for, factors_of, squares_of
from stores.overviews import check_overviews, create_overviews, is_overview_metadata, levels_of, overview_files


def test_factors_are_powers_of_four_and_the_block_itself() -> None:
    assert factors_of(2560) == (4, 16, 64, 256, 2560)
    assert factors_of(512) == (4, 16, 64, 256, 512)
    assert factors_of(64) == (4, 16, 64)
    assert factors_of(32) == (4, 16, 32)
    assert factors_of(20) == (4, 20)
    for block_px in (1, 4, 30):
        with pytest.raises(ValueError, match="multiple of 4 px, at least 8"):
            factors_of(block_px)


def test_the_level_of_a_picture() -> None:
    """A nation is drawn from a pixel a block, a county from factor 16, a block itself from the cube."""
    factors = factors_of(2560)
    assert factor_for(factors, 1400 * 2560, 1024) == 2560
    assert factor_for(factors, 40 * 2560, 1024) == 64
    assert factor_for(factors, 10 * 2560, 1024) == 16
    assert factor_for(factors, 2560, 1024) == 4
    assert factor_for(factors, 1500, 1024) == 1
    assert factor_for((), 10**6, 10) == 1
    # What is read is bounded: never more than five times the wanted pixels along an edge.
    for blocks in range(1, 1500):
        factor = factor_for(factors, blocks * 2560, 1024)
        assert 512 <= blocks * 2560 / factor <= 5120 or factor == 2560


def test_squares_of_the_lattice() -> None:
    blocks = BlockList.of([(1119, 5888), (1120, 5888), (1120, 5919), (1151, 5919)])
    assert list(squares_of(blocks)) == [(1088, 5888), (1120, 5888)]
    assert len(blocks_of_square(BlockIndex(1120, 5888))) == 1024
    # 3,600 rows are not whole squares.
    last = blocks_of_square(BlockIndex(3584, 7168))
    assert (len(last), last[-1]) == (16 * 32, (3599, 7199))
    levels = levels_of(BlockGrid(64), BlockRange(3590, 7190, 10, 10))
    assert [(level.factor, level.part_blocks) for level in levels] == [(4, 1), (16, 1), (64, 32)]
    assert levels[-1].blocks == BlockRange(3584, 7168, 16, 32)


def test_every_level_is_read_as_a_dataset_whose_pixels_lie_on_the_cube(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    store = DurableStore(tmp_path / "cube.zarr")
    create_overviews(store, "2020", cube.grid, cube.blocks, SOURCES)
    whole = xr.open_zarr(tmp_path / "cube.zarr", group="2020", consolidated=False)
    parent: Any = zarr.open_group(tmp_path / "cube.zarr", mode="r", path="2020/overviews")
    layout = parent.attrs["multiscales"]["layout"]
    assert [each["asset"] for each in layout] == ["4", "16", "64"]
    first_y = layout[0]["spatial:transform"][5]
    for each in layout:
        level = xr.open_zarr(
            tmp_path / "cube.zarr", group=f"2020/overviews/{each['asset']}", consolidated=False, decode_coords="all",
            mask_and_scale=False,
        )  # fmt: skip
        assert [level.sizes[dim] for dim in ("y", "x")] == each["spatial:shape"]
        assert level.layer.values.tolist() == ["croplayer", *SOURCES]
        assert level.rio.crs == "EPSG:4326"
        assert (level.area_fraction == 255).all()
        assert (level.known_fraction == 0).all()
        step = int(each["asset"])
        means = whole.y.values.reshape(-1, step).mean(axis=1)
        inside = (level.y >= whole.y[-1]) & (level.y <= whole.y[0])
        np.testing.assert_allclose(level.y[inside], means, rtol=1e-12)
        if step > 4:
            scale, offset = each["transform"]["scale"][0], each["transform"]["translation"][0]
            degrees = layout[0]["spatial:transform"][4]
            assert scale == step / 4
            np.testing.assert_allclose(first_y + offset * degrees, each["spatial:transform"][5], rtol=1e-12)
        group = parent[each["asset"]]
        check_arrays(group, read_layout(group.attrs["croplayer"], "level"), "level")


def test_creation_is_repeated_where_it_was_cut_short_and_leaves_the_cube_alone(tmp_path: Path) -> None:
    path = tmp_path / "cube.zarr"
    cube = make_cube(path)
    bare = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    for _ in range(2):
        create_overviews(DurableStore(path), "2020", cube.grid, cube.blocks, SOURCES)
    whole = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    assert all(whole[p] == data for p, data in bare.items())
    new = sorted(whole.keys() - bare.keys())
    assert sorted(overview_files(path, "2020")) == new
    keys = [p.relative_to(path).as_posix() for p in new]
    assert all(map(is_overview_metadata, keys))
    assert not any(map(CUBE.is_metadata, keys))
    for key in ("2020/overviews/4/rgb/c/0/0/0/0", "2020/overviews/4/new/zarr.json", "2020/rgb/zarr.json", "2020"):
        assert not is_overview_metadata(key)
    (path / "2020/overviews/zarr.json").unlink()
    (path / "2020/overviews/16/zarr.json").unlink()
    create_overviews(DurableStore(path), "2020", cube.grid, cube.blocks, SOURCES)
    assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == whole
    with pytest.raises(SchemaError, match="another layout"):
        create_overviews(DurableStore(path), "2020", cube.grid, BlockRange(1100, 5880, 2, 2), SOURCES)


def test_a_layout_that_was_damaged_is_told(tmp_path: Path) -> None:
    cube, store = make_cube(tmp_path / "cube.zarr"), DurableStore(tmp_path / "cube.zarr")
    given = "2020", cube.grid, cube.blocks, SOURCES
    check_overviews(store, *given)  # there are none
    create_overviews(store, *given)
    check_overviews(store, *given)
    path = tmp_path / "cube.zarr/2020/overviews/16/area_fraction/zarr.json"
    whole = path.read_text()
    longer = json.loads(whole)
    longer["shape"][1] += 1
    for wrong, words in ((json.dumps(longer), "has the shape"), (None, "no array 'area_fraction' at factor 16")):
        path.unlink() if wrong is None else path.write_text(wrong)
        with pytest.raises(SchemaError, match=words):
            check_overviews(store, *given)
    path.write_text(whole)
    check_overviews(store, *given)
    (tmp_path / "cube.zarr/2020/overviews/zarr.json").write_text(
        '{"zarr_format": 3, "node_type": "group", "attributes": {}}'
    )
    with pytest.raises(SchemaError, match="another layout"):
        check_overviews(store, *given)


def test_a_square_follows_each_of_its_blocks() -> None:
    blocks = BlockList.of([(1119, 5888), (1120, 5888), (1120, 5889)])
    before = by_square(BlockDigests.of_texts(blocks, ["a", "b", "c"]))
    assert list(before.blocks) == [(1088, 5888), (1120, 5888)]
    changed = by_square(BlockDigests.of_texts(blocks, ["a", "b", "new"]))
    fewer = by_square(BlockDigests.of_texts(blocks[:2], ["a", "b"]))
    for other in (changed, fewer):
        same = (other.digests == before.digests).all(axis=1).tolist()
        assert same == [True, False]
