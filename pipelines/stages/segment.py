"""Stage segment: cropland probability and mask of every source."""

from __future__ import annotations

from croplayer.models.bundles.runtimes import runtime_version
from croplayer.tasks.segment import SegmentTask
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, Step
from pipelines.stages.mosaic import mosaic_step


def segment_step(run: Run) -> BlockStep:
    assert run.cube is not None and run.recipe.segmentation is not None
    part, grid = run.recipe.segmentation, run.recipe.grid
    mosaic = mosaic_step(run)
    blocks = run.results(mosaic).blocks
    digest = run.models.digests(run.recipe)["segmentation"]
    task = SegmentTask(
        cube=run.cube,
        sources=run.sources,
        mosaicked=frozenset(),
        model=str(run.models.segmentation(part)),
        model_digest=digest,
        cell_px=min(grid.cell_px, grid.block_px),
        blend_px=grid.blend_px,
        batch_cells=part.batch_cells,
        threshold=part.threshold,
        runtime=part.runtime,
    )
    return BlockStep(
        name="segment",
        fingerprint=fingerprint(
            "segment",
            mosaic=mosaic.fingerprint,
            model=digest,
            cell_px=task.cell_px,
            blend_px=task.blend_px,
            batch_cells=task.batch_cells,
            threshold=task.threshold,
            runtime=runtime_version(part.runtime),
        ),
        blocks=blocks,
        task_for=lambda group: task.narrowed(group, blocks),
        blocks_per_task=1,
        runs_network=True,
    )


def steps(run: Run) -> list[Step]:
    return [segment_step(run)]
