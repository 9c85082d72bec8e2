"""``croplayer label serve`` and ``agreement``: the page on which people label and judge, and how far they agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from croplayer.active.project import LabelProject
    from croplayer.cube.whole_blocks import Cube


@click.command("serve")
@click.argument("labels", type=click.Path(path_type=Path))
@click.option("--sample", type=click.Path(path_type=Path), help="Area sample whose points are labelled too: NAME.gpkg.")
@click.option(
    "--double", type=click.FloatRange(0, 1), default=0.0, show_default=True,
    help="Share of the blocks and points that two people judge.",
)  # fmt: skip
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
def serve(labels: Path, sample: Path | None, double: float, host: str, port: int) -> None:
    """Open a page in the browser to label and judge the project LABELS.

    The page needs no network. What is said is saved at every key. Stop the server with Ctrl+C.
    """
    from croplayer.active.page.desk import Desk
    from croplayer.active.page.pictures import Pictures
    from croplayer.active.page.samples import Sample
    from croplayer.active.page.server import serve as serve_page
    from croplayer.active.project import LabelProject
    from croplayer.pages.private import LOCAL

    project = LabelProject.open(labels)
    cube, classes = _run_of(project)
    desk = Desk(project, Pictures(project, cube), classes, Sample.open(sample) if sample else None, double)
    desk.tasks()
    if cube is None:
        click.echo(f"Warning: the run {project.run} is not here, so only fields can be labelled", err=True)
    if host != LOCAL:
        click.echo(
            "Warning: the page can be reached from other machines, and what is sent is not encrypted; use a network that you trust",
            err=True,
        )
    serve_page(desk, host, port, lambda address: click.echo(f"open {address}"))


@click.command("agreement")
@click.argument("labels", type=click.Path(path_type=Path))
@click.option("--confidence", type=float, default=0.95, show_default=True, help="Of the intervals.")
def agreement(labels: Path, confidence: float) -> None:
    """Show how far people agree who judged the same blocks and points of the project LABELS, as Cohen's kappa."""
    from croplayer.active.agreement import agreements
    from croplayer.active.judgements import read_judgements
    from croplayer.active.project import LabelProject

    found = agreements(read_judgements(LabelProject.open(labels).folder), confidence)
    if not found:
        click.echo(
            "nothing was judged by two people yet; hand out a share twice with `croplayer label serve --double 0.1`"
        )
    for one in found:
        k = one.kappa
        what = f"{one.kind} {one.source}".strip()
        click.echo(
            f"{what}, {one.people}: {k.cases} cases, {k.agreed:.0%} the same, kappa {k.value:.2f} "
            f"({confidence:.0%} interval {k.low:.2f} to {k.high:.2f})"
        )


def _run_of(project: LabelProject) -> tuple[Cube | None, tuple[str, ...]]:
    """The cube of the project's run and its classes of correctness; no cube where the run is not on this machine."""
    from croplayer.cube.whole_blocks import Cube
    from pipelines.recipe_files import load_resolved_recipe
    from stores.legends import DEFAULT_CLASSES
    from stores.run_folder import RunFolder

    folder = RunFolder(project.run)
    if not folder.recipe.is_file():
        return None, DEFAULT_CLASSES.labels
    classes = load_resolved_recipe(folder).decisions.correctness_classes.labels
    return Cube.open(folder.cube, project.settings.edition), tuple(classes)
