"""Which blocks may be read as finished, and whether damage to any file of a run is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from soak.crash_points import run_painted
from soak.damage import LEDGER_KINDS, add_foreign_files, damage_and_find, damage_ledgers
from soak.painted import GRID, SOURCE, PaintedSource, mask_of, painted_blocks

from croplayer.cube import open_cube
from croplayer.finished import MissingBlocksError
from croplayer.ledger import Ledger
from croplayer.records import BlockRecord


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of two blocks."""
    run_painted(tmp_path / "run")
    return tmp_path / "run"


def test_a_finished_cube_opens_strictly(run: Path) -> None:
    cube = open_cube(run / "cube.zarr", strict=True)
    first = PaintedSource().read(GRID.window(painted_blocks(1)[0]), GRID).rgb
    np.testing.assert_array_equal(cube.rgb.sel(source=SOURCE)[:16, :16], first)
    np.testing.assert_array_equal(cube.croplayer[:16, :16], mask_of(first))


def test_a_block_that_is_not_finished_is_named_where_it_is_asked_for(run: Path) -> None:
    done, missing = painted_blocks(2)
    (run / f"cube.zarr/2020/croplayer/c/0/{missing.col - done.col}").unlink()
    with pytest.raises(
        MissingBlocksError, match=rf"1 of 2 blocks of .* no finished 'integrate': {missing.name}; run the"
    ):
        open_cube(run / "cube.zarr", strict=True)
    assert open_cube(run / "cube.zarr", [done.name], strict=True).sizes["x"] == 16
    assert open_cube(run / "cube.zarr", tuple(GRID.bounds(done)), strict=True).sizes["x"] == 16
    assert (open_cube(run / "cube.zarr").croplayer[:, 16:] == 255).all()


def test_blocks_of_an_older_fingerprint_are_not_finished_any_more(run: Path) -> None:
    first, second = painted_blocks(2)
    ledger = Ledger(run / "ledger/segment.jsonl")
    ledger.append("new settings", [BlockRecord(first)])
    with pytest.raises(MissingBlocksError, match=f"1 of 2 blocks of .* no finished 'segment': {second.name}"):
        open_cube(run / "cube.zarr", strict=True)


def test_a_ledger_that_is_being_written_can_be_read(run: Path) -> None:
    with (run / "ledger/integrate.jsonl").open("ab") as file:
        file.write(b'01234567 {"fingerprint":"painted integrate","block":"r11')
    assert open_cube(run / "cube.zarr", strict=True).sizes["x"] == 32


def test_all_damage_is_found_and_nothing_else_is_named(run: Path) -> None:
    found = damage_and_find(run, 60, seed=1)
    assert found.made.total() == 60
    assert (found.missed, found.blamed) == (0, 0)
    ledgers = damage_ledgers(run, 60, seed=2)
    assert ledgers.made.keys() == LEDGER_KINDS.keys()
    assert (ledgers.missed, ledgers.blamed) == (0, 0)
    assert add_foreign_files(run)[1:] == (0, 0)
