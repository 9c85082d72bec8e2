"""``croplayer change``: what changed between two editions of the map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.options import MODELS
from pipelines.exit_codes import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from croplayer.changes.editions import Edition
    from croplayer.fields.field_sets import FieldFiles
    from croplayer.report.change_page import ChangePage
    from pipelines.comparison import NamedProduct, Remap
    from pipelines.recipe import Recipe
    from stores.change import ChangeFolder


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the comparison.")
@click.option(
    "--margin",
    type=float,
    default=0.7,
    show_default=True,
    help="Least difference of the probabilities in the core of a change, 0 to 1.",
)
@click.option(
    "--reach",
    type=float,
    default=80.0,
    show_default=True,
    help="Metres around a core in which weaker differences belong to the change.",
)
@click.option(
    "--tolerance", type=float, default=10.0, show_default=True, help="Metres; a margin that moved by less is no change."
)
@click.option(
    "--min-area", type=float, default=0.1, show_default=True, help="Hectares; a smaller connected change is none."
)
@click.option(
    "--max-shift", type=float, default=15.0, show_default=True,
    help="Metres; a block whose imagery lies further off is named and not compared.",
)  # fmt: skip
@click.option(
    "--buffer", type=float, default=20.0, show_default=True,
    help="Metres around a change that are a stratum of their own in samples.",
)  # fmt: skip
@click.option(
    "--remap", is_flag=True, help="Map the earlier imagery again with the later model, so that only the ground differs."
)
@click.option("--product", help="Product of AFTER's recipe that tells what is there now.")
@click.option("--geotiff", is_flag=True, help="Also write the map of change as one GeoTIFF.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@MODELS
@click.pass_context
def change(
    context: click.Context,
    before: str,
    after: str,
    out: Path,
    margin: float,
    reach: float,
    tolerance: float,
    min_area: float,
    max_shift: float,
    buffer: float,
    remap: bool,
    product: str | None,
    geotiff: bool,
    workers: int,
    models: Path | None,
) -> None:
    """Compare two editions of the map: the folders of two runs, or FOLDER@EDITION.

    Writes a cube of the change, tables by admin unit, of the blocks and, where both editions have fields, of the fields, and a
    page. Running it again continues where it
    stopped.
    """
    from croplayer.changes.editions import check_comparable, common_blocks, models_differ, open_edition
    from croplayer.changes.rules import ChangeRules
    from pipelines.comparison import Compare, check_folder, failed_words, write_comparison
    from pipelines.engine.lease import lease
    from stores.change import ChangeFolder
    from stores.run_folder import RunFolder, edition_at

    rules = ChangeRules(margin, reach, tolerance, min_area, max_shift, buffer)
    earlier, later = open_edition(before), open_edition(after)
    check_comparable(earlier, later)
    grid = earlier.cube.grid
    rules.margins(grid.window(common_blocks(earlier, later)[0]), grid)
    run = edition_at(after)
    recipe = _recipe(run.recipe, run.root) if remap or product else None
    again = _remap(recipe, later, run.root, models) if recipe and remap else None
    there_now = _product(recipe, product) if recipe and product else None
    folder = ChangeFolder(out)
    check_folder(folder)
    boundaries = run.boundaries if run.boundaries.is_file() else None
    compare = Compare(earlier, later, rules, folder, boundaries, again, workers, _fields(before, after))
    with lease(RunFolder(out)):
        write_comparison(folder, earlier, later, rules)
        failed = compare.run()
        if failed:
            click.echo(f"croplayer: {failed_words(failed)}", err=True)
            context.exit(UNFINISHED)
        page = compare.write_tables(there_now)
        if geotiff:
            click.echo(compare.write_geotiff())
        click.echo(folder.table("change.csv"))
        click.echo(compare.write_page(page))
    for line in _result(page, folder):
        click.echo(line)
    if again is None and models_differ(earlier, later):
        click.echo("The maps were made by different models; --remap tells which part of the difference is the models'.")


def _fields(before: str, after: str) -> tuple[FieldFiles, FieldFiles] | None:
    """The fields of both editions; None where one has none."""
    from croplayer.cube.field_query import field_files
    from croplayer.fields.field_sets import FieldFiles
    from stores.run_folder import edition_at

    try:
        earlier, later = (FieldFiles(field_files(edition_at(place))) for place in (before, after))
    except FileNotFoundError:
        return None
    return earlier, later


def _result(page: ChangePage, folder: ChangeFolder) -> Iterator[str]:
    """What a comparison found, in sentences."""
    total = page.units.iloc[0]
    yield (
        f"gain {total.gain_km2:,.4g} km², loss {total.loss_km2:,.4g} km² on {total.known_km2:,.4g} km² that both maps know "
        f"(plain difference: {total.plain_gain_km2:,.4g} and {total.plain_loss_km2:,.4g} km²); no interval without a sample"
    )
    left_out = page.blocks[~page.blocks.compared.astype(bool)]
    if len(left_out):
        yield f"{len(left_out)} of {len(page.blocks)} blocks were not compared: {folder.table('change_blocks.csv')}"


def _recipe(path: Path, out: Path) -> Recipe:
    """The recipe that a run keeps."""
    from pipelines.recipe_files import load_recipe

    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist, so the models and products of that map are not known")
    return load_recipe(path, out)


def _remap(recipe: Recipe, later: Edition, out: Path, models: Path | None) -> Remap:
    """How the earlier imagery is mapped again; raises ValueError where the later map's model is not at hand."""
    from croplayer.models.networks.manifest import bundle_digest
    from pipelines.comparison import Remap
    from pipelines.engine.models import Models, default_home

    if recipe.segmentation is None:
        raise ValueError(f"recipe '{recipe.name}' has no [segmentation], so its map was made by no model of ours")
    folder = Models(models or default_home(), out).folder(recipe, "segmentation")
    if folder is None or (later.model and bundle_digest(folder) != later.model):
        raise ValueError(
            f"the model that made {later.name} is not at hand; give the folder that holds it with --models, or leave "
            "--remap out"
        )
    part, grid = recipe.segmentation, recipe.grid
    cell_px = min(grid.cell_px, grid.block_px)
    return Remap(str(folder), bundle_digest(folder), part.threshold, cell_px, grid.blend_px)


def _product(recipe: Recipe, name: str) -> NamedProduct:
    """A product of a recipe, with the names of its classes."""
    from croplayer.products.legend import read_legend
    from pipelines.comparison import NamedProduct
    from pipelines.engine.openings import product

    parts = [*recipe.products, *([recipe.reference] if recipe.reference else [])]
    chosen = next((part for part in parts if part.name == name), None)
    if chosen is None:
        known = ", ".join(part.name for part in parts) or "none"
        raise ValueError(f"recipe '{recipe.name}' has no product '{name}'; it has {known}")
    classes = read_legend(chosen.legend).file.classes if chosen.legend else {}
    return NamedProduct(product(chosen), chosen.year, {code: entry.name for code, entry in classes.items()})
