"""``croplayer paper``: the figures and tables of the paper for a run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the appendix; default is beside RUN, with _paper after its name.",
)
@click.option(
    "--level", type=click.IntRange(0), help="Level of the admin units; default 1, or the lowest that RUN has."
)
@click.option(
    "--statistics",
    type=click.Path(path_type=Path),
    help="CSV of cropland by unit of that level: adcode, name_en and cropland_kha, cropland_ha, cropland_km2 or cropland_mu.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="Label project whose labelled blocks are shown.")
@click.option("--comparison", type=click.Path(path_type=Path), help="Folder or file of `croplayer models compare`.")
def paper(
    run: Path,
    out: Path | None,
    level: int | None,
    statistics: Path | None,
    labels: Path | None,
    comparison: Path | None,
) -> None:
    """Draw every figure and table of the paper (ESSD 17, 6703) for RUN, as far as it has the data.

    Writes paper.html, which begins with a table of what is there and what is missing and why, each figure as PNG and PDF, and
    each table as CSV. RUN is the folder of a run, or FOLDER@EDITION.
    """
    from pipelines.paper import Given, drawn_run, paper_of, write_paper

    drawn = drawn_run(run)
    folder = out or drawn.beside("paper")
    drawn.check_outside(folder)
    appendix, evidence = paper_of(drawn, Given(level, statistics, labels, comparison))
    page = write_paper(appendix, evidence, folder)
    for shown in appendix.shown:
        if shown.reason:
            click.echo(f"{shown.exhibit.number}: {'in part. ' if shown.is_there else ''}{shown.reason}")
    click.echo(f"{sum(shown.is_there for shown in appendix.shown)} of {len(appendix.shown)} figures and tables: {page}")
