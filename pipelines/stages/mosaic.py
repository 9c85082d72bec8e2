"""Stage mosaic: bring the imagery of every source onto the lattice."""

from __future__ import annotations

from collections.abc import Iterator

from croplayer.tasks.mosaic import MosaicTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep


def mosaic(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Write the imagery of every block."""
    task = MosaicTask(output.cube, inputs.sources)
    yield BlockStep(
        name="mosaic",
        made_of={
            "block_px": inputs.grid.block_px,
            "sources": inputs.source_settings,
        },
        blocks=inputs.blocks,
        task_for=lambda blocks: task,
        blocks_per_task=4,
        reading=task.reading,
    )


RULES = (
    Rule(
        "mosaic", "mosaic", after=(), applies=maps, code=("croplayer.tasks.mosaic",), steps=mosaic,
        imports=("zarr", "croplayer.kernels.started", "croplayer.tasks.mosaic"),
    ),
)  # fmt: skip
