"""Stage overviews: the map and the imagery at coarser pixels, for pictures of large regions."""

from __future__ import annotations

from collections.abc import Iterator

from croplayer.tasks.overviews import OverviewsTask, SquaresTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep
from pipelines.recipe import Recipe
from stores.levels import by_square, factors_of
from stores.step_memory import OVERVIEWS, SQUARES


def has_overviews(recipe: Recipe) -> bool:
    """Whether a recipe maps and asks for overviews."""
    return maps(recipe) and recipe.overviews is not None


def overviews(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Write the finer levels of every block that has a map."""
    task = OverviewsTask(output.cube)
    yield BlockStep(
        name=OVERVIEWS,
        made_of={"sources": inputs.recipe.source_names, "factors": factors_of(inputs.grid.block_px)},
        blocks=done["integrate"].blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
        follows=done["integrate"].found.joined(done["segment"].found, done["mosaic"].found),
    )


def squares(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Write the coarser levels of every square in which a block has the finer ones."""
    found = done[OVERVIEWS].found
    task, follows = SquaresTask(output.cube, found.blocks), by_square(found)
    yield BlockStep(
        name=SQUARES,
        made_of={"sources": inputs.recipe.source_names, "factors": factors_of(inputs.grid.block_px)},
        blocks=follows.blocks,
        task_for=task.narrowed,
        blocks_per_task=1,
        follows=follows,
    )


RULES = (
    Rule(
        OVERVIEWS,
        "overviews",
        after=("mosaic", "segment", "integrate"),
        applies=has_overviews,
        code=("croplayer.tasks.overviews",),
        steps=overviews,
    ),
    Rule(
        SQUARES,
        "overviews",
        after=(OVERVIEWS,),
        applies=has_overviews,
        code=("croplayer.tasks.overviews",),
        steps=squares,
    ),
)
