"""``croplayer view``: a run as a map in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from croplayer.products.product import Product
    from croplayer.viewer.run_view import RunView
    from stores.run_folder import RunFolder


BESIDE = ""


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
@click.option(
    "--static",
    "out",
    is_flag=False,
    flag_value=BESIDE,
    metavar="[FOLDER]",
    help="Write the map into a new folder instead, which any web server shows, and a browser from the disk, too. Default is "
    "beside RUN, with _map after its name; the report of the run then shows it.",
)
@click.option(
    "--zoom", type=click.IntRange(0, 22), help="Closest zoom of the folder's tiles. Default the closest that fits into --most-mb."
)  # fmt: skip
@click.option(
    "--most-mb", type=click.IntRange(1), default=500, show_default=True, help="Most megabytes that the folder may take."
)
def view(run: str, edition: str | None, host: str, port: int, out: str | None, zoom: int | None, most_mb: int) -> None:
    """Show a map of RUN in the browser: imagery, maps, scores, fields, blocks, and the areas of units.

    RUN is a run's folder, its cube.zarr or s3://BUCKET/PREFIX. The page needs no network. It shows what was finished when the
    command began. Stop the server with Ctrl+C.
    """
    from croplayer.viewer.memory import spare_memory

    spare_memory()
    from croplayer.pages.private import LOCAL
    from croplayer.viewer.run_view import RunView
    from croplayer.viewer.server import serve

    shown = RunView.of(run, edition, _products)
    if out is not None:
        _write(shown, _beside(shown, run, edition) if out == BESIDE else Path(out), zoom, most_mb)
        return
    if host != LOCAL:
        click.echo(
            "Warning: the page can be reached from other machines, and what is sent is not encrypted; use a network that you trust",
            err=True,
        )
    serve(shown, host, port, lambda address: click.echo(f"open {address}"))


def _beside(shown: RunView, run: str, edition: str | None) -> Path:
    """The folder of the map beside the run; that of the newest edition is named after the run alone."""
    from stores.run_folder import RunFolder, parted

    folder = shown.edition.folder
    if folder is None:
        raise ValueError(
            f"{run} lies in a bucket, so nothing lies beside it; say where the map goes, as --static FOLDER"
        )
    named = edition or parted(run)[1]
    return (folder if named else RunFolder(folder.whole)).beside("map")


def _write(shown: RunView, out: Path, zoom: int | None, most_mb: int) -> None:
    """Write a folder, after its size is told."""
    from croplayer.viewer.still import TooLargeError, check_folder, plan_of, write_still

    check_folder(out)
    if shown.edition.folder is not None:
        shown.edition.folder.check_outside(out)
    for sentence in _obstacles(shown):
        click.echo(f"Warning: {sentence}", err=True)
    try:
        plan = plan_of(shown, most_mb * 10**6, zoom)
    except TooLargeError as error:
        raise ValueError(f"{error}; raise --most-mb, or give a smaller --zoom") from None
    finest = "full resolution" if plan.zoom == shown.own_zoom else f"full resolution would be zoom {shown.own_zoom}"
    click.echo(f"at most {plan.tiles:,} tiles up to zoom {plan.zoom} ({finest}), about {plan.nbytes / 1e6:,.0f} MB")
    write_still(shown, out, plan, lambda done: click.echo(f"{done:,} tiles"))
    click.echo(f"open {out / 'index.html'}")


def _obstacles(shown: RunView) -> list[str]:
    """Sentences about why a folder of the map must not be shared, as far as the run tells."""
    from stores.licences import obstacles

    folder, drawn = shown.edition.folder, shown.edition.pixels.products
    inputs = folder.licensed_inputs if folder is not None else []
    if folder is None or not inputs:
        return [
            "nothing tells under which licences the map and its imagery are, so whether the folder may be shared is not known"
        ]
    own = folder.licence
    found = obstacles(inputs, own[0] if own else None, with_pictures=True, drawn=drawn)
    return [f"the folder must not be shared: {sentence}" for sentence in found]


def _products(folder: RunFolder) -> list[Product]:
    """The products and the reference of a run that are on this machine; the others are named and left out."""
    if not folder.product_titles:
        return []  # without reading the recipe, whose checks take much memory
    from pipelines.recipe_files import load_resolved_recipe

    recipe = load_resolved_recipe(folder)
    found = []
    for part in (*recipe.products, *([recipe.reference] if recipe.reference else [])):
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
