"""The command `croplayer models compare`."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from croplayer.models.training.training_config import ARCHITECTURES, VALIDATION_FRACTION
from pipelines.commands.model_options import PATH, scene_options, training_config, training_option, training_options
from pipelines.exit_codes import UNFINISHED

if TYPE_CHECKING:
    from croplayer.models.judging.comparison_file import Comparison, Contestant


@click.command("compare")
@scene_options(required=True)
@training_options
@training_option(
    "--encoder-rate",
    click.FloatRange(0, 1, min_open=True),
    "Learning rate of the encoders that start from weights, as a share.",
)
@click.option(
    "--model",
    "contestants",
    multiple=True,
    help="ARCHITECTURE-SIZE or ARCHITECTURE-SIZE:START, repeatable; START as --from of train. Default all architectures, tiny.",
)
@click.option(
    "--validation",
    type=click.FloatRange(0.01, 0.9),
    default=VALIDATION_FRACTION,
    show_default=True,
    help="Share of the scenes that are held out.",
)
@click.option("-o", "--out", type=PATH, required=True, help="Folder of the bundles and of comparison.json.")
def compare(
    images: Path,
    polygons: Path,
    image_column: str,
    contestants: tuple[str, ...],
    validation: float,
    out: Path,
    **options: Any,
) -> None:
    """Train the architectures on the same scenes with the same budget and print the paper's Table 6.

    Finished rows of earlier calls stay in --out. Rows of other scenes or another budget are another comparison, which needs
    a folder of its own.

    Exits with 1 when a training failed; the table says why, and has the rows of the others.
    """
    from tqdm import tqdm

    from croplayer.models.judging.comparison import compare_architectures
    from croplayer.models.judging.comparison_file import Contestant
    from pipelines.engine.models import open_scenes
    from pipelines.engine.run_log import messages

    named = [Contestant.of(text) for text in contestants or (f"{name}-tiny" for name in ARCHITECTURES)]
    config = training_config(options)
    learn, held = open_scenes(images, polygons, image_column).split_by_scene(validation, config.seed)
    failed = []

    def tell_failure(who: Contestant, reason: str) -> None:
        failed.append(who)
        messages.warning("compare: %s failed: %s", who.title, reason)

    with tqdm(total=config.steps * len(named), desc="compare", unit="step", disable=None) as bar:
        comparison = compare_architectures(
            learn, held, config, named, out, work=out / "checkpoints",
            training_data=f"{len(learn)} scenes of {images.name}", licence="not for use",
            on_step=lambda who, report: _tell(bar, who.title, report.loss),
            on_failure=tell_failure,
        )  # fmt: skip
    click.echo(
        f"{len(learn)} scenes to train, {len(held)} to validate, {config.steps} steps each, {config.threads} threads"
    )
    for line in _table_lines(comparison):
        click.echo(line)
    if failed:
        sys.exit(UNFINISHED)


def _table_lines(comparison: Comparison) -> Iterator[str]:
    width = max(24, *(len(row.contestant.title) + 1 for row in comparison.rows))
    head = ("training s", "IoU", "boundary IoU", "F1", "px/s", "parameters")
    yield f"{'':<{width}}" + "".join(f"{h:>14}" for h in head)
    for row in comparison.rows:
        if row.figures is None:
            yield f"{row.contestant.title:<{width}}  failed: {row.failure}"
            continue
        f = row.figures
        cells = [
            "-" if math.isnan(f.training_s) else f"{f.training_s:.0f}",
            *(f"{measure:.4f}" for measure in (f.iou, f.boundary_iou, f.f1)),
        ]
        cells += [f"{f.px_per_s:,.0f}", f"{f.n_parameters:,}"]
        yield f"{row.contestant.title:<{width}}" + "".join(f"{c:>14}" for c in cells)


def _tell(bar: Any, name: str, loss: float) -> None:
    bar.set_postfix(model=name, loss=f"{loss:.3f}", refresh=False)
    bar.update()
