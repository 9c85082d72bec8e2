"""Find, read, expand and check recipe files; all that is wrong is said at once, a sentence for each problem."""

from __future__ import annotations

import codecs
import os
import string
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.recipe import Recipe
from pipelines.recipe_errors import Place, RecipeError, named_place, problems_of
from pipelines.recipe_parts import FOLDER
from stores.near_names import did_you_mean
from stores.run_folder import RunFolder

RECIPES = Path(__file__).parent / "recipes"
SCHEMA = RECIPES / "recipe.schema.json"
"""The JSON schema of recipes, for editors; `make reference` writes it."""
DATA_VARIABLE = "CROPLAYER_DATA"
DEFAULT_DATA = "../shared/data"


UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def find_recipe(name: str) -> Path:
    """Path of a recipe: a file, or the name of an included one, also where a folder has that name."""
    path, packaged = Path(name), RECIPES / f"{name}.toml"
    if path.is_file():
        return path
    if path.suffix == ".toml" or (path.exists() and not packaged.is_file()):
        beside = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
        what = "is no recipe file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"recipe {path} {what}{did_you_mean(path.name, beside)}")
    if not packaged.is_file():
        known = sorted(p.stem for p in RECIPES.glob("*.toml"))
        raise FileNotFoundError(
            f"recipe '{name}' is neither a recipe file, the folder of a run nor an included recipe; included are "
            f"{', '.join(known)}{did_you_mean(name, known)}"
        )
    return packaged


def load_recipe(path: Path, out: Path) -> Recipe:
    """Read, expand and check a recipe.

    ``$CROPLAYER_DATA``, ``$OUT`` and ``$RECIPE`` (the recipe's folder) are replaced in every text, and relative paths
    begin at the recipe's folder. Raises RecipeError with a line for each problem: the file, the key and what is wrong.
    """
    folder = path.resolve().parent
    variables = {
        DATA_VARIABLE: str(Path(os.environ.get(DATA_VARIABLE, DEFAULT_DATA)).absolute()),
        "OUT": str(out.absolute()),
        "RECIPE": str(folder),
    }
    problems: list[str] = []
    expanded = _expanded(_parsed(path), variables, (), problems)
    if problems:
        raise _error(path, problems)
    return _validated(expanded, path, folder)


def load_resolved_recipe(folder: RunFolder) -> Recipe:
    """The recipe in the folder of a run, in which nothing is left to expand; raises RecipeError for a damaged one."""
    return _validated(_parsed(folder.recipe), folder.recipe, None)


def _parsed(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    if data.startswith(UTF_16) or b"\0" in data[:4]:
        raise RecipeError(f"recipe {path} is text in UTF-16; save it as UTF-8")
    try:
        # Editors of Windows begin UTF-8 with a byte order mark.
        return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RecipeError(f"recipe {path} is not text in UTF-8 (line {line}); save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(f"recipe {path} is not TOML: {error}") from error


def _validated(data: dict[str, Any], path: Path, folder: Path | None) -> Recipe:
    try:
        return Recipe.model_validate(data, context={FOLDER: folder})
    except ValidationError as error:
        raise _error(path, problems_of(error, Recipe)) from None


def _error(path: Path, problems: list[str]) -> RecipeError:
    return RecipeError("\n".join(f"recipe {path}: {problem}" for problem in problems))


def _expanded(value: Any, variables: dict[str, str], place: Place, problems: list[str]) -> Any:
    """A value with its variables replaced; what cannot be replaced is added to the problems."""
    if isinstance(value, dict):
        return {k: _expanded(v, variables, (*place, k), problems) for k, v in value.items()}
    if isinstance(value, list):
        return [_expanded(v, variables, (*place, i), problems) for i, v in enumerate(value)]
    if isinstance(value, str) and "$" in value:
        try:
            return string.Template(value).substitute(variables)
        except KeyError as error:
            known, name = ", ".join(f"${v}" for v in variables), str(error.args[0])
            problems.append(
                f"{named_place(place, Recipe)} has an unknown variable ${name}; known are {known}"
                f"{did_you_mean(f'${name}', [f'${v}' for v in variables])}"
            )
        except ValueError:
            problems.append(f"{named_place(place, Recipe)} has a $ without a variable; write $$ for the sign itself")
    return value
