"""Stage judge: semantic correctness of every source in every block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from croplayer.decisions.reviews import REFERENCE
from croplayer.decisions.sampling import systematic_blocks
from croplayer.files.tables import write_csv
from croplayer.measures.features import feature_table
from croplayer.tasks.review import ReviewTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep, OutputStep
from pipelines.recipe import Recipe
from pipelines.stages.decided import write_decided
from pipelines.stages.reviews import classifier_digest, features, named_classifier, reviews, reviews_digest
from stores.block_list import BlockList


def reviews_from_reference(recipe: Recipe) -> bool:
    """Whether the reference gives the labels of a sample of blocks instead of a person."""
    return maps(recipe) and recipe.decisions.review_from_reference


def review(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Label a systematic sample of blocks from the reference."""
    reference, spacing = inputs.reference, inputs.recipe.decisions.sample_deg
    if reference is None:
        raise ValueError(f"recipe '{inputs.recipe.name}' has no [reference] to label blocks from")
    blocks = BlockList.of(systematic_blocks(done["describe"].blocks, spacing))
    task = ReviewTask(output.cube, reference)
    yield BlockStep(
        name="review",
        made_of={
            "sources": inputs.recipe.source_names,
            "reference": inputs.product_settings[reference.name],
            "spacing_deg": spacing,
        },
        blocks=blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
        follows=done["segment"].found.only(blocks),
        reading=task.reading,
    )


def write_reviews(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/reviews.csv``: those labels as an ordinary review file."""
    labelled = done["review"]
    reviewer = f"{REFERENCE}'{inputs.reference.name}'" if inputs.reference else ""

    def make() -> Sequence[Path]:
        table = labelled.table().drop(columns=["row", "col"])
        return [write_csv(output.folder.table("reviews.csv"), table.assign(reviewer=reviewer))]

    yield OutputStep(name="reviews", made_of={"review": labelled.digest, "reviewer": reviewer}, make=make)


def judge(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Judge the masks of every source in every block."""
    recipe, decisions, names = inputs.recipe, inputs.recipe.decisions, inputs.recipe.source_names
    review_texts = reviews_digest(inputs, output)

    def make() -> Sequence[Path]:
        from croplayer.decisions.correctness import decide_correctness

        blocks = features(done)
        reviewed = reviews(inputs, output, blocks.block)
        given = named_classifier(inputs, "correctness")
        decided = decide_correctness(blocks, names, reviewed, decisions.seed, decisions.correctness_classes, given)
        declared = write_csv(output.folder.table("features.csv"), feature_table(names))
        return [declared, *write_decided(output.folder, "correctness", decided, inputs.recipe)]

    yield OutputStep(
        name="judge",
        made_of={
            "assess": done["assess"].digest,
            "describe": done["describe"].digest,
            "reviews": review_texts,
            # A classifier that is fitted says to which recipe.
            "fitted_on": [recipe.name, recipe.edition] if review_texts else None,
            "model": classifier_digest(inputs, "correctness"),
            "classes": (decisions.classes, decisions.correct),
            "seed": decisions.seed,
        },
        make=make,
    )


RULES = (
    Rule(
        "review",
        "judge",
        after=("segment", "describe"),
        applies=reviews_from_reference,
        code=("croplayer.tasks.review", "croplayer.decisions.sampling"),
        steps=review,
    ),
    Rule("reviews", "judge", after=("review",), applies=reviews_from_reference, code=(__name__,), steps=write_reviews),
    Rule("judge", "judge", after=("assess", "describe", "reviews"), applies=maps, code=(__name__,), steps=judge),
)
