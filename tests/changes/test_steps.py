"""The earlier imagery mapped again, and what another map says is there now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from shared.two_editions import BLOCKS, GRID, RANGE, changed, patches, write_run

import croplayer
from croplayer.changes.blocks import Comparison
from croplayer.changes.conversions import NO_CODE, conversion_table, conversions
from croplayer.changes.editions import open_edition
from croplayer.changes.rules import ChangeRules
from croplayer.changes.steps import CompareTask, RemapTask
from croplayer.cube.whole_blocks import Cube
from croplayer.products.codes import RasterCodes
from croplayer.products.product import Product
from stores.block_list import BlockList
from stores.change import CHANGE_CUBE, REMAPPED, REMAPPED_PROBABILITY
from stores.columns import unit_sum
from stores.durable import DurableStore
from stores.legends import Change


@pytest.mark.usefixtures("one_thread")
def test_the_models_part_is_what_both_models_see_differently(before: Path, tmp_path: Path) -> None:
    """With the same imagery in both editions, all of the plain difference is the model's."""
    run, block = open_edition(str(before)), BLOCKS[4]
    CHANGE_CUBE.create(
        DurableStore(tmp_path / "change.zarr"), "change", GRID, RANGE, ("one",), (REMAPPED, REMAPPED_PROBABILITY)
    )
    cube = Cube.open(tmp_path / "change.zarr", "change")
    again = RemapTask(run, cube, "default_fast", 0.5, cell_px=32, blend_px=8).one(block)
    assert len(again.files) == 2
    score, flags = cube.read_block(REMAPPED_PROBABILITY, block, "one"), cube.read_block(REMAPPED, block)
    lazy = croplayer.segment(croplayer.open_cube(before), "one", "default_fast", cell_px=32, blend_px=8)
    np.testing.assert_array_equal(score, lazy[RANGE.slices(GRID, block)])
    np.testing.assert_array_equal(flags, score >= 125)
    mapped = write_run(tmp_path / "later", "2023", _whole(flags, block), patches(1)[1])
    comparison = Comparison(run, open_edition(str(mapped)), ChangeRules(margin=0))
    values = CompareTask(comparison, cube, "", is_remapped=True).one(block).values
    for kind in ("gain", "loss"):
        part = [values.get(unit_sum("", f"{what}_{kind}"), 0.0) for what in ("plain", "model")]
        assert part[0] == pytest.approx(part[1])
    ground = cube.read_block("difference", block)
    assert not np.isin(ground, (Change.GAIN, Change.LOSS)).any()


def _whole(flags: np.ndarray, block: object) -> np.ndarray:
    """A map that is the earlier one but in a block."""
    crop = patches(1)[0]
    crop[RANGE.slices(GRID, block)] = flags  # type: ignore[arg-type]
    return crop


def test_conversions_are_the_areas_by_class(tmp_path: Path) -> None:
    window = GRID.window(BLOCKS[0])
    change = np.full((96, 96), Change.STABLE_CROPLAND, np.uint8)
    change[10:30, 10:30], change[60:70, 5:25] = Change.LOSS, Change.GAIN
    codes = np.full((96, 96), 50, np.uint8)
    codes[:, 20:], codes[:, 90:] = 40, 0
    codes[60:62, 5:25] = 0
    with rasterio.open(
        tmp_path / "map.tif", "w", driver="GTiff", height=96, width=96, count=1, dtype="uint8", crs="EPSG:4326",
        transform=GRID.transform(window),
    ) as file:  # fmt: skip
        file.write(codes, 1)
    product = Product("cover", RasterCodes((str(tmp_path / "map.tif"),)), (40,), (0, 40, 50), (0,))
    found = conversions(change, product, window, GRID)
    km2 = np.repeat(GRID.pixel_area_m2(window.row, 96)[:, None], 96, axis=1) / 1e6
    lost = {(c.is_cropland, c.code): area for c, area in found.items() if c.change == Change.LOSS}
    assert lost == {
        (False, 50): pytest.approx(km2[10:30, 10:20].sum()),
        (True, 40): pytest.approx(km2[10:30, 20:30].sum()),
    }
    unknown = next(area for c, area in found.items() if c.is_cropland is None)
    assert unknown == pytest.approx(km2[60:62, 5:25].sum())
    table = conversion_table("cover", 2021, {40: "Cropland", 50: "Built-up"}, [found, found])
    assert table.km2.sum() == pytest.approx(2 * (km2[10:30, 10:30].sum() + km2[60:70, 5:25].sum()))
    assert table[table.change == "loss"].share.sum() == pytest.approx(1)
    assert set(table["class"]) == {"Cropland", "Built-up", ""}
    assert NO_CODE not in set(table.code.dropna())


def test_sources_are_brought_back_one_by_one(tmp_path: Path) -> None:
    """Of two sources only one moved, so only its mask is moved back."""
    crop, grey = patches(3)
    before = open_edition(str(write_run(tmp_path / "before", "2020", crop, grey, sources=("one", "two"))))
    run = write_run(tmp_path / "after", "2023", *changed(crop, grey), sources=("one", "two"))
    cube = Cube.open(run / "cube.zarr")
    moved = np.roll(crop, 3, axis=1)
    for block in BLOCKS:
        cube.write_block("cropland", block, moved[RANGE.slices(GRID, block)], "two")
        cube.write_block("cropland", block, np.zeros((96, 96), np.uint8), "one")
    after, block = replace(open_edition(str(run)), finished=BlockList.of(BLOCKS)), BLOCKS[1]
    seen = after.seen(block, GRID.window(block), {"one": (0, 0), "two": (0, 3)})
    np.testing.assert_array_equal(seen.flags, crop[RANGE.slices(GRID, block)])
    assert before.taken.of(block) == ("one", "two")
