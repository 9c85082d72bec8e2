"""A comparison that is made again: nothing of an earlier one stays, and no sample is drawn from half of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from shared.two_editions import BLOCKS, changed, patches, write_run

from croplayer.changes.editions import open_edition
from croplayer.changes.population import finished_change
from croplayer.cube.whole_blocks import Cube
from pipelines.cli import main
from stores.change import ChangeFolder
from stores.ledger import Ledger
from stores.records import BlockRecord, Status
from stores.run_folder import RunFolder
from stores.step_memory import STEPS_OF_CUBE

OPTIONS = ("--tolerance", "120", "--min-area", "10", "--max-shift", "200", "--buffer", "200")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def compared(before: Path, after: Path, tmp_path: Path) -> Path:
    assert call("change", before, after, "-o", tmp_path / "out", *OPTIONS, "--geotiff").exit_code == 0
    return tmp_path / "out"


def test_outputs_of_an_earlier_call_do_not_stay(before: Path, after: Path, compared: Path) -> None:
    (compared / "tables/change_conversions.csv").write_text("of other rules", encoding="utf-8")
    assert (compared / "change.tif").is_file()
    assert call("change", before, after, "-o", compared, *OPTIONS[2:]).exit_code == 0
    assert not (compared / "change.tif").exists()
    assert not (compared / "tables/change_conversions.csv").exists()
    assert (compared / "report.html").is_file()


def test_a_foreign_folder_is_left_as_it_is(before: Path, after: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("a", encoding="utf-8")
    assert "no comparison; give another folder" in call("change", before, after, "-o", tmp_path / "notes").output
    assert [p.name for p in (tmp_path / "notes").rglob("*")] == ["a.txt"]


def test_no_sample_is_drawn_from_a_half_redone_comparison(
    before: Path, after: Path, compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = finished_change(ChangeFolder(compared))
    assert len(first.blocks) == len(BLOCKS)
    from croplayer.changes.steps import SieveTask

    real = SieveTask.one

    def stopped(task: SieveTask, block: object) -> BlockRecord:
        if block == BLOCKS[3]:
            raise KeyboardInterrupt
        return real(task, block)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(SieveTask, "one", stopped)
        assert call("change", before, after, "-o", compared, "--tolerance", "0").exit_code != 0
    draw = ("area", "draw", compared, "-o", tmp_path / "s.gpkg", "--change", "--points", "40", "--least", "5")
    assert "holds no finished comparison" in call(*draw).output
    # A page alone does not make it finished.
    (compared / "report.html").write_text("", encoding="utf-8")
    assert "holds no finished comparison" in call(*draw).output
    assert call("change", before, after, "-o", compared, "--tolerance", "0").exit_code == 0
    assert call(*draw).exit_code == 0
    again = finished_change(ChangeFolder(compared))
    assert again.digest != first.digest
    assert json.loads((tmp_path / "s.design.json").read_text(encoding="utf-8"))["map_digest"] == again.digest
    # Records of other rules, and of blocks that failed, do not count.
    entry = ChangeFolder(compared).memory.entries()["sieve"]
    ledger = Ledger(ChangeFolder(compared).ledger("sieve"))
    ledger.append("o" * 64, [BlockRecord(BLOCKS[0]._replace(col=1))])
    ledger.append(entry.fingerprint, [BlockRecord(BLOCKS[1], Status.FAILED, "no space")])
    with pytest.raises(FileNotFoundError, match="no finished comparison"):
        finished_change(ChangeFolder(compared))


def test_a_sample_knows_the_comparison_that_it_was_drawn_from(
    before: Path, after: Path, compared: Path, tmp_path: Path
) -> None:
    sample = tmp_path / "s.csv"
    draw = ("area", "draw", compared, "-o", tmp_path / "s.gpkg", "--change", "--points", "40", "--least", "5")
    assert "leave it out" in call(*draw, "--expect", "0.9", "0.9").output
    assert not sample.exists()
    assert call(*draw).exit_code == 0
    pd.read_csv(sample, dtype=str).assign(label="gain", note="").to_csv(sample, index=False)
    assert call("area", "estimate", sample, "--run", compared).exit_code == 0
    # The same comparison again is the same map.
    assert call("change", before, after, "-o", compared, *OPTIONS).exit_code == 0
    assert call("area", "estimate", sample, "--run", compared).exit_code == 0
    assert call("change", before, after, "-o", compared, "--tolerance", "0", "--min-area", "0").exit_code == 0
    assert "draw a new sample" in call("area", "estimate", sample, "--run", compared).output


def test_an_edition_that_is_being_written_is_compared_again(before: Path, after: Path, tmp_path: Path) -> None:
    """Blocks that were finished since are compared, and so is what changed beside them."""
    run = write_run(tmp_path / "growing", "2023", *changed(*patches(1)), without=BLOCKS[4:5])
    folder = RunFolder(run)
    for step in STEPS_OF_CUBE:
        folder.memory.begin(step, "f" * 64, blocks=len(BLOCKS))
    out = tmp_path / "out"
    assert call("change", before, run, "-o", out, *OPTIONS).exit_code == 0
    state = open_edition(str(run)).state
    whole, cube = RunFolder(after), Cube.open(run / "cube.zarr")
    complete = Cube.open(after / "cube.zarr")
    for name, source in (
        ("rgb", "one"),
        ("imagery_valid", "one"),
        ("cropland_probability", "one"),
        ("cropland", "one"),
        ("croplayer", None),
    ):
        for block in BLOCKS[4:5]:
            cube.write_block(name, block, complete.read_block(name, block, source), source)
    for step in STEPS_OF_CUBE:
        Ledger(folder.ledger(step)).append(
            "f" * 64, [record for _, record in Ledger(whole.ledger(step)).newest() if record.block in BLOCKS[4:5]]
        )
    folder.table("integration.parquet").write_bytes(whole.table("integration.parquet").read_bytes())
    grown = open_edition(str(run))
    assert len(grown.finished) == len(BLOCKS)
    assert grown.state != state
    for later, place in ((run, out), (after, tmp_path / "fresh")):
        assert call("change", before, later, "-o", place, *OPTIONS).exit_code == 0
    again, fresh = (Cube.open(tmp_path / name / "change.zarr", "change") for name in ("out", "fresh"))
    window = fresh.blocks.window(fresh.grid)
    np.testing.assert_array_equal(again.read_window("change", window), fresh.read_window("change", window))
