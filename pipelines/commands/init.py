"""``croplayer init`` drafts a recipe, ``croplayer schema`` helps an editor to check one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.options import bounds_of
from pipelines.exit_codes import UNFINISHED

if TYPE_CHECKING:
    from pipelines.drafting.stac import Search
    from stores.grid import Bounds

PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "--source", "sources", multiple=True,
    help="GeoTIFF of imagery, or a folder of them; NAME=FILE also names the source. Once or twice, with --collection together.",
)  # fmt: skip
@click.option("--stac", metavar="URL", help="Address of a STAC API that is searched for imagery within --bbox.")
@click.option(
    "--collection", "collections", multiple=True,
    help="Collection of the STAC API that becomes a source; NAME=COLLECTION also names the source.",
)  # fmt: skip
@click.option(
    "--dates", multiple=True,
    help="When the imagery was taken: a year, month or day such as 2020-06, or two such as 2020-05/2020-09. Once for all collections, "
    "or once for each in their order.",
)  # fmt: skip
@click.option(
    "--i-have-rights", is_flag=True, help="State that you may fetch, store and analyse the imagery that the STAC API lists."
)  # fmt: skip
@click.option("--admin", multiple=True, type=PATH, help="Vector file of admin units; once for each level.")
@click.option("--statistics", type=PATH, help="CSV file of official cropland areas of the units of level 1.")
@click.option("--bbox", help="west,south,east,north in degrees; default where all sources have imagery.")
@click.option(
    "-o", "--out", type=PATH, default=Path("recipe.toml"), show_default=True, help="Recipe to write; it must not exist."
)
def init(
    sources: tuple[str, ...], stac: str | None, collections: tuple[str, ...], dates: tuple[str, ...], i_have_rights: bool,
    admin: tuple[Path, ...], statistics: Path | None, bbox: str | None, out: Path,
) -> None:  # fmt: skip
    """Write a first recipe from your own files, with comments, check it, and say what is left to decide.

    The pixels follow the imagery, the region its extent, and columns are guessed from their names and content. Guesses are
    named as guesses in the recipe and here. Items of a STAC API are kept in a file beside the recipe, so that a run never depends
    on what the API answers later. Exits with 1 if the recipe is written and its check finds a problem.
    """
    from pipelines.drafting.first_recipe import Given, check_number, first_recipe
    from pipelines.drafting.stac import kept_items
    from stores.grid import Bounds

    if out.exists() or out.is_symlink():
        raise FileExistsError(f"{out} exists already; init writes no file anew, so choose another name with --out")
    check_number(len(sources) + len(collections))
    bounds = Bounds(*bounds_of(bbox)) if bbox else None
    with kept_items(_searches(stac, collections, dates, bounds), out) as items:
        draft = first_recipe(Given(sources, admin, statistics, bounds, tuple(items), i_have_rights), out)
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(draft.text)
    for each in items:
        click.echo(f"{each.items} is written")
    click.echo(f"{out} is written")
    for line in draft.guesses:
        click.echo(f"guess: {line}")
    problems, warnings = _checked(out)
    for line in (*problems, *warnings, *draft.left):
        click.echo(f"to decide: {line}")
    if problems:
        sys.exit(UNFINISHED)
    click.echo(f"the recipe is complete; next: croplayer plan {out}")


def _searches(
    stac: str | None, collections: tuple[str, ...], dates: tuple[str, ...], bounds: Bounds | None
) -> list[Search]:
    """The searches of a STAC API that options ask for; raises ValueError where one of them lacks another."""
    from pipelines.drafting.stac import Search

    if stac is None and (collections or dates):
        raise ValueError("--collection and --dates need --stac, the address of the STAC API")
    if stac is None:
        return []
    if not collections or bounds is None:
        raise ValueError("--stac needs --collection and --bbox")
    if len(dates) not in (0, 1, len(collections)):
        raise ValueError(
            f"{len(dates)} times --dates for {len(collections)} times --collection; give it once, or once for each"
        )
    spans = dates * len(collections) if len(dates) == 1 else dates or ("",) * len(collections)
    return [Search(stac, name, bounds, span) for name, span in zip(collections, spans, strict=True)]


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
