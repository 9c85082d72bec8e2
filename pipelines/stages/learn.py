"""Stage learn: train the missing models of the recipe."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule
from pipelines.engine.steps import ModelStep
from pipelines.recipe import Recipe


def learns(recipe: Recipe) -> bool:
    """Whether a recipe names a model."""
    return bool(recipe.segmentation or recipe.coverage)


def learn(inputs: Inputs, output: Output, done: Earlier) -> Iterator[ModelStep]:
    """Train each missing model of the recipe."""
    models, recipe = inputs.models, inputs.recipe
    for kind in models.kinds(recipe):
        yield ModelStep(
            name=kind,
            is_there=lambda kind=kind: kind in models.folders(recipe),  # type: ignore[misc]
            make=lambda kind=kind: models.train(recipe, kind),  # type: ignore[misc]
        )


RULES = (Rule("learn", "learn", after=(), applies=learns, code=(), steps=learn),)
