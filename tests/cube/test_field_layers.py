"""What fields are found from, in blocks that take different sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
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
from stores.legends import CROPLAND, Correction, Integration

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


def with_a_numbered_field(cube: Cube, *more: str) -> Cube:
    """The cube with the western part of the field numbered 1."""
    CUBE.create(DurableStore(Path(cube.path)), "2020", cube.grid, RANGE, SOURCES, ["field", "field_join", *more])
    number = np.zeros((128, 128), np.uint32)
    number[FIELD, -LENGTH_PX:] = 1
    cube.write_block("field", WEST, number)
    return Cube.open(cube.path)


def field_in_the_west(cube: Cube, west: Integration = Integration.ONLY_A, least: float = 0.0) -> Any:
    choice = FieldChoice(0.0, 2000.0, least, 0.0, 0.0)
    (field,) = FieldTables(layers(cube, west), load_rules().of(False), choice, "2020").of(WEST).table.itertuples()
    return field


def test_what_no_network_scored_has_no_probability_and_no_confidence(tmp_path: Path) -> None:
    """Cropland of a block whose map takes no source was drawn by hand."""
    cube = with_a_numbered_field(cube_of_one_field(tmp_path / "cube.zarr"))
    scored, drawn = (field_in_the_west(cube, west) for west in (Integration.ONLY_A, Integration.NEITHER))
    assert scored.mean_prob == np.float32(SCORES["aster"] / 250) and 0 < scored.confidence < 1
    assert np.isnan(drawn.mean_prob) and np.isnan(drawn.confidence)
    assert scored.source == "aster" and pd.isna(drawn.source)


def test_pixels_without_a_score_do_not_lower_the_probability_of_a_field(tmp_path: Path) -> None:
    cube = cube_of_one_field(tmp_path / "cube.zarr")
    scores = cube.read_block("cropland_probability", WEST, "aster")
    scores[FIELD, -3:] = UNKNOWN
    cube.write_block("cropland_probability", WEST, scores, "aster")
    field = field_in_the_west(with_a_numbered_field(cube))
    assert field.mean_prob == np.float32(SCORES["aster"] / 250)


@pytest.mark.parametrize(("drawn_px", "knows"), [(4, True), (6, False)])
def test_what_the_network_thought_of_corrected_pixels_tells_nothing_of_a_field(
    tmp_path: Path, drawn_px: int, knows: bool
) -> None:
    """A person drew a part of the field where the network saw no cropland; of less than half it still knows the rest."""
    cube = cube_of_one_field(tmp_path / "cube.zarr")
    scores = cube.read_block("cropland_probability", WEST, "aster")
    scores[FIELD, -drawn_px:] = 5
    cube.write_block("cropland_probability", WEST, scores, "aster")
    cube = with_a_numbered_field(cube, "correction")
    correction = np.zeros((128, 128), np.uint8)
    correction[FIELD, -drawn_px:] = Correction.ADDED
    cube.write_block("correction", WEST, correction)
    field = field_in_the_west(cube, least=0.999)
    assert field.corrected and field.mean_prob == np.float32(SCORES["aster"] / 250)
    assert np.isfinite(field.confidence) == knows
