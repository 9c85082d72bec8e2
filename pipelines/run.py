"""A run: its inputs, its output and the rules of its steps."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from pipelines.engine.inputs import Inputs
from pipelines.engine.models import Models, default_home
from pipelines.engine.output import Output
from pipelines.engine.rules import Rule
from pipelines.recipe import Recipe
from pipelines.recipe_data import check_needs
from pipelines.recipe_files import find_recipe, load_recipe, load_resolved_recipe
from pipelines.stages.order import rules_of
from stores.run_folder import RunFolder


class Run:
    """A recipe with the folder that it is run in."""

    def __init__(self, recipe: Recipe, folder: Path, models: Path, origin: Path | None = None) -> None:
        self.recipe = recipe
        self.origin = origin
        """The recipe's file, for messages."""
        self.inputs = Inputs(recipe, Models(models, folder))
        self.folder = RunFolder(folder, recipe.store.url if recipe.store else None)
        """The folder of the run, with all of its editions."""
        self.output = Output(self.folder.place_of(recipe.edition), self.inputs)

    @cached_property
    def rules(self) -> list[Rule]:
        """The rules of the recipe's steps, in order."""
        return rules_of(self.recipe)

    def check(self) -> None:
        """Raise ValueError with a line for every unusable input, before any work."""
        check_needs(self.recipe, self.output.folder.root)
        try:
            self.inputs.check()
        except ValueError as error:
            place = f"recipe {self.origin}: " if self.origin else ""
            raise ValueError("\n".join(f"{place}{line}" for line in str(error).splitlines())) from None
        self.output.check()


def open_run(recipe: str, out: Path | None = None, models: Path | None = None) -> Run:
    """The run of a recipe.

    Parameters
    ----------
    recipe : a recipe file, the name of an included recipe, or the folder of a run, whose own recipe is used
    out : folder of the run; None is ``runs/NAME`` of the recipe file's name, or the folder that was given as ``recipe``
    models : folder of trained models; None is ``$CROPLAYER_MODELS`` or the user's cache
    """
    given = RunFolder(Path(recipe))
    if given.recipe.is_file():
        folder = out or given.root
        return Run(load_resolved_recipe(given), folder, models or default_home(), given.recipe)
    path = find_recipe(recipe)
    beside = RunFolder(path.parent)
    if out is None and path.name == beside.recipe.name and beside.outputs.is_file():
        # The recipe in the folder of a run stands for that run.
        return Run(load_resolved_recipe(beside), beside.root, models or default_home(), beside.recipe)
    folder = out or Path("runs") / path.stem
    return Run(load_recipe(path, folder), folder, models or default_home(), path)
