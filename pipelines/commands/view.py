"""``croplayer view``: a run as a map in the browser."""

from __future__ import annotations

import click


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

    shown = RunView.of(run, edition)
    if host != LOCAL:
        click.echo(
            "Warning: the page can be reached from other machines, and what is sent is not encrypted; use a network that you trust",
            err=True,
        )
    serve(shown, host, port, lambda address: click.echo(f"open {address}"))
