"""The layout of a cube: created once, as its template says, never over another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shared.small_cubes import make_cube

from stores.cube import CUBE
from stores.durable import DurableStore
from stores.edition import SchemaError
from stores.grid import BlockIndex


def test_creating_again_keeps_the_cube_and_another_layout_is_refused(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    cube.write_block("croplayer", BlockIndex(1100, 5880), np.ones((64, 64), np.uint8))
    make_cube(tmp_path / "cube.zarr")
    assert (cube.read_block("croplayer", BlockIndex(1100, 5880)) == 1).all()
    with pytest.raises(SchemaError, match="block_px is 64, expected 32"):
        make_cube(tmp_path / "cube.zarr", 32)


def test_an_edition_gets_an_optional_array_later_and_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "cube.zarr"
    cube = make_cube(path)
    cube.write_block("croplayer", BlockIndex(1100, 5880), np.ones((64, 64), np.uint8))
    before = {p: p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    assert not (path / "2020/boundary_probability").exists()
    for optional in (("boundary_probability",), ()):
        CUBE.create(DurableStore(path), "2020", cube.grid, cube.blocks, cube.sources, optional)
        files = {p: p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
        assert {str(p.relative_to(path)) for p in files.keys() - before.keys()} == {
            "2020/boundary_probability/zarr.json"
        }
        assert all(files[p] == data for p, data in before.items())
    assert (cube.read_block("boundary_probability", BlockIndex(1100, 5880), "aster") == 255).all()
    metadata = path / "2020/boundary_probability/zarr.json"
    metadata.write_text(metadata.read_text().replace('"fill_value": 255', '"fill_value": 0'))
    with pytest.raises(
        SchemaError, match=r"'boundary_probability' of edition '2020' is .* fill 0, expected .* fill 255"
    ):
        make_cube(path)


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


def test_the_layout_equals_its_template(tmp_path: Path) -> None:
    """A change of the bytes' meaning shows as a change of the checked-in template."""
    from stores.templates import cube_template, template_path

    assert template_path("cube").read_text() == cube_template()
