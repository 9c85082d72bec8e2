"""``croplayer label round``: learn from the labels, map a sample, measure, and decide by unit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.options import MODELS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from croplayer.active.project import LabelProject
    from croplayer.active.rounds.making import Heard, RunSide
    from croplayer.models.training.training_config import StepReport
    from pipelines.recipe import Recipe

BLOCKS_SHOWN = 4
PIXELS_SHOWN = 400
"""Edge of a picture on the page, about; larger blocks are thinned out."""


@click.command("round")
@click.argument("labels", type=click.Path(path_type=Path))
@click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of the run, where it is no longer the one it was made from."
)
@click.option(
    "--rebuild",
    "number",
    type=click.IntRange(1),
    help="Make the round of this number again from what it was made from, and compare every byte; nothing changes.",
)
@MODELS
def make(labels: Path, run: Path | None, number: int | None, models: Path | None) -> None:
    """Make a round of the project LABELS: train on the new labels, map a sample of every unit, measure, and decide.

    The numbers of rounds.toml in LABELS say how. rounds.parquet and rounds/report.html are the record.
    """
    from croplayer.active.project import LabelProject
    from croplayer.active.rounds.folder import round_folder
    from croplayer.active.rounds.making import NothingNewError, make_round, rebuild_round
    from croplayer.active.rounds.settings import SETTINGS_FILE, read_settings

    project = LabelProject.open(labels.absolute())
    read_settings(project.folder / SETTINGS_FILE)
    place = (run or project.run).absolute()  # a training works in the project's folder
    with project.held():
        side, recipe = _run_side(place)
        heard = _heard()
        if number is not None:
            differing = rebuild_round(project, number, side, heard)
            if differing:
                raise ValueError(
                    f"round {number} made again differs in {len(differing)} files, first {differing[0]}; on another kind of "
                    "processor the last bits may differ"
                )
            click.echo(f"round {number} made again has the same bytes")
            return
        kept = round_folder(project, 0).model.is_dir()
        try:
            done = make_round(project, side, None if kept else _model(place, recipe, models), heard)
        except NothingNewError:
            _write_page(project, side)  # a command that was killed may have left it behind
            raise
        page = _write_page(project, side)
    _say(project, done)
    click.echo(f"the record: {project.folder / 'rounds.parquet'} and {page}")


def _run_side(run: Path) -> tuple[RunSide, Recipe]:
    """What a round takes from a run."""
    import pandas as pd

    from croplayer.active.rounds.making import RunSide
    from croplayer.active.rounds.mapping import MappingSettings
    from croplayer.active.run_numbers import LEVEL, RunNumbers
    from croplayer.files.tables import read_csv
    from croplayer.models.bundles.runtimes import CPU, CUDA, has_cuda
    from croplayer.models.networks.cells import cells_at_once
    from pipelines.recipe_files import load_resolved_recipe
    from stores.durable import digest_file
    from stores.run_folder import RunFolder

    folder = RunFolder(run)
    if not folder.recipe.is_file():
        raise FileNotFoundError(f"{run} is not the folder of a run; it has no {folder.recipe.name}")
    recipe = load_resolved_recipe(folder)
    part, grid = recipe.segmentation, recipe.grid
    if part is None:
        raise ValueError(f"the run {run} maps nothing: its recipe has no [segmentation]")
    products = [product.name for product in recipe.products]
    numbers = RunNumbers.read(folder, recipe.edition, products, recipe.decisions.correctness_classes.correct)
    device = CUDA if has_cuda() else CPU
    cell_px, at_once = min(grid.cell_px, grid.block_px), part.batch_cells or cells_at_once(device)
    mapping = MappingSettings(cell_px, grid.blend_px, at_once, part.threshold, device)
    areas = folder.table(f"units_{LEVEL}.csv")
    units = read_csv(areas) if areas.is_file() else pd.DataFrame()
    return RunSide(numbers, mapping, units, digest_file(folder.blocks).sha256), recipe


def _model(run: Path, recipe: Recipe, models: Path | None) -> Path | None:
    from pipelines.engine.models import Models, default_home

    return Models(models or default_home(), run).folder(recipe, "segmentation")


def _heard() -> Heard:
    """Sentences on standard error, and a bar for the steps of the training and the blocks that are mapped."""
    from tqdm import tqdm

    from croplayer.active.rounds.making import Heard

    steps, blocks = (tqdm(unit=unit, disable=None, delay=1, leave=False) for unit in ("step", "block"))

    def on_step(report: StepReport) -> None:
        steps.total = report.steps
        steps.set_postfix(loss=f"{report.loss:.3f}", refresh=False)
        steps.update(report.step - steps.n)

    def on_block() -> None:
        blocks.update()

    return Heard(lambda text: click.echo(text, err=True), on_step, on_block)


def _say(project: LabelProject, done: int) -> None:
    import pandas as pd

    from croplayer.active.rounds.table import setbacks

    record = pd.read_parquet(project.folder / "rounds.parquet")
    for row in record[record["round"] == done].itertuples():
        mark = " (its statistic decided: its area is no independent proof)" if row.statistic_decided else ""
        click.echo(f"{row.name or 'all'}: {row.reason}{mark}")
    for sentence in setbacks(record, done):
        click.echo(f"warning: {sentence}", err=True)


def _write_page(project: LabelProject, side: RunSide) -> Path:
    """Write ``rounds/report.html``. Returns its path."""
    import pandas as pd

    from croplayer.active.rounds.folder import finished_rounds, round_folder
    from croplayer.active.rounds.settings import read_settings
    from croplayer.report.sections_rounds import RoundTables, rounds_report
    from stores.durable import write_durable

    last = round_folder(project, finished_rounds(project)[-1])
    sample = pd.read_parquet(last.sample)
    tables = RoundTables(
        project=project.folder.name,
        sources=project.settings.sources,
        record=pd.read_parquet(project.folder / "rounds.parquet"),
        labels=pd.read_parquet(last.labels),
        sample=sample,
        units=side.numbers.units,
        settings=read_settings(last.settings),
        changes=_most_changed(project, side, sample),
    )
    page = project.folder / "rounds" / "report.html"
    write_durable(page, rounds_report(tables).to_html().encode())
    return page


def _most_changed(
    project: LabelProject, side: RunSide, sample: pd.DataFrame
) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Imagery and masks, before and after the last round, of the blocks that it changed most, where the map takes the imagery."""
    from croplayer.active.rounds.folder import finished_rounds, round_folder
    from croplayer.active.rounds.mapping import run_masks
    from stores.columns import RGB
    from stores.grid import BlockIndex

    done = finished_rounds(project)
    now = round_folder(project, done[-1]).masks(project)
    before = round_folder(project, done[-2]).masks(project) if len(done) > 1 else None
    most = sample[sample.changed > 0].sort_values(["changed", "block", "source"], ascending=[False, True, True])
    taken = (row for row in most.itertuples() if side.numbers.is_usable(row.block, row.source))
    shown = []
    for row in itertools.islice(taken, BLOCKS_SHOWN):
        new, old = (
            now.read(row.block),
            run_masks(side.numbers.cube, row.block) if before is None else before.read(row.block),
        )
        if new is None or old is None:
            continue
        step = max(1, project.grid.block_px // PIXELS_SHOWN)
        rgb = side.numbers.cube.read_block(RGB, BlockIndex.parse(row.block), row.source)
        panels = {"imagery": rgb, "before": old[row.source], f"round {done[-1]}": new[row.source]}
        title = f"{row.block}, {row.source}\n{100 * row.changed:.0f} % changed"
        shown.append((title, {name: picture[::step, ::step] for name, picture in panels.items()}))
    return shown
