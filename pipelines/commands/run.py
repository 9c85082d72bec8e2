"""``croplayer run`` and ``croplayer STAGE`` run a recipe, ``croplayer demo`` the recipe of the demo."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.options import MODELS, OUT
from pipelines.exit_codes import UNFINISHED
from pipelines.stages.order import STAGES
from stores.near_names import did_you_mean

if TYPE_CHECKING:
    from pipelines.engine.carry import Carried
    from pipelines.engine.steps import StepResult
    from pipelines.engine.walk import Walk
    from pipelines.run import Run

STEPS_SHOWN = 8
"""Largest number of steps of a stage that are printed one by one; more are summed up in one line."""


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.argument("recipe"),
        OUT,
        click.option(
            "--workers", type=click.IntRange(1), help="Processes of the embedded cluster; default from the recipe."
        ),
        click.option("--scheduler", help="Address of a running Dask scheduler instead of the embedded cluster."),
        MODELS,
        click.option(
            "--recheck",
            is_flag=True,
            help="Read all input files again; without it a file of the same size and change time counts as the same.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_run_options
@click.option("--until", help="Last stage to run; default all of them.")
def run(
    recipe: str,
    out: Path | None,
    workers: int | None,
    scheduler: str | None,
    models: Path | None,
    recheck: bool,
    until: str | None,
) -> None:
    """Run all stages of RECIPE (a file, or the name of an included recipe).

    Running it again continues where it stopped, and does nothing when nothing changed.
    """
    from pipelines.run import open_run

    opened = open_run(recipe, out, models)
    _do(opened, _stages_until(opened, until), workers, scheduler, recheck)


def stage_command(name: str) -> click.Command:
    """The command of one stage."""
    (about,) = (stage.about for stage in STAGES if stage.name == name)

    @click.command(name, help=f"Only the stage {name} of RECIPE: {about}.")
    @_run_options
    def stage(
        recipe: str, out: Path | None, workers: int | None, scheduler: str | None, models: Path | None, recheck: bool
    ) -> None:
        from pipelines.run import open_run

        _do(open_run(recipe, out, models), [name], workers, scheduler, recheck)

    return stage


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Folder of the run.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes of the embedded cluster; default from the recipe.")
@click.option("--models", type=click.Path(path_type=Path), help="Folder of trained models; default OUT/models.")
def demo(out: Path, workers: int | None, models: Path | None) -> None:
    """Make a small synthetic country and map it: the whole workflow, offline, in a few minutes.

    The true land cover plays the person: it labels a sample of the map, so that areas have intervals, and reviews a few blocks, with
    which a label project begins.
    """
    from pipelines.demo import is_of_map, label_sample, make_demo_country, make_labels, with_sample
    from pipelines.recipe_files import RECIPES
    from pipelines.run import Run, open_run

    make_demo_country(out / "country")
    # Not by its name, which may be that of a run in the folder that the command is given in.
    unlabelled = open_run(str(RECIPES / "demo.toml"), out, models or out / "models")
    sample, labels = out / "country" / "sample.gpkg", out / "country" / "labels"

    def run(given: Run, until: str | None) -> None:
        _do(given, _stages_until(given, until), workers, None, recheck=False)

    def label() -> None:
        points = label_sample(out, unlabelled.recipe, sample)
        click.echo(f"{points} points of the map were drawn and labelled from the true land cover: {sample}")

    if not sample.exists():
        run(unlabelled, "fields")
        label()
    labelled = Run(with_sample(unlabelled.recipe, sample), out, models or out / "models", unlabelled.origin)
    run(labelled, None)
    if not is_of_map(sample, out):
        label()
        run(labelled, None)
    if not labels.exists():
        reviewed = make_labels(out, labelled.recipe, labels)
        click.echo(
            f"a label project in which the true land cover has reviewed {reviewed} blocks; the rest is yours: {labels}"
        )
        click.echo(
            f"look at it with `croplayer label status {labels}`, and work in it with `croplayer label serve {labels}`"
        )


def _stages_until(run: Run, until: str | None) -> list[str] | None:
    from pipelines.stages.order import stage_names

    if until is None:
        return None
    names = stage_names(run.rules)
    if until not in names:
        raise ValueError(
            f"recipe '{run.recipe.name}' has no stage '{until}'; it has {', '.join(names)}{did_you_mean(until, names)}"
        )
    return names[: names.index(until) + 1]


def _do(run: Run, stages: Collection[str] | None, workers: int | None, scheduler: str | None, recheck: bool) -> None:
    """Run some or all stages of a recipe; exits with 1 when a block is not finished, or the map is empty."""
    from pipelines.engine.carry import carry_over
    from pipelines.engine.cluster import Workers
    from pipelines.engine.lease import lease
    from pipelines.engine.run_log import RunLog
    from pipelines.engine.walk import Walk, run_rules
    from pipelines.plan import warnings_before
    from pipelines.stages.order import stage_names

    names = stage_names(run.rules)
    if stages is not None and not set(stages) & set(names):
        raise ValueError(f"recipe '{run.recipe.name}' has no stage '{', '.join(stages)}'; it has {', '.join(names)}")
    config = run.recipe.cluster.model_copy(update={"workers": workers}) if workers else run.recipe.cluster
    folder = run.output.folder
    log = RunLog(folder.log, len([r for r in run.rules if stages is None or r.stage in stages]))
    walk = Walk(run.output)
    run.check()
    for sentence in warnings_before(run):
        click.echo(f"warning: {sentence}", err=True)
    with lease(folder) as held, log.open(f"recipe {run.recipe.name}"), Workers(config, scheduler) as pool:
        run.output.ledgers.also_check(held.check)
        carried = carry_over(run.folder, run.output)
        if carried is not None:
            click.echo(_carried_sentence(run, carried))
        results = run_rules(run.rules, run.output, pool, log, stages, _say, trusts_times=not recheck, walk=walk)
    _end(run, walk, results)


def _carried_sentence(run: Run, carried: Carried) -> str:
    """What a new edition begins with, before its inputs are looked at."""
    blocks = carried.blocks.get("mosaic", 0)
    where = f"edition '{run.recipe.edition}' in {run.output.folder.root}"
    if not blocks:
        return f"{where} begins without blocks of edition '{carried.edition}', which has other sources, pixels or ground, or lies in another store"
    return f"{where} begins with {blocks} blocks of edition '{carried.edition}'; what differs is done anew"


def _end(run: Run, walk: Walk, results: Sequence[StepResult]) -> None:
    """Say what came of a run; exits with 1 when a block is not finished, or the map is empty."""
    from pipelines.stages.decided import decision_sentences
    from pipelines.summary import steps_over_blocks, summary_of

    folder = run.output.folder
    failed = [(result.name, record) for result in results for record in result.failed]
    for step, record in failed:
        click.echo(f"{step} {record.block.name} failed: {record.reason}", err=True)
    if not any(result.worked for result in results):
        click.echo("nothing to do: everything is up to date")
    for sentence in decision_sentences(folder):
        click.echo(sentence)
    if folder.report.exists():
        is_made = any(result.name == "report" for result in results)
        click.echo(f"report: {folder.report}" + ("" if is_made else ", as `croplayer run` made it last"))
    done = steps_over_blocks(walk.done)
    summary = summary_of(len(run.inputs.blocks), done, results) if done else None
    if summary is not None:
        click.echo(summary.line())
    if failed:
        click.echo(f"{len(failed)} blocks are not finished; run the same command again to retry them", err=True)
    empty = summary.emptiness() if summary is not None else None
    if empty is not None:
        click.echo(f"croplayer: EMPTY MAP: {empty}", err=True)
    if failed or empty is not None:
        sys.exit(UNFINISHED)


def _say(stage: str, results: Sequence[StepResult]) -> None:
    """One line per step that did something; a stage of many steps in one line."""
    worked = [r for r in results if r.worked]
    if len(worked) > STEPS_SHOWN:
        seconds = sum(r.seconds for r in worked)
        click.echo(f"{stage:<10} {sum(r.worked for r in worked)} files of {len(worked)} units in {seconds:.1f} s")
        return
    for result in worked:
        each = f", {1000 * result.seconds / result.worked:.1f} ms each" if result.worked > 1 else ""
        name = "" if result.name == stage else result.name
        click.echo(f"{stage:<10} {name:<15} {result.worked} of {result.total} in {result.seconds:.1f} s{each}")
