"""What a nation would take, from the blocks of a pilot run: the arithmetic by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.extrapolate import extrapolated, read_pilot
from stores.durable import FileDigest
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.records import BlockRecord, Status


def pilot_run(root: Path) -> None:
    (root / "ledger").mkdir(parents=True)
    (root / "recipe.toml").write_text('name = "pilot"\ntitle = "pilot"\n[grid]\nblock_px = 1280\ncell_px = 256\n')
    files = {f"f{i}": FileDigest("0" * 64, 1000) for i in range(4)}
    mosaic = [BlockRecord(BlockIndex(1, i), files=files, seconds=s) for i, s in enumerate((1.0, 3.0))]
    failed = BlockRecord(BlockIndex(1, 9), Status.FAILED, reason="x", seconds=100.0)
    Ledger(root / "ledger/mosaic.jsonl").append("f", [failed, *mosaic])
    Ledger(root / "ledger/describe.jsonl").append("f", [BlockRecord(BlockIndex(1, 1), seconds=0.5)])


def test_a_nation_by_the_blocks_of_a_pilot(tmp_path: Path) -> None:
    pilot_run(tmp_path)
    facts = extrapolated(read_pilot(tmp_path), blocks=360_000, block_px=2560, workers=20)
    # 360,000 blocks of 2 s, four times the pixels, on 20 workers: 360,000 x 2 x 4 / 20 / 3600 = 40 h.
    assert facts["hours of mosaic"] == (
        "40.00 = 360,000 blocks x 2 s (mean of 2) x 4 (pixels of 2560 against 1280 px blocks) / 20 workers / 3600"
    )
    assert facts["hours of describe"].startswith("10.00 = 360,000 blocks x 0.5 s (mean of 1)")
    assert facts["hours in all"].startswith("50.00 = the sum of the above; start, tables, report and export are not")
    assert facts["disk of the cube"].startswith("5.8 GB = 360,000 blocks x 4,000 bytes x 4")
    assert facts["objects of the cube"] == "1,440,000 = 360,000 blocks x 4 files"


def test_squares_of_blocks_count_as_parts_of_a_block(tmp_path: Path) -> None:
    """One square of 512 blocks took 256 s and 512 kB in three files: half a second and 1,000 bytes a block."""
    pilot_run(tmp_path)
    blocks = [BlockIndex(1088 + i, 5888 + j) for i in range(16) for j in range(32)]
    overviews = [BlockRecord(block, seconds=1.0) for block in blocks]
    files = {name: FileDigest("0" * 64, size) for name, size in (("a", 500_000), ("b", 8_000), ("c", 4_000))}
    Ledger(tmp_path / "ledger/overviews.jsonl").append("f", overviews)
    Ledger(tmp_path / "ledger/overview_squares.jsonl").append("f", [BlockRecord(blocks[0], files=files, seconds=256.0)])
    facts = extrapolated(read_pilot(tmp_path), blocks=360_000, block_px=1280, workers=20)
    assert facts["hours of overview_squares"].startswith("2.50 = 360,000 blocks x 0.5 s")
    assert facts["disk of the cube"].startswith("1.8 GB = 360,000 blocks x 5,000 bytes")
    assert facts["objects of the cube"].startswith("1,441,055 = 360,000 blocks x 4.00293 files")


LOG = """
2026-01-01T00:00:00Z run began: recipe pilot
2026-01-01T00:00:01Z describe began: 6 blocks, 0 done before
2026-01-01T00:00:40Z run ended: stopped by OSError: No space left after 40.0 s
2026-01-01T00:01:20Z describe ended: 6 of 6 done in 19.0 s
2026-01-01T00:01:20Z report ended: 35 of 35 done in 10.0 s
2026-01-01T00:01:30Z export_110000 ended: 7 of 7 done in 1.5 s
2026-01-01T00:01:30Z export_120000 ended: 7 of 7 done in 1.5 s
2026-01-01T00:01:30Z run ended: finished after 30.0 s
"""


def test_what_a_pilot_took_once_counts_once(tmp_path: Path) -> None:
    pilot_run(tmp_path)
    (tmp_path / "ledger/mosaic.jsonl").unlink()
    # Two workers load for 9 s before their first block.
    seconds = (11.0, 11.0, 2.0, 2.0, 2.0, 2.0)
    (tmp_path / "ledger/describe.jsonl").unlink()
    Ledger(tmp_path / "ledger/describe.jsonl").append(
        "f", [BlockRecord(BlockIndex(1, i), seconds=s) for i, s in enumerate(seconds)]
    )
    (tmp_path / "run.log").write_text(LOG)
    facts = extrapolated(read_pilot(tmp_path), blocks=36_000, block_px=1280, workers=2)
    assert facts["hours of describe"].startswith("10.00 = 36,000 blocks x 2 s (mean of 6) / 2 workers")
    # 3 s for 6 blocks, on the client.
    assert facts["hours of export"] == "5.00 = 36,000 blocks x 0.5 s / 3600"
    # 70 s in two runs, without 6 blocks of 2 s on two workers and 3 s of exports.
    assert facts["hours beside the blocks"] == "0.02 = 61 s for start, tables and report / 3600"
    assert facts["hours in all"] == "15.02 = the sum of the above"


def test_a_pilot_without_blocks_is_no_pilot(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no run"):
        read_pilot(tmp_path)
    (tmp_path / "recipe.toml").write_text('name = "pilot"\ntitle = "pilot"\n')
    with pytest.raises(ValueError, match="no finished block to estimate from"):
        read_pilot(tmp_path)
