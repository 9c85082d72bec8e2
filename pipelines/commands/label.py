"""``croplayer label``: label projects, which people work in and training learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands import label_round
from pipelines.commands.label_serve import agreement, serve
from pipelines.commands.label_simulate import simulate
from pipelines.commands.label_status import status
from pipelines.commands.options import MODELS

if TYPE_CHECKING:
    from croplayer.active.choosing import NetworkView
    from croplayer.active.newer_map import NewerMap
    from croplayer.active.project import LabelProject
    from croplayer.active.run_numbers import RunNumbers
    from croplayer.active.tasks import Task
    from pipelines.recipe import Recipe

UNITS_NAMED = 5
"""Largest number of units that a warning names."""
RANDOM_SHARE = click.option(
    "--random-share",
    type=float,
    default=0.2,
    show_default=True,
    help="Share of the tasks that are drawn at random and not by scores.",
)


@click.group()
def label() -> None:
    """Label projects: what people should look at next, and what they said."""


label.add_command(serve)
label.add_command(agreement)
label.add_command(status)
label.add_command(simulate)
label.add_command(label_round.make)


@label.command("init")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the new project.")
@click.option("--tasks", type=int, default=20, show_default=True, help="Number of its first tasks.")
@click.option("--seed", type=int, default=0, show_default=True, help="Any number; the same one gives the same tasks.")
@click.option(
    "--window-px", type=int, help="Edge of a task in pixels, a divisor of the run's block. Default up to 512."
)
@click.option(
    "--held-out",
    type=float,
    default=0.25,
    show_default=True,
    help="Share of the blocks whose labels never train but measure the model; the random tasks lie there. It stays.",
)
@RANDOM_SHARE
@MODELS
def init(
    run: Path,
    out: Path,
    tasks: int,
    seed: int,
    window_px: int | None,
    held_out: float,
    random_share: float,
    models: Path | None,
) -> None:
    """Make a folder to label in from the finished RUN: polygons of its map, imagery, and a QGIS project.

    Open labels.qgs in QGIS; its README.md says how to go on.
    """
    from croplayer.active.choosing import Wanted, choose
    from croplayer.active.project import create_project
    from croplayer.active.windows import window_edge
    from stores.run_folder import edition_at

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and may hold labels; give another folder")
    run = edition_at(run).root
    numbers, recipe = _numbers(run)
    edge = window_edge(numbers.cube.grid.block_px, window_px)
    wanted = Wanted(tasks, random_share, seed, 1, edge, held_out)
    if held_out:
        _warn_of_unmeasured(numbers, seed, held_out)
    chosen = choose(numbers, wanted, view=_view(_run_model(run, recipe, models), edge))
    project = create_project(out, run, numbers.cube, edge, seed, chosen, held_out)
    _say(chosen, wanted.count)
    click.echo(f"open {project.folder / 'labels.qgs'} in QGIS, and read {project.folder / 'README.md'}")


@label.command("next")
@click.argument("labels", type=click.Path(path_type=Path))
@click.option("--count", type=int, default=20, show_default=True, help="Number of tasks to add.")
@click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of the run, where it is no longer the one it was made from."
)
@RANDOM_SHARE
@MODELS
def next_tasks(labels: Path, count: int, run: Path | None, random_share: float, models: Path | None) -> None:
    """Add the next tasks to the project LABELS: those that teach most, and a share at random.

    After a round its model looks at the windows and draws the polygons, before the first one the run's.
    Nothing that is in the project changes.
    """
    from croplayer.active.choosing import Wanted, choose
    from croplayer.active.project import LabelProject, add_tasks
    from croplayer.active.reading import read_tasks
    from stores.run_folder import edition_at

    project = LabelProject.open(labels)
    with project.held():
        there = read_tasks(project)
        place = edition_at(run).root if run else project.run
        numbers, recipe = _numbers(place)
        settings = project.settings
        number = max((task.round for task in there), default=0) + 1
        wanted = Wanted(count, random_share, settings.seed, number, settings.window_px, settings.held_out)
        model, newer = _newest(project, place, recipe) or (_run_model(place, recipe, models), None)
        view = _view(model, wanted.edge)
        chosen = choose(numbers, wanted, [task.window for task in there], view, newer)
        add_tasks(project, numbers.cube, chosen, there, newer)
    _say(chosen, count)


@label.command("read")
@click.argument("labels", type=click.Path(path_type=Path))
def read(labels: Path) -> None:
    """Read the project LABELS: copy it, repair what can be repaired, and name the rest."""
    from croplayer.active.project import LabelProject
    from croplayer.active.reading import read_labels
    from croplayer.active.tasks import FieldClass, TaskStatus

    project = LabelProject.open(labels)
    with project.held():
        found = read_labels(project)
    for remark in found.repairs:
        click.echo(f"repaired: {remark}")
    states = ", ".join(f"{found.count(status)} {status}" for status in TaskStatus)
    fields = int((found.fields["class"] == FieldClass.CROPLAND).sum())
    click.echo(f"{len(found.tasks)} tasks: {states}; {fields} fields and {len(found.empty)} empty areas")
    click.echo(f"copied to {found.copy}; what was read lies in {project.clean}")


def _numbers(run: Path) -> tuple[RunNumbers, Recipe]:
    from croplayer.active.run_numbers import RunNumbers
    from pipelines.recipe_files import load_resolved_recipe
    from stores.run_folder import RunFolder

    folder = RunFolder(run)
    if not folder.recipe.is_file():
        raise FileNotFoundError(f"{run} is not the folder of a run; it has no {folder.recipe.name}")
    recipe = load_resolved_recipe(folder)
    products = [product.name for product in recipe.products]
    return RunNumbers.read(folder, recipe.edition, products, recipe.decisions.correctness_classes.correct), recipe


def _warn_of_unmeasured(numbers: RunNumbers, seed: int, held_out: float) -> None:
    """Say in which units no block is held out."""
    from croplayer.active.held_out import held_out_blocks

    held = held_out_blocks(numbers.names, seed, held_out)
    remedy = "give a larger --held-out or another --seed"
    if not held:
        click.echo(
            f"Warning: none of the {len(numbers.names)} blocks is held out, so nothing will tell how good the model is; {remedy}",
            err=True,
        )
        return
    grid = numbers.cube.grid
    every, measured = (
        set(numbers.units_of([grid.window(b) for b in sorted(blocks)])) - {""} for blocks in (numbers.names, held)
    )
    if unmeasured := sorted(every - measured):
        more = f" and {len(unmeasured) - UNITS_NAMED} more" if len(unmeasured) > UNITS_NAMED else ""
        click.echo(
            f"Warning: no block is held out in {', '.join(unmeasured[:UNITS_NAMED])}{more}, so nothing will tell how good the model is "
            f"there; {remedy}",
            err=True,
        )


def _run_model(run: Path, recipe: Recipe, models: Path | None) -> Path | None:
    """Bundle of the run's segmentation, where it is on this machine."""
    from pipelines.engine.models import Models, default_home

    return Models(models or default_home(), run).folder(recipe, "segmentation")


def _newest(project: LabelProject, run: Path, recipe: Recipe) -> tuple[Path, NewerMap] | None:
    """The model of the newest finished round and its map; None before the first round."""
    from croplayer.active.encoding import newer_map
    from croplayer.active.rounds.folder import finished_rounds, round_folder
    from croplayer.active.rounds.settings import read_settings
    from croplayer.cube.decisions import decisions_of
    from stores.durable import digest_file
    from stores.run_folder import RunFolder

    done = finished_rounds(project)
    if not done or recipe.segmentation is None:
        return None
    last = round_folder(project, done[-1])
    decisions = RunFolder(run).table("integration.parquet")
    choices = decisions_of(str(decisions), digest_file(decisions).sha256)
    threads = read_settings(last.settings).learning.threads
    return last.model, newer_map(last.model, done[-1], threads, recipe.segmentation.threshold, choices)


def _view(model: Path | None, edge: int) -> NetworkView | None:
    """How a network sees windows, where its model is on this machine."""
    from croplayer.active.encoding import network_view

    view = None if model is None else network_view(model, edge)
    if view is None:
        why = (
            "the run's model is not on this machine" if model is None else f"windows of {edge} px are too small for it"
        )
        click.echo(f"windows are compared by scores and colours, not by what the network sees: {why}", err=True)
    return view


def _say(chosen: Sequence[Task], asked: int) -> None:
    if len(chosen) < asked:
        click.echo(f"Warning: only {len(chosen)} of {asked} tasks are left, because no two may be neighbours", err=True)
    for task in chosen:
        click.echo(f"{task.id}  {task.unit or 'no unit'}, {task.coverage or 'unknown coverage'}: {task.reason}")
    kinds = Counter(str(task.chosen_by) for task in chosen)
    click.echo(
        f"round {chosen[0].round}: {len(chosen)} tasks, {kinds['random']} at random and {kinds['scores']} by scores"
    )
