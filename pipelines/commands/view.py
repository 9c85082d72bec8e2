"""``croplayer view``: a run as a map in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from croplayer.products.product import Product
    from stores.run_folder import RunFolder


@click.command("view")
@click.argument("run")
@click.option(
    "--edition", help="Edition that units and blocks are told of. Default the newest; the others are layers to compare."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen at. The usual one is reached from this machine alone."
)  # fmt: skip
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port to listen at; 0 takes one that is free.",
)
def view(run: str, edition: str | None, host: str, port: int) -> None:
    """Open a map of RUN in the browser: imagery, maps, scores, fields, blocks, and the areas of units.

    RUN is a run's folder, its cube.zarr or s3://BUCKET/PREFIX. The page needs no network. It shows what was finished when the
    command began. Stop the server with Ctrl+C.
    """
    from croplayer.viewer.run_view import RunView
    from croplayer.viewer.server import LOCAL, serve

    shown = RunView.of(run, edition, _products)
    if host != LOCAL:
        click.echo(
            "Warning: the page can be reached from other machines, and what is sent is not encrypted; use a network that you trust",
            err=True,
        )
    serve(shown, host, port, lambda address: click.echo(f"open {address}"))


def _products(folder: RunFolder) -> list[Product]:
    """The products of a run that are on this machine; the others are named and left out."""
    from pipelines.recipe_files import load_resolved_recipe

    parts = load_resolved_recipe(folder).products if folder.recipe.is_file() else ()
    found = []
    for part in parts:
        from pipelines.engine.openings import product

        try:
            opened = product(part)
        except (OSError, ValueError) as error:
            click.echo(f"Warning: the map of {part.name} is not shown: {error}", err=True)
            continue
        if opened.is_remote:
            click.echo(f"Warning: the map of {part.name} is not shown, because it lies on a server", err=True)
            continue
        found.append(opened)
    return found
