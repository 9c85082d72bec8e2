"""``croplayer judge``: the stage, and the files for reviewers."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.stage_group import StageOrCommand


@click.group(cls=StageOrCommand)
def judge() -> None:
    """Semantic correctness: `judge RECIPE` is the stage; `judge sample RUN` draws blocks for people to review."""


@judge.command("sample")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for the review files.")
@click.option(
    "--spacing-deg",
    type=float,
    help="Grid of the systematic sample, a multiple of 0.05 degree. Default 0.5 if it meets at least 100 blocks, else the "
    "widest of 0.25, 0.1 and 0.05 that does, and 0.05 (every block) if none does.",
)
def sample(run: Path, out: Path, spacing_deg: float | None) -> None:
    """Write review files for a systematic sample of the mapped blocks of RUN: CSV, GeoPackage and pictures.

    Fill in correctness_SOURCE and integration in one of the two tables, then name it in the recipe under
    decisions.reviews.
    """
    from croplayer.cube.whole_blocks import Cube
    from croplayer.decisions.review_files import write_review_files
    from croplayer.decisions.reviews import INTEGRATION_LABELS
    from croplayer.decisions.sampling import spacing_for, systematic_blocks
    from pipelines.recipe_files import load_resolved_recipe
    from stores.ledger import Ledger
    from stores.run_folder import edition_at

    folder = edition_at(run)
    if not folder.ledger("describe").exists():
        raise FileNotFoundError(f"{run} holds no described masks; run the recipe up to the stage describe first")
    described = [r.block for _, r in Ledger(folder.ledger("describe")).newest() if r.status.is_finished]
    recipe = load_resolved_recipe(folder)
    cube = Cube.open(folder.cube, recipe.edition)
    spacing = spacing_for(described) if spacing_deg is None else spacing_deg
    chosen = systematic_blocks(described, spacing)
    csv, gpkg, *_ = write_review_files(out, cube, chosen)
    click.echo(f"{len(chosen)} of {len(described)} blocks, every {spacing:g} degree: fill in {csv} or {gpkg}")
    classes = ", ".join(recipe.decisions.correctness_classes.labels)
    click.echo(f"correctness of {' and '.join(cube.sources)}: {classes}")
    click.echo(f"integration: {', '.join(INTEGRATION_LABELS)}; A is {', B is '.join(cube.sources)}")
