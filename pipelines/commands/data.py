"""``croplayer data``: the public data of the included recipes."""

from __future__ import annotations

import sys

import click

from pipelines.exit_codes import UNFINISHED


@click.group()
def data() -> None:
    """The public data that included recipes read from the folder $CROPLAYER_DATA."""


@data.command("list")
def list_data() -> None:
    """Say of each folder what it holds, where it comes from, its licence, and which recipes read it."""
    from pipelines.public_data import PUBLIC_DATA, data_folder, included_recipes, wanted_by

    readers: dict[str, list[str]] = {}
    for wanted in (wanted for recipe in included_recipes() for wanted in wanted_by(recipe)):
        readers.setdefault(wanted.data, []).append(wanted.recipe)
    click.echo(f"folders in {data_folder()}")
    for name, told in PUBLIC_DATA.items():
        facts = {
            "content": told.content,
            "get it": told.source,
            "prepare": told.preparation,
            "licence": told.licence,
            "recipes": ", ".join(dict.fromkeys(readers.get(name, []))),
        }
        click.echo(f"\n{name}")
        for title, text in facts.items():
            if text:
                click.echo(f"  {title:<8} {text}")


@data.command("check")
@click.argument("recipe", required=False)
def check(recipe: str | None) -> None:
    """Check which of these data are there, for all included recipes or for the one named RECIPE.

    Exits with 1 when something is missing.
    """
    from pipelines.public_data import PUBLIC_DATA, included_recipes, wanted_by

    asked = included_recipes() if recipe is None else [recipe]
    found = list(dict.fromkeys(wanted for name in asked for wanted in wanted_by(name)))
    for wanted in found:
        told = "there" if wanted.is_there else f"missing: {PUBLIC_DATA[wanted.data].origin}"
        click.echo(f"{wanted.recipe:<20} {wanted.path}  {told}")
    missing = [wanted for wanted in found if not wanted.is_there]
    if missing:
        click.echo(f"{len(missing)} of {len(found)} are missing; `croplayer data list` says how to get them")
        sys.exit(UNFINISHED)
    click.echo("nothing is missing" if found else "it reads no public data")
