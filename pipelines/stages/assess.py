"""Stage assess: image quality, coverage type and terrain of every block."""

from __future__ import annotations

from collections.abc import Iterator

from croplayer.tasks.assess import AssessTask
from croplayer.vector.region import parts_of_region
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep
from stores.block_digests import BlockDigests
from stores.legends import NODATA_ABOVE


def assess(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Measure the imagery and the terrain of every block that has imagery in the cube."""
    mosaic, coverage = done["mosaic"], inputs.recipe.coverage
    folder = str(inputs.models.coverage(coverage)) if coverage else None
    digest = inputs.models.digests(inputs.recipe).get("coverage")
    nodata_above = coverage.nodata_above if coverage else NODATA_ABOVE
    region, blocks = inputs.pixel_region, mosaic.blocks
    task = AssessTask(output.cube, inputs.elevation, folder, digest, nodata_above, region)
    parts = BlockDigests.of_texts(blocks, parts_of_region(region, blocks))
    yield BlockStep(
        name="assess",
        made_of={
            "elevation": inputs.elevation.settings() if inputs.elevation else None,
            "model": digest,
            "nodata_above": nodata_above,
        },
        blocks=blocks,
        task_for=lambda group: task.narrowed(group, blocks),
        blocks_per_task=16,
        # Whether ground without imagery is a gap depends on the imagery beside the block.
        follows=mosaic.found.with_beside().joined(parts),
        reading=task.reading,
    )


RULES = (
    Rule("assess", "assess", after=("learn", "mosaic"), applies=maps, code=("croplayer.tasks.assess",), steps=assess),
)
