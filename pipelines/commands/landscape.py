"""The commands of the synthetic country."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipelines.commands.options import bounds_of

DEMO_GROUND = "115.1,34.95,115.5,35.25"
GROUND_KEPT_FROM_TRAINING = "114.8,34.5,116.0,35.5"
"""Bounds of the recipes demo and synthetic_country; the models that map them are trained outside these bounds."""


def _country_options(bbox: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(
                "--zoom", type=click.IntRange(8, 18), default=14, show_default=True, help="Zoom of the tiles."
            ),
            click.option("--bbox", default=bbox, show_default=True, help="west,south,east,north on block edges."),
            click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same land."),
        ):
            command = option(command)
        return command

    return decorate


@click.group()
def landscape() -> None:
    """Make the files of synthetic countries, and serve their tiles."""


@landscape.command("make")
@click.argument("out", type=click.Path(path_type=Path))
@_country_options(DEMO_GROUND)
@click.option("--provinces", type=click.IntRange(1), default=12, show_default=True, help="Number of provinces.")
@click.option(
    "--training-scenes",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    help="Number of labelled scenes to train on.",
)
def make(out: Path, seed: int, bbox: str, zoom: int, provinces: int, training_scenes: int) -> None:
    """Write a country's tiles, elevation, truth, borders, statistics, products and training scenes to OUT."""
    from croplayer.landscape.make import make_country
    from stores.grid import Bounds

    files = make_country(
        out, seed=seed, bounds=Bounds(*bounds_of(bbox)), zoom=zoom, provinces=provinces, training_scenes=training_scenes
    )
    click.echo(files.manifest)


@landscape.command("samples")
@click.argument("out", type=click.Path(path_type=Path))
@_country_options(GROUND_KEPT_FROM_TRAINING)
@click.option("--scenes", type=click.IntRange(0), default=360, show_default=True, help="Labelled scenes with parcels.")
@click.option(
    "--thumbnails", type=click.IntRange(0), default=1200, show_default=True, help="Block pictures with coverage types."
)
def samples(out: Path, seed: int, bbox: str, zoom: int, scenes: int, thumbnails: int) -> None:
    """Write training samples for models to OUT, from the country around the bounds but not inside them.

    OUT/training has images/ and parcels.gpkg, which `croplayer models train` takes, and OUT/coverage those of coverage types.
    """
    from croplayer.landscape.country import Country
    from croplayer.landscape.samples import write_coverage_samples, write_training_scenes
    from stores.grid import Bounds

    bounds, country = Bounds(*bounds_of(bbox)), Country(seed)
    click.echo(write_training_scenes(country, out / "training", bounds, zoom, scenes)[-1])
    click.echo(write_coverage_samples(country, out / "coverage", bounds, thumbnails)[-1])


@landscape.command("serve")
@click.option("--seed", type=int, default=1, show_default=True, help="Country whose tiles are rendered on request.")
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of tiles to serve instead.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--fault", "faults", multiple=True, help="KIND:SHARE[:TIMES], for example 429:0.1:2; may be repeated.")
@click.option("--rate-limit", type=float, help="Requests per second above which the server answers 429.")
def serve_tiles(seed: int, folder: Path | None, port: int, faults: tuple[str, ...], rate_limit: float | None) -> None:
    """Serve tiles on this machine over HTTP until interrupted, with faults if requested."""
    from croplayer.landscape.country import Country
    from croplayer.landscape.server import FaultRule, serve
    from croplayer.landscape.sources import SOURCES

    rules = [FaultRule.parse(f) for f in faults]
    with serve(folder or Country(seed), port=port, faults=rules, rate_limit_per_s=rate_limit) as running:
        for source in SOURCES:
            click.echo(running.url(source))
        running.wait()
