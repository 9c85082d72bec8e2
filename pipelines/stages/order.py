"""The stages of a run in their order, and running them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, Step, StepResult
from pipelines.recipe import Recipe
from pipelines.stages import (
    aggregate,
    assess,
    compare,
    describe,
    evaluate,
    export,
    integrate,
    judge,
    learn,
    mosaic,
    report,
    segment,
)


@dataclass(frozen=True)
class Stage:
    """A part of a run that can be asked for by name."""

    name: str
    about: str
    applies: Callable[[Recipe], bool]
    """Whether a recipe has this stage."""
    steps: Callable[[Run], Iterable[Step]]
    """Its steps; a later one may depend on what an earlier one wrote."""


def _maps(recipe: Recipe) -> bool:
    return bool(recipe.sources)


def _compares(recipe: Recipe) -> bool:
    return bool(recipe.products) or recipe.reference is not None


STAGES = (
    Stage(
        "learn", "train the models that are not there yet", lambda r: bool(r.segmentation or r.coverage), learn.steps
    ),
    Stage("mosaic", "bring the imagery of every source onto the lattice", _maps, mosaic.steps),
    Stage("assess", "image quality, coverage type and terrain of every block", _maps, assess.steps),
    Stage("segment", "map cropland in every source", _maps, segment.steps),
    Stage("describe", "shape and consistency of the masks", _maps, describe.steps),
    Stage("judge", "semantic correctness of every source's masks", _maps, judge.steps),
    Stage("integrate", "choose the source of every block and write the map", _maps, integrate.steps),
    Stage("compare", "hold the maps against other products and a reference", _compares, compare.steps),
    Stage("aggregate", "block table, and areas by admin unit", lambda r: r.region is not None, aggregate.steps),
    Stage("evaluate", "the maps at the levels of pixels, blocks, parcels and provinces", _maps, evaluate.steps),
    Stage("report", "figures and the one-file report", lambda r: True, report.steps),
    Stage(
        "export", "files for other software by admin unit", lambda r: r.export is not None and _maps(r), export.steps
    ),
)


def stages_of(recipe: Recipe) -> list[Stage]:
    """The stages that a recipe has."""
    return [s for s in STAGES if s.applies(recipe)]


def run_stage(stage: Stage, run: Run, workers: Workers) -> list[StepResult]:
    """Do what is left of a stage. A step is built after the one before it has run.

    Raises RuntimeError when not one block of a step could be finished: what follows would have nothing to work on.
    """
    results = []
    for step in stage.steps(run):
        result = run_step(step, run.ledgers, workers)
        if result.failed and len(result.failed) == result.total:
            first = result.failed[0]
            raise RuntimeError(f"{step.name} failed for all {result.total} blocks; {first.block.name}: {first.reason}")
        results.append(result)
    return results


def check_before(stage: Stage, run: Run) -> None:
    """Raise RuntimeError when a stage that this one builds on is not finished."""
    for earlier in stages_of(run.recipe):
        if earlier.name == stage.name:
            return
        if earlier.name == "learn" and len(run.models.folders(run.recipe)) < _models_wanted(run.recipe):
            raise RuntimeError(
                f"stage '{stage.name}' needs the models; run `croplayer learn` with the same recipe first"
            )
        for step in earlier.steps(run) if earlier.name != "learn" else ():
            left = _left(step, run)
            if left:
                raise RuntimeError(
                    f"stage '{stage.name}' builds on '{earlier.name}', which has {left} left; "
                    f"run `croplayer {earlier.name}` with the same recipe first"
                )


def _models_wanted(recipe: Recipe) -> int:
    return bool(recipe.segmentation) + bool(recipe.coverage)


def _left(step: Step, run: Run) -> str:
    if not isinstance(step, BlockStep):
        return "" if run.folder.memory.is_finished(step.name, step.fingerprint) else f"its {step.name} tables"
    left = len(step.blocks) - len(run.results(step).blocks)
    return f"{left} of {len(step.blocks)} blocks" if left else ""
