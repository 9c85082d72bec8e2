"""Two runs are compared: lazily and by the command, with the same pixels, and clear words where they cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner, Result
from scipy.ndimage import shift as moved
from shared.two_editions import BLOCKS, GRID, RANGE, SHAPE, changed, patches, write_run

import croplayer
from croplayer.changes.evidence import Seen, differences, plain_differences
from croplayer.changes.rules import ChangeRules
from croplayer.changes.sieve import sieved
from croplayer.cube.whole_blocks import Cube
from pipelines.cli import main
from stores.change import CHANGE_BLOCKS, CHANGE_UNITS
from stores.grid import BlockGrid
from stores.legends import Change, Integration
from stores.run_folder import RunFolder
from stores.snapshot import FINISHED, Snapshot

RULES = ChangeRules(tolerance_m=120, min_area_ha=10, max_shift_m=200, buffer_m=200)
OPTIONS = ("--tolerance", "120", "--min-area", "10", "--max-shift", "200", "--buffer", "200")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def compared(before: Path | str, after: Path | str, out: Path, *more: str) -> Result:
    return call("change", before, after, "-o", out, *OPTIONS, *more)


def expected(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The changes of two maps as wholes."""
    place = RANGE.window(GRID)
    seen = [
        Seen(crop, np.where(crop == 1, 240, np.where(crop == 0, 10, 254)).astype(np.uint8)[None])
        for crop in (before, after)
    ]
    by = RULES.margins(place, GRID).total
    around = np.pad(differences(*seen, RULES.margin, RULES.weak_margin), by, constant_values=Change.NEVER_COMPARED)
    return sieved(around, place.grown(by), place, GRID, RULES).change


def written(out: Path) -> np.ndarray:
    cube = Cube.open(out / "change.zarr", "change")
    return cube.read_window("change", cube.blocks.window(cube.grid))


def test_the_command_writes_what_the_whole_maps_say(before: Path, after: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = compared(before, after, out, "--geotiff")
    assert result.exit_code == 0, result.output
    crop, grey = patches(1)
    later, _ = changed(crop, grey)
    truth = expected(crop, later)
    assert {2, 3, 254} <= set(np.unique(truth))
    np.testing.assert_array_equal(written(out), truth)
    km2 = np.repeat(GRID.pixel_area_m2(RANGE.window(GRID).row, SHAPE[0])[:, None], SHAPE[1], axis=1) / 1e6
    table = pd.read_parquet(out / "tables/change.parquet")
    assert list(table.columns) == list(CHANGE_UNITS)
    total = table.iloc[0]
    assert total.gain_km2 == pytest.approx(km2[truth == Change.GAIN].sum())
    assert total.loss_km2 == pytest.approx(km2[truth == Change.LOSS].sum())
    plain = plain_differences(crop, later)
    assert total.plain_gain_km2 == pytest.approx(km2[plain == Change.GAIN].sum())
    assert total.known_km2 + total.unknown_km2 == pytest.approx(km2.sum())
    # Stable cropland and loss are the earlier map's cropland on ground that both know.
    assert total.stable_cropland_km2 + total.loss_km2 == pytest.approx(km2[(crop == 1) & (truth < 254)].sum())
    assert table.adcode.tolist() == ["", "1", "2"]
    assert table.gain_km2[1:].sum() == pytest.approx(total.gain_km2)
    assert table.model_gain_km2.isna().all()
    blocks = pd.read_parquet(out / "tables/change_blocks.parquet")
    assert list(blocks.columns) == list(CHANGE_BLOCKS)
    assert blocks.compared.all()
    assert (out / "change.tif").is_file()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "no interval" in page and "East" in page


@pytest.mark.parametrize("chunks", [{}, {"y": 50, "x": 70}])
def test_the_lazy_change_of_any_part_is_that_of_the_command(
    before: Path, after: Path, tmp_path: Path, chunks: dict[str, int]
) -> None:
    compared(before, after, tmp_path / "out")
    whole = written(tmp_path / "out")
    a, b = croplayer.open_cube(before), croplayer.open_cube(after)
    for y, x in ((slice(None), slice(None)), (slice(40, 130), slice(60, 250)), (slice(100, 101), slice(3, 200))):
        part = [d.isel(y=y, x=x).chunk(chunks) for d in (a, b)]
        lazy = croplayer.change(*part, rules=RULES)
        assert isinstance(lazy, xr.DataArray) and lazy.chunks is not None
        np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), whole[y, x])
        np.testing.assert_array_equal(lazy.y, part[0].y)


def test_what_only_one_selection_holds_is_left_out(before: Path, after: Path) -> None:
    a, b = croplayer.open_cube(before), croplayer.open_cube(after)
    found = croplayer.change(a.isel(x=slice(0, 100)), b.isel(x=slice(50, 200)), rules=RULES)
    assert found.shape == (SHAPE[0], 50)
    with pytest.raises(ValueError, match="share no pixel"):
        croplayer.change(a.isel(x=slice(0, 10)), b.isel(x=slice(50, 200)))
    with pytest.raises(ValueError, match="give datasets of open_cube"):
        croplayer.change(a.drop_vars(["rgb", "imagery_valid"]), b)


def test_a_comparison_goes_on_where_it_was_stopped(before: Path, after: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compared(before, after, out)
    first = written(out)
    ledgers = {p: p.read_bytes() for p in (out / "ledger").iterdir()}
    assert compared(before, after, out).exit_code == 0
    assert {p: p.read_bytes() for p in (out / "ledger").iterdir()} == ledgers
    lines = ledgers[out / "ledger/sieve.jsonl"].splitlines(keepends=True)
    (out / "ledger/sieve.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:30])
    (out / "change.zarr/change/change/c/1/1").unlink()
    assert compared(before, after, out).exit_code == 0
    np.testing.assert_array_equal(written(out), first)
    assert len((out / "ledger/sieve.jsonl").read_bytes().splitlines()) == len(BLOCKS)
    # Other rules redo what follows from them.
    assert call("change", before, after, "-o", out, "--tolerance", "0", "--min-area", "0").exit_code == 0
    assert (written(out) == Change.GAIN).sum() > (first == Change.GAIN).sum()


def test_shifted_imagery_is_compensated_and_too_far_named(before: Path, tmp_path: Path) -> None:
    crop, grey = patches(1)
    for rows, far in ((2, False), (5, True)):
        later = write_run(
            tmp_path / f"moved{rows}",
            "2023",
            moved(crop, (rows, 0), order=0),
            moved(grey, (rows, 0), order=1, mode="nearest"),
        )
        out = tmp_path / f"out{rows}"
        assert compared(before, later, out).exit_code == 0
        table = pd.read_parquet(out / "tables/change_blocks.parquet")
        assert table.shift_rows_px.tolist() == pytest.approx([rows] * 6, abs=0.2)
        change = written(out)
        if far:
            assert not table.compared.any()
            assert "more than 200 m" in table.reason[0]
            assert (change == Change.UNKNOWN).all()
            assert table.reason[0] in (out / "report.html").read_text(encoding="utf-8")
        else:
            assert table.compared.all()
            assert not np.isin(change, (Change.GAIN, Change.LOSS)).any()


def test_a_block_of_which_a_map_takes_no_source_has_no_measured_shift(before: Path, tmp_path: Path) -> None:
    later = write_run(tmp_path / "after", "2023", *patches(1))
    table = RunFolder(before).table("integration.parquet")
    taken = pd.read_parquet(table)
    taken.loc[taken.block == BLOCKS[2].name, "integration"] = int(Integration.NEITHER)
    taken.to_parquet(table)
    assert compared(before, later, tmp_path / "out").exit_code == 0
    found = pd.read_parquet(tmp_path / "out/tables/change_blocks.parquet").set_index("block")
    shifts = found[["shift_m", "shift_rows_px", "shift_cols_px", "shift_agreement"]]
    assert shifts.loc[BLOCKS[2].name].isna().all()
    # The imagery of the others is the same in both editions.
    others = shifts.drop(BLOCKS[2].name)
    assert (others[["shift_m", "shift_rows_px", "shift_cols_px"]] == 0).all(axis=None)
    assert (others.shift_agreement == 1).all()


def test_the_change_of_snapshots_is_that_of_their_runs(before: Path, tmp_path: Path) -> None:
    """A snapshot tells which sources its map takes, so imagery that moved is brought back there, too."""
    crop, grey = patches(1)
    later = write_run(
        tmp_path / "moved", "2023", moved(crop, (2, 0), order=0), moved(grey, (2, 0), order=1, mode="nearest")
    )
    rules = ChangeRules(tolerance_m=0, min_area_ha=0, max_shift_m=200)
    own = croplayer.change(croplayer.open_cube(before), croplayer.open_cube(later), rules)
    assert not np.isin(own, (Change.GAIN, Change.LOSS)).any()
    snapshots = [_snapshot(run, tmp_path / f"snapshot{n}") for n, run in enumerate((before, later))]
    published = croplayer.change(*map(croplayer.open_cube, snapshots), rules)
    np.testing.assert_array_equal(published, own)


def _snapshot(run: Path, place: Path) -> Path:
    """The cube and the tables of a run as a snapshot has them."""
    for name in ("cube.zarr", "tables"):
        shutil.copytree(run / name, place / name)
    (place / FINISHED).write_bytes(Snapshot({}, {}, 0).to_bytes())
    return place


def test_unfinished_blocks_are_never_compared(before: Path, tmp_path: Path) -> None:
    later = write_run(tmp_path / "after", "2023", 1 - patches(1)[0], patches(1)[1], without=BLOCKS[4:])
    assert compared(before, later, tmp_path / "out").exit_code == 0
    table = pd.read_parquet(tmp_path / "out/tables/change_blocks.parquet").set_index("block")
    assert not table.compared[[b.name for b in BLOCKS[4:]]].any()
    assert (table.reason[[b.name for b in BLOCKS[4:]]] == "the later map is not finished there").all()
    assert (written(tmp_path / "out")[96:, 96:] == Change.NEVER_COMPARED).all()
    areas = pd.read_parquet(tmp_path / "out/tables/change.parquet").iloc[0]
    assert areas.known_km2 == pytest.approx(sum(GRID.block_km2(block.row) for block in BLOCKS[:4]))


def test_editions_are_named_with_an_at(before: Path, after: Path, tmp_path: Path) -> None:
    assert compared(f"{before}@2020", f"{after}@2023", tmp_path / "out").exit_code == 0
    # Later editions lie below the folder of the first.
    (before / "editions").mkdir()
    after.rename(before / "editions/2023")
    assert compared(f"{before}@2020", f"{before}@2023", tmp_path / "one_run").exit_code == 0
    np.testing.assert_array_equal(written(tmp_path / "one_run"), written(tmp_path / "out"))
    wrong = compared(f"{before}@2019", before, tmp_path / "other")
    assert wrong.exit_code == 2
    assert "has no edition '2019'; it holds 2020, 2023" in wrong.output


def test_what_cannot_be_compared_is_said_in_a_sentence(before: Path, after: Path, tmp_path: Path) -> None:
    crop, grey = patches(1)
    other = write_run(tmp_path / "other", "2023", crop, grey, sources=("one", "two"))
    assert "a difference would be one of the sources" in compared(before, other, tmp_path / "a").output
    grid = BlockGrid(48)
    coarse = write_run(tmp_path / "coarse", "2023", crop[::2, ::2], grey[::2, ::2], grid=grid)
    assert "only maps of the same grid can be compared" in compared(before, coarse, tmp_path / "b").output
    nothing = write_run(tmp_path / "nothing", "2023", crop, grey, without=BLOCKS)
    assert "have no finished block in common" in compared(before, nothing, tmp_path / "c").output
    compared(before, after, tmp_path / "d")
    again = compared(before, other.parent / "after", tmp_path / "d")
    assert again.exit_code == 0
    assert "give another folder" in compared(after, before, tmp_path / "d").output
    assert "give another folder" in compared(before, after, before).output


def test_different_models_are_told(before: Path, tmp_path: Path) -> None:
    later = write_run(tmp_path / "after", "2023", *changed(*patches(1)), model="n" * 64)
    result = compared(before, later, tmp_path / "out")
    assert "--remap tells which part of the difference is the models'" in result.output
    assert "different models" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def test_a_remapped_map_leaves_the_ground_alone(before: Path, tmp_path: Path) -> None:
    """The later model sees less; where it sees the earlier imagery as the later one, nothing changed."""
    crop, grey = patches(1)
    later = crop.copy()
    later[:, :150] = 0
    run = write_run(tmp_path / "after", "2023", later, grey, model="n" * 64)
    a, b = croplayer.open_cube(before), croplayer.open_cube(run)
    assert (croplayer.change(a, b, rules=RULES) == Change.LOSS).any()
    remapped = xr.DataArray(np.where(later == 1, 240, 10).astype(np.uint8), dims=("y", "x"))
    found = croplayer.change(a, b, RULES, remapped).compute()
    assert not np.isin(found, (Change.GAIN, Change.LOSS)).any()
    with pytest.raises(ValueError, match="remapped has the dimensions"):
        croplayer.change(a, b, RULES, remapped[:10])


def test_the_comparison_file_says_what_was_compared(before: Path, after: Path, tmp_path: Path) -> None:
    compared(before, after, tmp_path / "out")
    facts = json.loads((tmp_path / "out/comparison.json").read_text(encoding="utf-8"))
    assert facts["before"].endswith("before/cube.zarr@2020")
    assert facts["rules"]["tolerance_m"] == 120
