"""Stage describe: shape and consistency of every source's masks."""

from __future__ import annotations

from collections.abc import Iterator

from croplayer.tasks.describe import DescribeTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep


def describe(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Measure the masks of every block that is segmented."""
    segment = done["segment"]
    task = DescribeTask(output.cube)
    yield BlockStep(
        name="describe",
        made_of={"sources": inputs.recipe.source_names},
        blocks=segment.blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
        follows=segment.found,
    )


RULES = (
    Rule("describe", "describe", after=("segment",), applies=maps, code=("croplayer.tasks.describe",), steps=describe),
)
