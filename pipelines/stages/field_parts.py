"""What a recipe says of fields."""

from __future__ import annotations

from pipelines.engine.rules import maps
from pipelines.recipe import Fields, Recipe


def has_fields(recipe: Recipe) -> bool:
    """Whether a recipe maps and asks for fields."""
    return maps(recipe) and recipe.fields is not None


def has_drawn_fields(recipe: Recipe) -> bool:
    """Whether a recipe asks for fields and names reference parcels."""
    return has_fields(recipe) and recipe.evaluation.parcels is not None


def has_earlier_fields(recipe: Recipe) -> bool:
    """Whether a recipe asks for fields and names the run of an earlier edition."""
    return has_fields(recipe) and fields_part(recipe).before is not None


def fields_part(recipe: Recipe) -> Fields:
    """What a recipe says of fields; raises ValueError when it says nothing."""
    if recipe.fields is None:
        raise ValueError(f"recipe '{recipe.name}' has no [fields]")
    return recipe.fields
