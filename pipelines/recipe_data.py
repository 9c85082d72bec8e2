"""What recipes read that neither croplayer nor the user has written yet: public data, and files of the synthetic country."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.public_data import PUBLIC_DATA, data_folder
from pipelines.recipe import Recipe
from pipelines.recipe_files import DATA_VARIABLE, find_recipe, load_recipe

MADE_BY = {
    "demo": "croplayer demo -o {out}",
    "synthetic_country": "croplayer landscape make {out}/country --bbox 114.8,34.5,116.0,35.5 --training-scenes 0",
    "landscape": "croplayer landscape samples {out}/country",
}
"""The command that makes the synthetic country of an included recipe, by the recipe's name."""


class Need(NamedTuple):
    """A folder that a recipe reads."""

    folder: Path
    origin: str
    """How to get it: where it is published and what to take from there, or the command that makes it"""
    is_made: bool
    """Whether croplayer makes it"""

    @property
    def is_there(self) -> bool:
        """Whether the folder exists."""
        return self.folder.exists()

    @property
    def sentence(self) -> str:
        """What is missing and how to get it."""
        if self.is_made:
            return f"{self.folder} does not exist: make it with `{self.origin}`"
        return (
            f"{self.folder} does not exist: {self.origin}, or set {DATA_VARIABLE}; `croplayer data list` describes it"
        )


def needs_of(recipe: Recipe, out: Path) -> list[Need]:
    """Folders of public data and of the synthetic country that a recipe names, whether they exist or not.

    The data that its models are trained from are among them: a model is known by their content.

    Parameters
    ----------
    out : folder of the run
    """
    data = data_folder()
    places = [Need((data / name).resolve(), told.origin, False) for name, told in PUBLIC_DATA.items()]
    if recipe.name in MADE_BY:
        places.append(Need(out / "country", MADE_BY[recipe.name].format(out=out), True))
    named = [Path(text).resolve() for text in _texts(recipe.model_dump()) if os.sep in text]
    needs = [need for need in places if any(p.is_relative_to(need.folder.resolve()) for p in named)]
    for part in (recipe.segmentation, recipe.coverage):
        if part is not None and part.recipe is not None:
            # One that is not there, or is wrong, is named by the check of the inputs, with its place in the recipe.
            with suppress(FileNotFoundError, ValueError):
                needs += needs_of(load_recipe(find_recipe(part.recipe), out), out)
    return list(dict.fromkeys(needs))


def check_needs(recipe: Recipe, out: Path) -> None:
    """Raise FileNotFoundError, with how to get it, for a folder of `needs_of` that does not exist."""
    missing = [need.sentence for need in needs_of(recipe, out) if not need.is_there]
    if missing:
        raise FileNotFoundError(f"recipe '{recipe.name}': " + "; ".join(missing))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str | Path):
        yield str(value)
