"""`croplayer area` plans and draws a sample."""

from __future__ import annotations

import json
from pathlib import Path

from shared.commands import croplayer


def test_a_drawn_sample_says_what_it_is_expected_to_reach(finished: Path, models: Path, tmp_path: Path) -> None:
    wanted = ("--expect", 0.97, 0.6, "--standard-error", 0.015)
    plan = croplayer("area", "plan", finished, *wanted, "--json", models=models).stdout
    assert json.loads(plan)["expected_standard_error"] <= 0.015
    words = croplayer("area", "plan", finished, *wanted, models=models).stdout
    reached = next(line for line in words.splitlines() if line.startswith("standard error"))
    drawn = croplayer("area", "draw", finished, "-o", tmp_path / "s.gpkg", *wanted, models=models).stdout
    assert reached in drawn.splitlines()
    few = croplayer(
        "area", "draw", finished, "-o", tmp_path / "few.gpkg", "--units", 1, "--by-unit", "--points", 5, models=models
    )
    assert "fewer than 2 points" in few.stdout
    grid = ("--design", "systematic", "--spacing", 0.01)
    assert (
        "standard error"
        not in croplayer("area", "draw", finished, "-o", tmp_path / "g.gpkg", *grid, models=models).stdout
    )
