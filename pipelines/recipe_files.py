"""Find, read, expand and check recipe files; errors are one sentence."""

from __future__ import annotations

import os
import string
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.recipe import Recipe
from stores.run_folder import RunFolder

RECIPES = Path(__file__).parent / "recipes"
DATA_VARIABLE = "CROPLAYER_DATA"
DEFAULT_DATA = "../shared/data"


class RecipeError(ValueError):
    """A recipe is invalid."""


def find_recipe(name: str) -> Path:
    """Path of a recipe: a file, or the name of an included one."""
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        if not path.is_file():
            raise FileNotFoundError(f"recipe {path} does not exist")
        return path
    packaged = RECIPES / f"{name}.toml"
    if not packaged.is_file():
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.toml")))
        raise FileNotFoundError(
            f"recipe '{name}' is neither a recipe file, the folder of a run nor an included recipe; included are {known}"
        )
    return packaged


def load_recipe(path: Path, out: Path) -> Recipe:
    """Read, expand and check a recipe.

    ``$CROPLAYER_DATA``, ``$OUT`` and ``$RECIPE`` (the recipe's folder) are replaced in every text.
    Raises RecipeError with the file and the field.
    """
    variables = {
        DATA_VARIABLE: os.environ.get(DATA_VARIABLE, DEFAULT_DATA),
        "OUT": str(out),
        "RECIPE": str(path.resolve().parent),
    }
    return _validated(_expanded(_parsed(path), variables, path, ""), path)


def load_resolved_recipe(folder: RunFolder) -> Recipe:
    """The recipe in the folder of a run, in which nothing is left to expand; raises RecipeError for a damaged one."""
    return _validated(_parsed(folder.recipe), folder.recipe)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} is not TOML: {error}") from error


def _validated(data: dict[str, Any], path: Path) -> Recipe:
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(f"recipe {path}: {_sentences(error)}") from None


def _expanded(value: Any, variables: dict[str, str], path: Path, where: str) -> Any:
    if isinstance(value, dict):
        return {k: _expanded(v, variables, path, f"{where}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_expanded(v, variables, path, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, str) and "$" in value:
        try:
            return string.Template(value).substitute(variables)
        except (KeyError, ValueError) as error:
            known = ", ".join(f"${v}" for v in variables)
            raise RecipeError(
                f"recipe {path}: {where} has an unknown variable ({error}); known variables are {known}"
            ) from None
    return value


def _sentences(error: ValidationError) -> str:
    parts = []
    for problem in error.errors():
        # Discriminated unions put the kind into the location, which is not a key of the file.
        kinds = {"tiles", "http", "raster", "stac"}
        place = ".".join(str(p) for p in problem["loc"] if p not in kinds) or "the recipe"
        message = {
            "missing": "is missing",
            "extra_forbidden": "is not a known key",
        }.get(problem["type"], problem["msg"].removeprefix("Value error, "))
        parts.append(f"{place} {message}" if message.startswith("is ") else f"{place}: {message}")
    return "; ".join(parts)
