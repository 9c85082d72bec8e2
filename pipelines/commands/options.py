"""Command-line values that several commands parse."""

from __future__ import annotations

from pathlib import Path

import click

OUT = click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the run; default runs/ and the name of the recipe's file, or the folder of the run that is given.",
)
MODELS = click.option(
    "--models",
    type=click.Path(path_type=Path),
    help="Folder of trained models; default $CROPLAYER_MODELS, or a folder of the user's cache.",
)


def bounds_of(text: str) -> tuple[float, float, float, float]:
    """West, south, east, north of the text of ``--bbox``, degrees; raises ValueError."""
    try:
        values = tuple(float(v) for v in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise ValueError(f"--bbox is '{text}'; expected west,south,east,north in degrees")
    west, south, east, north = values
    return west, south, east, north
