"""What counts as evidence of a change: scores of sources that both maps take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shared.two_editions import BLOCKS, GRID, RANGE, patches, write_run

import croplayer
from croplayer.changes.blocks import Comparison
from croplayer.changes.editions import Edition, open_edition
from croplayer.changes.evidence import Seen, differences
from croplayer.changes.remapping import remapped_seen
from croplayer.changes.rules import ChangeRules
from croplayer.cube.whole_blocks import Cube
from stores.block_list import BlockList
from stores.columns import CORRECTION
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.legends import WEAK_GAIN, WEAK_LOSS, Change, Correction, Integration
from stores.run_folder import RunFolder

SOURCES = ("two", "one")


def test_scores_count_of_sources_that_both_maps_have() -> None:
    flags, later = np.array([[1, 1, 1, 0, 1]], np.uint8), np.array([[0, 0, 0, 1, 1]], np.uint8)
    before = np.array([[[240, 240, 240, 10, 240]], [[10, 10, 200, 254, 10]]], np.uint8)
    after = np.array([[[255, 255, 10, 254, 255]], [[10, 255, 20, 240, 255]]], np.uint8)
    found = differences(Seen(flags, before), Seen(later, after), 0.5)
    assert found[0].tolist() == [1, 254, 3, 254, 1]


def test_every_source_must_see_a_change_in_part() -> None:
    """Losses and gains that one source sees are weak where the other one moved by less than 0.7 of the margin."""
    flags, later = np.array([[1, 1, 1, 0, 0]], np.uint8), np.array([[0, 0, 0, 1, 1]], np.uint8)
    before = np.array([[[240, 150, 240, 10, 10]], [[20, 140, 110, 20, 254]]], np.uint8)
    after = np.array([[[10, 10, 10, 240, 240]], [[10, 10, 10, 20, 240]]], np.uint8)
    found = differences(Seen(flags, before), Seen(later, after), 0.7, 0.1)
    assert found[0].tolist() == [WEAK_LOSS, Change.LOSS, WEAK_LOSS, WEAK_GAIN, Change.GAIN]
    plain = differences(Seen(flags, before), Seen(later, after), 0.0)
    assert plain[0].tolist() == [3, 3, 3, 2, 2]


def _run(root: Path, choice: Integration, order: tuple[str, ...] = SOURCES) -> Path:
    """The same imagery and scores in every run: source one sees the fields, source two sees nothing."""
    crop, grey = patches(2)
    run = write_run(root, root.name, crop, grey, sources=order)
    cube = Cube.open(run / "cube.zarr")
    nothing = np.zeros((96, 96), np.uint8)
    taken = {Integration.NEITHER: (), Integration.ONLY_A: order[:1], Integration.ONLY_B: order[1:]}.get(choice, order)
    for block in BLOCKS:
        cube.write_block("cropland", block, nothing, "two")
        cube.write_block("cropland_probability", block, nothing + 10, "two")
        cube.write_block("croplayer", block, crop[RANGE.slices(GRID, block)] if "one" in taken else nothing)
    table = RunFolder(run).table("integration.parquet")
    pd.read_parquet(table).assign(integration=int(choice)).to_parquet(table)
    return run


def _finished(run: Path) -> Edition:
    """An edition whose files were written again, so that its ledger no longer knows their sizes."""

    return replace(open_edition(str(run)), finished=BlockList.of(BLOCKS))


@pytest.mark.parametrize("later", [Integration.ONLY_A, Integration.NEITHER])
def test_another_choice_of_sources_is_no_change(tmp_path: Path, later: Integration) -> None:
    crop = patches(2)[0]
    before, after = _finished(_run(tmp_path / "a", Integration.MERGE_BOTH)), _finished(_run(tmp_path / "b", later))
    for block in BLOCKS[:2]:
        found = Comparison(before, after, ChangeRules()).of(block)
        np.testing.assert_array_equal(found.difference, crop[RANGE.slices(GRID, block)])
        assert (found.after == 0).all()


def test_maps_without_a_common_source_leave_what_differs_unknown(tmp_path: Path) -> None:
    crop = patches(2)[0][RANGE.slices(GRID, BLOCKS[0])]
    # The runs name their sources in another order, so ONLY_A is another source in each.
    before = _finished(_run(tmp_path / "a", Integration.ONLY_A, ("one", "two")))
    after = _finished(_run(tmp_path / "b", Integration.ONLY_A))
    found = Comparison(before, after, ChangeRules()).of(BLOCKS[0]).difference
    np.testing.assert_array_equal(found, np.where(crop == 1, Change.UNKNOWN, crop))


def _remapped(score: np.ndarray) -> xr.DataArray:
    return xr.DataArray(score, dims=("source", "y", "x"), coords={"source": ["one", "two"]})


def test_lazy_remapped_scores_follow_sources_and_threshold(tmp_path: Path) -> None:
    crop, grey = patches(2)
    runs = [write_run(tmp_path / n, n, c, grey, sources=SOURCES) for n, c in (("a", crop), ("b", 0 * crop))]
    a, b = (croplayer.open_cube(run) for run in runs)
    rules = ChangeRules(margin=0.3, tolerance_m=0, min_area_ha=0, max_shift_m=200)
    score = np.stack([np.where(crop == 1, 150, 10), np.where(crop == 1, 80, 10)]).astype(np.uint8)
    found = croplayer.change(a, b, rules, _remapped(score), threshold=0.5).compute()
    assert (found == Change.LOSS).any()
    # At a threshold of 0.7 the later model sees no cropland in the earlier imagery.
    assert not np.isin(croplayer.change(a, b, rules, _remapped(score), threshold=0.7), (2, 3)).any()
    # Only the source that the earlier map takes counts.
    table = RunFolder(runs[0]).table("integration.parquet")
    pd.read_parquet(table).assign(integration=int(Integration.ONLY_A)).to_parquet(table)
    assert not np.isin(croplayer.change(croplayer.open_cube(runs[0]), b, rules, _remapped(score)), (2, 3)).any()
    with pytest.raises(ValueError, match="no dimension 'source'"):
        croplayer.change(a, b, rules, _remapped(score)[0].drop_vars("source"))
    with pytest.raises(ValueError, match="expected one, two as its coordinate"):
        croplayer.change(a, b, rules, _remapped(score)[:1])
    with pytest.raises(ValueError, match="threshold is 1"):
        croplayer.change(a, b, rules, threshold=1)


@pytest.mark.parametrize("shift", [0, 3])
def test_a_correction_by_hand_is_sure_evidence(tmp_path: Path, shift: int) -> None:
    crop, grey = patches(2)
    before = open_edition(str(write_run(tmp_path / "a", "a", crop, grey)))
    run = write_run(tmp_path / "b", "b", crop, grey)
    CUBE.create(DurableStore(run / "cube.zarr"), "b", GRID, RANGE, ("one",), (CORRECTION,))
    cube, block = Cube.open(run / "cube.zarr"), max(BLOCKS, key=lambda b: crop[RANGE.slices(GRID, b)].sum())
    done, flags = np.zeros((96, 96), np.uint8), crop[RANGE.slices(GRID, block)].copy()
    done[10:80, 10:80] = np.where(flags[10:80, 10:80] == 1, Correction.REMOVED, Correction.CONFIRMED_NOT_CROPLAND)
    flags[10:80, 10:80] = 0
    for name, values in (("correction", done), ("croplayer", flags)):
        cube.write_block(name, block, values)
    after = replace(open_edition(str(run)), finished=BlockList.of(BLOCKS))
    window = GRID.window(block)
    seen = after.seen(block, window, {"one": (0, shift)})
    assert (seen.flags[10:80, 10:80] == 0).all() and (seen.scores[:, 10:80, 10:80] == 0).all()
    found = differences(before.seen(block, window, {}), seen, 0.7)[10:80, 10:80]
    np.testing.assert_array_equal(found, np.where(crop[RANGE.slices(GRID, block)][10:80, 10:80] == 1, 3, 0))
    assert (found == 3).any()
    # Mapped again, the corrected map keeps its corrections whatever the model sees.
    again = remapped_seen(after, block, window, np.full((1, 96, 96), 240, np.uint8), 0.5)
    np.testing.assert_array_equal(again.flags == 0, done > 0)
    np.testing.assert_array_equal(after.uncorrected(block), crop[RANGE.slices(GRID, block)])
