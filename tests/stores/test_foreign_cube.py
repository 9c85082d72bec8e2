"""Cubes that were made or changed elsewhere are refused by their metadata."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zarr
from shared.small_cubes import make_cube

from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from stores.edition import SchemaError


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
    with pytest.raises(SchemaError, match=f"'{axis}' differs from the lattice; write the cube again"):
        open_cube(tmp_path / "cube.zarr")
