"""Stage assess: image quality, coverage type and terrain of every block."""

from __future__ import annotations

from croplayer.tasks.assess import AssessTask
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, Step
from pipelines.stages.mosaic import mosaic_step

DEFAULT_NODATA_ABOVE = 0.1


def assess_step(run: Run) -> BlockStep:
    assert run.cube is not None
    mosaic = mosaic_step(run)
    coverage = run.recipe.coverage
    folder = str(run.models.coverage(coverage)) if coverage else None
    digest = run.models.digests(run.recipe).get("coverage")
    nodata_above = coverage.nodata_above if coverage else DEFAULT_NODATA_ABOVE
    task = AssessTask(run.cube, run.elevation, folder, digest, nodata_above)
    return BlockStep(
        name="assess",
        fingerprint=fingerprint(
            "assess",
            mosaic=mosaic.fingerprint,
            elevation=run.elevation_fingerprint,
            model=digest,
            nodata_above=nodata_above,
        ),
        blocks=run.results(mosaic).blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
    )


def steps(run: Run) -> list[Step]:
    return [assess_step(run)]
