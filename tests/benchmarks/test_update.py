"""The page's figures of an update: the straight line is the one through both runs."""

from __future__ import annotations

from typing import Any

from benchmarks.update import section


def run(blocks: int, first_s: float, update_s: float) -> dict[str, Any]:
    steps = {"start": 1.0, "segment": update_s - 1.0}
    return {
        "blocks": blocks, "block_px": 32, "renewed": blocks // 100, "own_bytes": 10, "carried_bytes": 0,
        "first": {"cpu_s": first_s, "wall_s": 1.0, "steps": steps}, "update": {"cpu_s": update_s, "wall_s": 1.0, "steps": steps},
        "linked": {"mosaic": blocks - 1, "segment": blocks - 2, "integrate": blocks - 1},
    }  # fmt: skip


def test_the_share_of_many_blocks_lies_on_the_line_of_both_runs() -> None:
    text = section([run(400, 10 + 40, 5 + 4), run(2500, 10 + 250, 5 + 25)], "2026-01-01")
    assert "18.0 % with 400 blocks, 11.5 % with 2,500 blocks" in text
    # 5 + 100 of 10 + 1,000 seconds
    assert "it is 10.4 % with 10,000 blocks; the goal of 3 % is missed there. 5 s of it" in text
    assert "each block costs 10.0 ms" in text and "it costs 100 ms" in text
    met = section([run(400, 400, 5), run(2500, 2500, 6)], "2026-01-01")
    assert "the goal of 3 % is met." in met
