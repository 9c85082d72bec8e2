"""Stage mosaic: imagery of every source onto the lattice."""

from __future__ import annotations

from croplayer.tasks.mosaic import MosaicTask
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, Step


def mosaic_step(run: Run) -> BlockStep:
    assert run.cube is not None
    task = MosaicTask(run.cube, run.sources)
    return BlockStep(
        name="mosaic",
        fingerprint=fingerprint(
            "mosaic", grid=run.grid.block_px, edition=run.recipe.edition, sources=run.source_fingerprints
        ),
        blocks=run.blocks,
        task_for=lambda blocks: task,
        blocks_per_task=4,
    )


def steps(run: Run) -> list[Step]:
    return [mosaic_step(run)]
