"""``croplayer publish``: a STAC catalog of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.options import MODELS

if TYPE_CHECKING:
    from pipelines.publishing import Published


@click.command()
@click.argument("run")
@click.option("-o", "--out", required=True, help="Folder of the catalog, or s3://BUCKET/PREFIX.")
@click.option(
    "--address", help="Address that the catalog will be served at; links are then absolute. Default: relative links."
)
@click.option(
    "--data", help="Address that the folder of the run is served at. Default: paths from the catalog to the folder."
)
@click.option("--no-imagery", is_flag=True, help="Leave out what shows imagery: the cube and the report.")
@click.option(
    "--despite-licences",
    is_flag=True,
    help="Publish although the stated licences forbid it; you hold an agreement that allows it.",
)
@MODELS
def publish(
    run: str,
    out: str,
    address: str | None,
    data: str | None,
    no_imagery: bool,
    despite_licences: bool,
    models: Path | None,
) -> None:
    """Write a STAC 1.1 catalog of RUN, the folder of a run or FOLDER@EDITION.

    The catalog has the cube, the exported maps, tables and fields, the models, and an item for each block with its quality. It points
    to the files of the run, and holds copies of the models alone. It is refused where the licences of the inputs forbid to share it.
    """
    from croplayer.catalog.place import CatalogPlace
    from pipelines.engine.models import default_home
    from pipelines.publishing import Published

    published = Published.of(run, with_imagery=not no_imagery)
    published.folder.check_outside(out)
    check_licences(published, despite_licences)
    place = CatalogPlace(out, address, data)
    collection = published.write(place, models or default_home())
    click.echo(f"{out.rstrip('/')}/{collection}")


def check_licences(published: Published, despite: bool) -> None:
    """Warn of inputs whose licence nobody can tell; raise ValueError where licences forbid to publish, unless told not to mind."""
    for sentence in published.doubts():
        click.echo(f"warning: {sentence}", err=True)
    found = published.obstacles()
    if found and not despite:
        hint = "state an agreement with may_publish in the recipe and run it again, or give --despite-licences"
        raise ValueError("\n".join([*(f"not published: {sentence}" for sentence in found), hint]))
    for sentence in found:
        click.echo(f"warning: {sentence}", err=True)
