"""Stage integrate: choose the source of every block and write the integrated map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from croplayer.decisions.reviews import read_overrides
from croplayer.tasks.integrate import IntegrateTask
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, OutputStep, Step
from pipelines.stages.assess import assess_step
from pipelines.stages.describe import describe_step
from pipelines.stages.judge import features, judge_step, reviews, reviews_digest, without_failed, write_decided
from pipelines.stages.segment import segment_step
from stores.durable import digest_file


def decide_step(run: Run) -> OutputStep:
    decisions = run.recipe.decisions

    def make() -> Sequence[Path]:
        from croplayer.decisions.integration import decide_integration

        correctness = pd.read_parquet(run.folder.table("correctness.parquet"))
        blocks = features(run).merge(correctness, on="block")
        overrides = read_overrides(Path(decisions.overrides)) if decisions.overrides else None
        if overrides is not None:
            overrides = without_failed(run, overrides, blocks.block, "overrides")
        reviewed = reviews(run, blocks.block)
        decided = decide_integration(
            blocks, run.recipe.source_names, reviewed, overrides, decisions.seed, decisions.correctness_classes
        )
        return write_decided(run, "integration", decided)

    return OutputStep(
        name="decide",
        fingerprint=fingerprint(
            "decide",
            judge=judge_step(run).fingerprint,
            reviews=reviews_digest(run),
            overrides=digest_file(Path(decisions.overrides)).sha256 if decisions.overrides else None,
        ),
        make=make,
    )


def integrate_step(run: Run) -> BlockStep:
    assert run.cube is not None
    path = run.folder.table("integration.parquet")
    digest = digest_file(path).sha256
    described = run.results(describe_step(run)).blocks
    task = IntegrateTask(run.cube, str(path), digest)
    return BlockStep(
        name="integrate",
        fingerprint=fingerprint("integrate", decisions=digest, describe=describe_step(run).fingerprint),
        blocks=described.both(run.results(assess_step(run)).blocks),
        task_for=lambda blocks: task,
        blocks_per_task=16,
    )


def integrated_digest(run: Run) -> str:
    """Digest of what the integrated map says."""
    return run.results(integrate_step(run)).digest


def maps_digest(run: Run) -> tuple[str, str]:
    """Digest of what every map says: the sources' masks, and the integrated one."""
    return run.results(segment_step(run)).digest, integrated_digest(run)


def steps(run: Run) -> Iterator[Step]:
    yield decide_step(run)
    yield integrate_step(run)
