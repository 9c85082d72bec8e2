"""What a run remembers of its steps, and the files that they no longer make."""

from __future__ import annotations

from pathlib import Path

from pipelines.engine.steps import OutputStep
from stores.step_memory import StepMemory


def test_files_that_are_no_longer_made_are_removed(tmp_path: Path) -> None:
    outputs = StepMemory(tmp_path / "ledger/outputs.json", tmp_path)
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    step = OutputStep("tables", "old", list)
    outputs.finish(step.name, step.fingerprint, [tmp_path / "a.csv", tmp_path / "b.csv"])
    outputs.finish("others", "old", [tmp_path / "b.csv"])
    outputs.begin("tables", "new")
    assert (tmp_path / "a.csv").exists() and not outputs.is_finished("tables", "old")
    outputs.finish("tables", "new", [])
    assert [p.name for p in sorted(tmp_path.glob("*.csv"))] == ["b.csv"]
