"""The stages of a run in order. Each stage is defined in the module of its name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipelines.engine.rules import Rule
    from pipelines.recipe import Recipe


class Stage(NamedTuple):
    """A part of a run that can be run by name."""

    name: str
    """Its name, which is also the name of the module with its rules."""
    about: str
    """What it does, for the help of the command line."""


STAGES = (
    Stage("learn", "train the missing models"),
    Stage("mosaic", "bring the imagery of every source onto the lattice"),
    Stage("assess", "measure the image quality, coverage type and terrain of every block"),
    Stage("segment", "map cropland in every source"),
    Stage("describe", "measure the shape and consistency of the masks"),
    Stage("judge", "judge the semantic correctness of every source's masks"),
    Stage("integrate", "choose the source of every block and write the map"),
    Stage("overviews", "average the map and the imagery to coarser pixels"),
    Stage("compare", "compare the maps with other products and a reference"),
    Stage("aggregate", "write the block table and the areas by admin unit"),
    Stage("fields", "separate the map's cropland into fields"),
    Stage("evaluate", "evaluate the maps by pixels, blocks, parcels and provinces"),
    Stage("report", "draw the figures and write the one-file report"),
    Stage("export", "write files for other software by admin unit"),
)


def rules_of(recipe: Recipe) -> list[Rule]:
    """The rules of a recipe's steps in order."""
    return [rule for rule in all_rules() if rule.applies(recipe)]


def all_rules() -> list[Rule]:
    """The rules of all stages in order; their modules are imported only when this is called."""
    return [rule for stage in STAGES for rule in import_module(f"pipelines.stages.{stage.name}").RULES]


def stage_names(rules: list[Rule]) -> list[str]:
    """Names of the stages that some rules belong to, in order."""
    return list(dict.fromkeys(rule.stage for rule in rules))
