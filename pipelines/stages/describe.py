"""Stage describe: shape and consistency of every source's masks."""

from __future__ import annotations

from croplayer.tasks.describe import DescribeTask
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, Step
from pipelines.stages.segment import segment_step


def describe_step(run: Run) -> BlockStep:
    assert run.cube is not None
    segment = segment_step(run)
    task = DescribeTask(run.cube)
    return BlockStep(
        name="describe",
        fingerprint=fingerprint("describe", segment=segment.fingerprint),
        blocks=run.results(segment).blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
    )


def steps(run: Run) -> list[Step]:
    return [describe_step(run)]
