"""What fields are found from, in blocks that take different sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from shared.small_cubes import RANGE, SOURCES, make_cube

from croplayer.cube.decisions import Taken
from croplayer.cube.field_layers import FieldLayers
from croplayer.cube.field_table import FieldChoice, FieldTables
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.rules import load_rules
from croplayer.fields.separation import JOINED_EAST, separate
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockIndex
from stores.legends import CROPLAND, Integration

WEST, EAST = BlockIndex(RANGE.row, RANGE.col), BlockIndex(RANGE.row, RANGE.col + 1)
COLOURS = {"aster": (70, 120, 50), "borealis": (190, 170, 140)}
SCORES = {"aster": 240, "borealis": 200}
UNKNOWN = 255
FIELD = slice(40, 46)
"""Rows of the field, 260 m."""
LENGTH_PX = 10
"""What of it lies on each side of the edge."""
ACROSS = slice(128 - LENGTH_PX, 128 + LENGTH_PX)


def cube_of_one_field(path: Path, without: tuple[BlockIndex, str] | None = None) -> Cube:
    """A field over both blocks, green in one source and yellow in the other; `without` lacks the imagery of a block."""
    cube = make_cube(path, 128)
    n = cube.grid.block_px
    for block in (WEST, EAST):
        crop = np.zeros((n, n), np.uint8)
        crop[FIELD, slice(-LENGTH_PX, None) if block == WEST else slice(LENGTH_PX)] = CROPLAND
        cube.write_block("croplayer", block, crop)
        for source in SOURCES:
            if (block, source) == without:
                cube.write_block("cropland_probability", block, np.full((n, n), UNKNOWN, np.uint8), source)
                continue
            cube.write_block("cropland_probability", block, np.where(crop, np.uint8(SCORES[source]), 5), source)
            cube.write_block("rgb", block, np.full((n, n, 3), COLOURS[source], np.uint8), source)
    return cube


def layers(cube: Cube, west: Integration = Integration.ONLY_A, east: Integration = Integration.ONLY_B) -> FieldLayers:
    choices = {WEST.name: (int(west), False), EAST.name: (int(east), False)}
    return FieldLayers(cube, Taken(cube.sources, choices), False)


def test_a_field_is_whole_where_the_map_goes_over_to_another_source(tmp_path: Path) -> None:
    cube, rules = cube_of_one_field(tmp_path / "cube.zarr"), load_rules().of(False)
    for east in (Integration.ONLY_A, Integration.ONLY_B):
        found = separate(layers(cube, east=east).ground(WEST), WEST, cube.grid, rules, 0.0)
        assert (found.join[FIELD, -1] & JOINED_EAST).all()


def test_ground_beside_a_block_is_seen_in_its_own_sources(tmp_path: Path) -> None:
    cube = cube_of_one_field(tmp_path / "cube.zarr")
    for block, source in ((WEST, "aster"), (EAST, "borealis")):
        ground = layers(cube).ground(block)
        assert ground.window.width > cube.grid.block_px
        assert (ground.rgb[:128, :256] == COLOURS[source]).all()
        assert (ground.cropland[FIELD, ACROSS] == SCORES[source]).all()
    both = layers(cube, Integration.MERGE_BOTH, Integration.ONLY_B).ground(WEST)
    assert (both.cropland[FIELD, ACROSS] == SCORES["aster"]).all()


def test_ground_that_the_own_source_does_not_show_is_seen_in_that_of_the_map(tmp_path: Path) -> None:
    cube = cube_of_one_field(tmp_path / "cube.zarr", without=(EAST, "aster"))
    ground = layers(cube).ground(WEST)
    assert (ground.rgb[:128, 128:256] == COLOURS["borealis"]).all()
    assert (ground.cropland[FIELD, 128 : ACROSS.stop] == SCORES["borealis"]).all()
    assert (ground.rgb[:128, :128] == COLOURS["aster"]).all()


def test_what_no_network_scored_has_no_probability(tmp_path: Path) -> None:
    """Cropland of a block whose map takes no source was drawn by hand."""
    cube = cube_of_one_field(tmp_path / "cube.zarr")
    CUBE.create(DurableStore(Path(cube.path)), "2020", cube.grid, RANGE, SOURCES, ["field", "field_join"])
    number = np.zeros((128, 128), np.uint32)
    number[FIELD, -LENGTH_PX:] = 1
    cube.write_block("field", WEST, number)
    for west, is_scored in ((Integration.ONLY_A, True), (Integration.NEITHER, False)):
        choice = FieldChoice(0.0, 2000.0, 0.0, 0.0, 0.0)
        (field,) = FieldTables(layers(cube, west), load_rules().of(False), choice, "2020").of(WEST).table.itertuples()
        assert (field.mean_prob == np.float32(SCORES["aster"] / 250)) == is_scored
        assert np.isnan(field.mean_prob) != is_scored
        assert (not pd.isna(field.source)) == is_scored
