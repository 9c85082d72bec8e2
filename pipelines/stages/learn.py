"""Stage learn: train the models of the recipe that are not there yet."""

from __future__ import annotations

from pipelines.engine.run import Run
from pipelines.engine.steps import Step


def steps(run: Run) -> list[Step]:
    """Training has its own checkpoints and its own folder, so it leaves no step in the run's ledger."""
    run.models.ensure(run.recipe)
    return []
