"""What the reference consists of."""

from __future__ import annotations

import json
from pathlib import Path

from reference.api_page import api_page
from reference.cli_page import cli_page
from reference.formats_page import formats_page
from reference.recipe_page import recipe_page
from reference.recipe_schema import recipe_schema

REPOSITORY = Path(__file__).resolve().parents[1]
MADE = "<!-- Made by `make reference` from the code; change it there. -->\n"
"""First line of a page that is made."""


def written() -> dict[str, str]:
    """The text of each file of the reference, by its path in the repository."""
    return {
        "docs/recipes.md": MADE + recipe_page(),
        "docs/cli.md": MADE + cli_page(),
        "docs/api.md": MADE + api_page(),
        "docs/formats.md": MADE + formats_page(),
        "pipelines/recipes/recipe.schema.json": json.dumps(recipe_schema(), indent=1, ensure_ascii=False) + "\n",
    }
