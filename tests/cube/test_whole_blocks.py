"""Blocks of a cube: written whole, known by their digests, never read where a bit is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shared.small_cubes import make_cube

from stores.durable import digest_file
from stores.grid import BlockIndex
from stores.inner_paths import PathOutsideError


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


def test_a_table_of_a_block_lies_in_the_cube_and_nowhere_else(tmp_path: Path) -> None:
    cube, block = make_cube(tmp_path / "cube.zarr"), BlockIndex(1101, 5882)
    ((key, digest),) = cube.write_table("outlines", block, b"table").items()
    assert digest_file(tmp_path / "cube.zarr" / key) == digest and cube.read_table("outlines", block) == b"table"
    assert not list((tmp_path / ".cube.zarr.partial").iterdir())
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (tmp_path / "cube.zarr/2020/field/linked").symlink_to(outside)
    with pytest.raises(PathOutsideError):
        cube.write_table("linked", block, b"table")
    assert not list(outside.iterdir())


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


def test_a_damaged_file_is_named_whatever_part_is_read(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    noise = np.random.default_rng(0)
    for block in (BlockIndex(1100, 5880), BlockIndex(1101, 5882)):
        files = cube.write_block("rgb", block, noise.integers(0, 255, (64, 64, 3)).astype(np.uint8), "borealis")
    (key,) = files
    path = tmp_path / "cube.zarr" / key
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    whole = cube.blocks.window(cube.grid)
    with pytest.raises(RuntimeError, match=rf"cube\.zarr/{key} is damaged: .*verify --repair"):
        cube.read_window("rgb", whole, "borealis")
    assert cube.read_block("rgb", BlockIndex(1100, 5880), "borealis").any()
