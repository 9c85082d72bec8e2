"""Stage integrate: choose the source of every block and write the integrated map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from croplayer.decisions.reviews import read_overrides
from croplayer.tasks.integrate import IntegrateTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep, OutputStep
from pipelines.stages.decided import write_decided
from pipelines.stages.reviews import (
    classifier_digest,
    features,
    named_classifier,
    reviews,
    reviews_digest,
    without_failed,
)
from stores.block_digests import BlockDigests
from stores.columns import DECIDES
from stores.durable import digest_file


def decide(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Decide for every block which source's mask the map uses."""
    decisions, names = inputs.recipe.decisions, inputs.recipe.source_names

    def make() -> Sequence[Path]:
        from croplayer.decisions.integration import decide_integration

        correctness = pd.read_parquet(output.folder.table("correctness.parquet"))
        blocks = features(done).merge(correctness, on="block")
        overrides = read_overrides(Path(decisions.overrides)) if decisions.overrides else None
        if overrides is not None:
            overrides = without_failed(inputs, overrides, blocks.block, "overrides")
        reviewed = reviews(inputs, output, blocks.block)
        decided = decide_integration(
            blocks, names, reviewed, overrides, decisions.seed, decisions.correctness_classes,
            named_classifier(inputs, "integration"),
        )  # fmt: skip
        return write_decided(output.folder, "integration", decided, inputs.recipe)

    yield OutputStep(
        name="decide",
        made_of={
            "judge": done["judge"].fingerprint,
            "reviews": reviews_digest(inputs, output),
            "model": classifier_digest(inputs, "integration"),
            "overrides": digest_file(Path(decisions.overrides)).sha256 if decisions.overrides else None,
        },
        make=make,
    )


def integrate(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Write the integrated map of every block that is described and assessed."""
    path = output.folder.table("integration.parquet")
    task = IntegrateTask(output.cube, str(path), digest_file(path).sha256)
    blocks = done["describe"].blocks.both(done["assess"].blocks)
    decided = pd.read_parquet(path, columns=["block", *DECIDES]).set_index("block")
    rows = (repr(tuple(row)) for row in decided.loc[[b.name for b in blocks]].itertuples(index=False))
    yield BlockStep(
        name="integrate",
        made_of={"sources": inputs.recipe.source_names},
        blocks=blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
        follows=BlockDigests.of_texts(blocks, rows).joined(done["segment"].found),
    )


RULES = (
    Rule("decide", "integrate", after=("assess", "describe", "judge"), applies=maps, code=(__name__,), steps=decide),
    Rule(
        "integrate",
        "integrate",
        after=("segment", "assess", "describe", "decide"),
        applies=maps,
        code=("croplayer.tasks.integrate",),
        steps=integrate,
    ),
)
