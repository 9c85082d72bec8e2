"""``croplayer init`` drafts a recipe, ``croplayer schema`` helps an editor to check one."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pipelines.commands.options import bounds_of
from pipelines.exit_codes import UNFINISHED

PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "--source", "sources", multiple=True, required=True,
    help="GeoTIFF of imagery, or a folder of them; NAME=FILE also names the source. Give it once or twice.",
)  # fmt: skip
@click.option("--admin", multiple=True, type=PATH, help="Vector file of admin units; once for each level.")
@click.option("--statistics", type=PATH, help="CSV file of official cropland areas of the units of level 1.")
@click.option("--bbox", help="west,south,east,north in degrees; default where all sources have imagery.")
@click.option(
    "-o", "--out", type=PATH, default=Path("recipe.toml"), show_default=True, help="Recipe to write; it must not exist."
)
def init(
    sources: tuple[str, ...], admin: tuple[Path, ...], statistics: Path | None, bbox: str | None, out: Path
) -> None:
    """Write a first recipe from your own files, with comments, check it, and say what is left to decide.

    The pixels follow the imagery, the region its extent, and columns are guessed from their names and content. Guesses are
    named as guesses in the recipe and here. Exits with 1 if the recipe is written and its check finds a problem.
    """
    from pipelines.drafting.first_recipe import Given, first_recipe
    from stores.grid import Bounds

    if out.exists() or out.is_symlink():
        raise FileExistsError(f"{out} exists already; init writes no file anew, so choose another name with --out")
    draft = first_recipe(Given(sources, admin, statistics, Bounds(*bounds_of(bbox)) if bbox else None), out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("x", encoding="utf-8") as file:
        file.write(draft.text)
    click.echo(f"{out} is written")
    for line in draft.guesses:
        click.echo(f"guess: {line}")
    problems, warnings = _checked(out)
    for line in (*problems, *warnings, *draft.left):
        click.echo(f"to decide: {line}")
    if problems:
        sys.exit(UNFINISHED)
    click.echo(f"the recipe is complete; next: croplayer plan {out}")


def _checked(path: Path) -> tuple[list[str], list[str]]:
    """What `croplayer plan` finds wrong with a recipe, and what it warns of."""
    from pipelines.plan import plan_of
    from pipelines.run import open_run

    try:
        facts = plan_of(open_run(str(path)))
    except (ValueError, OSError) as error:
        return str(error).splitlines(), []
    return [], list(facts.get("warnings", []))


@click.command()
@click.option("-o", "--out", type=PATH, help="File to write; default standard output.")
def schema(out: Path | None) -> None:
    """Print the JSON schema of recipes, by which editors check and complete them.

    Name its file in the first line of a recipe: #:schema ./recipe.schema.json
    """
    from pipelines.recipe_files import SCHEMA

    text = SCHEMA.read_text(encoding="utf-8")
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
