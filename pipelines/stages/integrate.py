"""Stage integrate: choose the source of every block and write the integrated map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from croplayer.decisions.reviews import read_overrides
from croplayer.evaluation.corrections import correction_table
from croplayer.files.tables import write_csv
from croplayer.tasks.integrate import IntegrateTask
from croplayer.vector.corrections import by_block
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep, OutputStep
from pipelines.recipe import Recipe
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
from stores.columns import CORRECTIONS, DECIDES
from stores.durable import digest_file, digest_text
from stores.grid import BlockIndex


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
    drawn = by_block(inputs.corrections, blocks, inputs.grid)
    # A block follows the corrections that touch it, and not their file.
    rows = (
        repr(tuple(row)) + "".join(correction.id for correction in drawn.get(block, ()))
        for block, row in zip(blocks, decided.loc[[b.name for b in blocks]].itertuples(index=False), strict=True)
    )

    def task_for(group: Sequence[BlockIndex]) -> IntegrateTask:
        near = {c.feature for block in group for c in drawn.get(block, ())}
        return replace(task, corrections=tuple(c for c in inputs.corrections if c.feature in near))

    yield BlockStep(
        name="integrate",
        made_of={"sources": inputs.recipe.source_names},
        blocks=blocks,
        task_for=task_for,
        blocks_per_task=16,
        follows=BlockDigests.of_texts(blocks, rows).joined(done["segment"].found),
    )


def has_corrections(recipe: Recipe) -> bool:
    """Whether a recipe maps and names corrections by hand."""
    return maps(recipe) and recipe.corrections is not None


def corrections(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/corrections.csv``: every correction by hand with its author, and what it changed in the map."""
    table = done["integrate"].table()
    told = [text for text in table.get(CORRECTIONS, pd.Series(dtype=object)) if isinstance(text, str)]

    def make() -> Sequence[Path]:
        return [write_csv(output.folder.table("corrections.csv"), correction_table(inputs.corrections, told))]

    drawn = [(c.feature, c.id) for c in inputs.corrections]
    yield OutputStep("corrections", {"corrections": drawn, "changes": digest_text(repr(told))}, make)


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
    Rule(
        "corrections", "integrate", after=("integrate",), applies=has_corrections, code=(__name__,), steps=corrections
    ),
)
