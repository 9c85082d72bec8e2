"""Stage assess: image quality, coverage type and terrain of every block."""

from __future__ import annotations

from collections.abc import Iterator

from croplayer.tasks.assess import AssessTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep
from stores.legends import NODATA_ABOVE


def assess(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Measure the imagery and the terrain of every block that has imagery in the cube."""
    mosaic, coverage = done["mosaic"], inputs.recipe.coverage
    folder = str(inputs.models.coverage(coverage)) if coverage else None
    digest = inputs.models.digests(inputs.recipe).get("coverage")
    nodata_above = coverage.nodata_above if coverage else NODATA_ABOVE
    task = AssessTask(output.cube, inputs.elevation, folder, digest, nodata_above)
    yield BlockStep(
        name="assess",
        made_of={
            "elevation": inputs.elevation.settings() if inputs.elevation else None,
            "model": digest,
            "nodata_above": nodata_above,
        },
        blocks=mosaic.blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
        follows=mosaic.found,
        reading=task.reading,
    )


RULES = (
    Rule("assess", "assess", after=("learn", "mosaic"), applies=maps, code=("croplayer.tasks.assess",), steps=assess),
)
