"""The steps of a run as they are built from what lies in its folder, whether they are finished or not."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.engine.steps import Step
from pipelines.engine.walk import Walk
from pipelines.run import Run


def built_steps(run: Run) -> Iterator[Step]:
    """The steps of a run in their order, each built when it is asked for."""
    walk = Walk(run.output)
    return (step for rule in run.rules for step in walk.steps(rule))


def built_step(run: Run, name: str) -> Step:
    """One step of a run; later ones are not built."""
    return next(step for step in built_steps(run) if step.name == name)
