"""Options that several commands of the models share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from croplayer.models.training.training_config import TrainingConfig

PATH = click.Path(path_type=Path)


def scene_options(required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that name labelled scenes."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--image-column", default="image", show_default=True, help="Column that names the raster."),
            click.option("--polygons", type=PATH, required=required, help="Field polygons drawn on the rasters."),
            click.option("--images", type=PATH, required=required, help="Folder of labelled RGB rasters."),
        ):
            command = option(command)
        return command

    return with_options


def training_option(name: str, kind: Any, help_text: str, field: str = "") -> Callable[..., Any]:
    """An option whose default is that of the field of its name in `TrainingConfig`."""
    default = getattr(TrainingConfig, field or name.removeprefix("--").replace("-", "_"))
    return click.option(name, type=kind, default=default, show_default=True, help=help_text)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every training."""
    for option in (
        training_option("--threads", click.IntRange(1), "CPU threads."),
        training_option("--seed", int, "The same seed trains the same model."),
        training_option("--gsd", (float, float), "Lowest and highest metres per pixel.", "gsd_m"),
        training_option("--learning-rate", float, "Highest learning rate."),
        training_option("--accumulation", click.IntRange(1), "Batches per step."),
        training_option("--batch", click.IntRange(1), "Windows per batch."),
        training_option("--crop-px", click.IntRange(32), "Edge of the windows."),
        training_option("--steps", click.IntRange(1), "Training steps."),
    ):
        command = option(command)
    return command


def training_config(options: dict[str, Any], **more: Any) -> TrainingConfig:
    """The configuration that the values of `training_options` say, and more fields of it."""
    return TrainingConfig(gsd_m=options.pop("gsd"), **options, **more)
