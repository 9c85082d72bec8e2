"""Stage fields: the single fields of the map."""

from __future__ import annotations

from collections.abc import Iterator

from croplayer.fields.rules import load_rules
from croplayer.tasks.fields import FieldsTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep
from pipelines.recipe import Fields, Recipe
from stores.durable import digest_file
from stores.step_memory import FIELDS


def has_fields(recipe: Recipe) -> bool:
    """Whether a recipe maps and asks for fields."""
    return maps(recipe) and recipe.fields is not None


def fields_part(recipe: Recipe) -> Fields:
    """What a recipe says of fields; raises ValueError when it says nothing."""
    if recipe.fields is None:
        raise ValueError(f"recipe '{recipe.name}' has no [fields]")
    return recipe.fields


def separate(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Number the pieces of fields of every block that has a map."""
    part = fields_part(inputs.recipe)
    decisions = output.folder.table("integration.parquet")
    rules = load_rules(part.rules)
    blocks = done["integrate"].blocks
    task = FieldsTask(
        cube=output.cube,
        decisions=str(decisions),
        decisions_digest=digest_file(decisions).sha256,
        rules=part.rules,
        rules_digest=rules.digest,
        tells_boundaries=inputs.models.tell_boundaries(inputs.recipe),
    )
    found = done["integrate"].found.joined(done["segment"].found, done["mosaic"].found)
    yield BlockStep(
        name=FIELDS,
        made_of={"rules": rules.digest, "tells_boundaries": task.tells_boundaries},
        blocks=blocks,
        task_for=lambda blocks: task,
        blocks_per_task=8,
        follows=found.with_neighbours(),
    )


RULES = (
    Rule(
        FIELDS,
        "fields",
        after=("mosaic", "segment", "decide", "integrate"),
        applies=has_fields,
        code=("croplayer.tasks.fields",),
        steps=separate,
    ),
)
