"""The command line."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import croplayer
from pipelines.commands.area import area
from pipelines.commands.judge import StageOrCommand, judge
from pipelines.commands.landscape import landscape
from pipelines.commands.models import models
from pipelines.commands.options import bounds_of
from pipelines.recipe_files import RecipeError, find_recipe, load_recipe

BAD_INPUT = 2
UNFINISHED = 1
INTERRUPTED = 130
STEPS_SHOWN = 8

EXPECTED_ERRORS = (
    RecipeError,
    ValueError,
    FileExistsError,
    FileNotFoundError,
    PermissionError,
    BlockingIOError,
    RuntimeError,
    ConnectionError,
)


class _Group(click.Group):
    """Turns the errors a user can cause into one sentence and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (click.exceptions.Exit, click.Abort):  # RuntimeErrors too, with which click ends --help and prompts
            raise
        except EXPECTED_ERRORS as error:
            click.echo(f"croplayer: {error}", err=True)
            context.exit(BAD_INPUT)
        except KeyboardInterrupt:
            click.echo("croplayer: stopped; run the same command again to go on", err=True)
            context.exit(INTERRUPTED)


def stop_on_signal(signum: int, frame: object) -> None:
    """Stop like Ctrl-C does: what is finished is kept, what was under way is done again."""
    raise KeyboardInterrupt


@click.group(cls=_Group)
@click.version_option(croplayer.__version__)
def main() -> None:
    """Cropland maps from two imagery sources, block by block, with the proof that they are right."""
    signal.signal(signal.SIGTERM, stop_on_signal)
    # Threads of torch that spin while they wait are many times slower where other work shares the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.argument("recipe"),
        click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the run; default runs/NAME."),
        click.option(
            "--workers", type=click.IntRange(1), help="Processes of the embedded cluster; default from the recipe."
        ),
        click.option("--scheduler", help="Address of a running Dask scheduler instead of the embedded cluster."),
        click.option(
            "--models", type=click.Path(path_type=Path), help="Folder of trained models; default $CROPLAYER_MODELS."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _open_run(recipe: str, out: Path | None, models: Path | None) -> Any:
    from pipelines.engine.models import Models, default_home
    from pipelines.engine.run import Run
    from stores.run_folder import RunFolder

    path = find_recipe(recipe)
    folder = out or Path("runs") / path.stem
    loaded = load_recipe(path, folder)
    return Run(
        loaded, RunFolder(folder, loaded.store.url if loaded.store else None), Models(models or default_home(), folder)
    )


def _do(run: Any, names: Sequence[str] | None, workers: int | None, scheduler: str | None) -> None:
    """Run some or all stages of a recipe; exits with 1 when a block is not finished."""
    from pipelines.engine.cluster import Workers
    from pipelines.stages.order import check_before, run_stage, stages_of

    stages = stages_of(run.recipe)
    chosen = [s for s in stages if names is None or s.name in names]
    if not chosen:
        raise ValueError(
            f"recipe '{run.recipe.name}' has no stage '{', '.join(names or ())}'; it has {', '.join(s.name for s in stages)}"
        )
    config = run.recipe.cluster.model_copy(update={"workers": workers}) if workers else run.recipe.cluster
    failed = []
    did_work = False
    made: set[str] = set()
    memory = run.folder.memory
    with run.lease(), Workers(config, scheduler) as pool:
        run.check_inputs()
        for stage in chosen:
            if names is not None and stage is chosen[0]:
                check_before(stage, run)
            if names is None and stage.name == "report":
                memory.keep_only(made, ("report", "export_"))
            results = run_stage(stage, run, pool)
            if stage.name == "learn" or names is not None:
                run.write_head()
            for result in results:
                made.add(result.name)
                did_work |= bool(result.worked)
                failed += [(result.name, record) for record in result.failed]
            _say(stage.name, results)
        run.write_head()
        if names is None:
            memory.keep_only(made)
            memory.drop_open()
        if not failed:
            memory.end()
    for step, record in failed:
        click.echo(f"{step} {record.block.name} failed: {record.reason}", err=True)
    if not did_work:
        click.echo("nothing to do: everything is there")
    if run.folder.report.exists():
        click.echo(f"report: {run.folder.report}")
    if failed:
        click.echo(f"{len(failed)} blocks are not finished; run the same command again to try them", err=True)
        sys.exit(UNFINISHED)


def _say(stage: str, results: Sequence[Any]) -> None:
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


@main.command()
@_run_options
@click.option("--until", help="Last stage to run; default all of them.")
def run(
    recipe: str, out: Path | None, workers: int | None, scheduler: str | None, models: Path | None, until: str | None
) -> None:
    """Run all stages of RECIPE (a file, or the name of one that comes with croplayer).

    Running again continues where it stopped; running again when nothing changed does nothing.
    """
    opened = _open_run(recipe, out, models)
    _do(opened, _names_until(opened, until), workers, scheduler)


def _names_until(run: Any, until: str | None) -> list[str] | None:
    if until is None:
        return None
    from pipelines.stages.order import stages_of

    names = [s.name for s in stages_of(run.recipe)]
    if until not in names:
        raise ValueError(f"recipe '{run.recipe.name}' has no stage '{until}'; it has {', '.join(names)}")
    return names[: names.index(until) + 1]


def _stage_command(name: str, about: str) -> click.Command:
    @click.command(name, help=f"Only the stage {name}: {about}.")
    @_run_options
    def stage(recipe: str, out: Path | None, workers: int | None, scheduler: str | None, models: Path | None) -> None:
        _do(_open_run(recipe, out, models), [name], workers, scheduler)

    return stage


for _name, _about in (
    ("learn", "train the models that are not there yet"),
    ("mosaic", "bring the imagery of every source onto the lattice"),
    ("assess", "image quality, coverage type and terrain of every block"),
    ("segment", "map cropland in every source"),
    ("describe", "shape and consistency of the masks"),
    ("integrate", "choose the source of every block and write the map"),
    ("compare", "hold the maps against other products and a reference"),
    ("aggregate", "block table, and areas by admin unit"),
    ("evaluate", "the maps at the levels of pixels, blocks, parcels and provinces"),
    ("report", "figures and the one-file report"),
    ("export", "files for other software by admin unit"),
):
    main.add_command(_stage_command(_name, _about))
judge.add_command(_stage_command("judge", "semantic correctness of every source's masks"), StageOrCommand.STAGE)
main.add_command(judge)


@main.command()
@click.argument("recipe")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the run; default runs/NAME.")
@click.option("--models", type=click.Path(path_type=Path), help="Folder of trained models; default $CROPLAYER_MODELS.")
@click.option(
    "--pilot",
    type=click.Path(path_type=Path),
    help="Folder of a finished run of some like blocks; hours, disk and objects are told by it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(recipe: str, out: Path | None, models: Path | None, pilot: Path | None, as_json: bool) -> None:
    """Say what a run of RECIPE would take before anything starts."""
    from pipelines.plan import plan_of

    facts = plan_of(_open_run(recipe, out, models), pilot)
    if as_json:
        click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    for name, value in facts.items():
        click.echo(f"{name:<28} {value}")


@main.command()
@click.argument("cube", type=click.Path(path_type=Path))
@click.option("--bbox", help="west,south,east,north in degrees.")
@click.option("--polygon", type=click.Path(path_type=Path), help="Vector file; all its polygons together.")
@click.option("--admin", help="Name or code of an admin unit of the run.")
@click.option("--source", help="A source's own mask instead of the integrated map.")
@click.option("--edition", help="Edition of the cube, when it holds several.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="File: .tif, .parquet or .shp.")
def query(
    cube: Path,
    bbox: str | None,
    polygon: Path | None,
    admin: str | None,
    source: str | None,
    edition: str | None,
    out: Path,
) -> None:
    """Cut a region out of CUBE (a run's cube.zarr) into a GeoTIFF, GeoParquet or Shapefile."""
    from croplayer.cube.opening import open_cube
    from croplayer.cube.query import cut_region, write_cut

    if sum(v is not None for v in (bbox, polygon, admin)) != 1:
        raise ValueError("give exactly one of --bbox, --polygon and --admin")
    region: Any = admin
    if bbox is not None:
        region = bounds_of(bbox)
    elif polygon is not None:
        region = _polygon(polygon)
    for path in write_cut(cut_region(open_cube(cube, region, edition), source), out):
        click.echo(path)


def _polygon(path: Path) -> Any:
    from croplayer.vector.read import read_vector

    return read_vector(path, "--polygon").to_crs("EPSG:4326").make_valid().union_all()


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--repair",
    "mend",
    is_flag=True,
    help="Mark what is damaged as not done; running the recipe again redoes just that.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(out: Path, mend: bool, as_json: bool) -> None:
    """Check every byte of the run in OUT against its ledger; exits with 1 when anything is wrong or not finished."""
    from pipelines.engine.run import lease
    from pipelines.verify import find_problems, repair
    from stores.run_folder import RunFolder

    problems = find_problems(RunFolder(out))
    if as_json:
        click.echo(json.dumps({"problems": [p.sentence for p in problems]}, indent=1, ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(problem.sentence)
        click.echo(f"{len(problems)} problems" if problems else "everything is as the ledger says")
    if mend and problems:
        with lease(RunFolder(out)):
            repair(RunFolder(out), problems)
    if problems:
        sys.exit(UNFINISHED)


@main.command()
@click.argument("target", required=False)
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("runs"), help="Folder that runs go to.")
def doctor(target: str | None, out: Path) -> None:
    """Try whether this machine, and a recipe or a bucket (s3://BUCKET/PREFIX) as TARGET, are fit for a run.

    One line for each thing that was tried; exits with 1 when one of them is a problem.
    """
    from pipelines.doctor import examine

    findings = []
    for finding in examine(target, out):
        findings.append(finding)
        click.echo(f"{'ok' if finding.is_fine else 'problem':<8} {finding.name:<17} {finding.sentence}")
    if not all(f.is_fine for f in findings):
        sys.exit(UNFINISHED)


@main.command()
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
    """Make a small synthetic country and map it: the whole job, offline, in a few minutes."""
    from pipelines.demo import make_demo_country

    make_demo_country(out / "country")
    _do(_open_run("demo", out, models or out / "models"), None, workers, None)


main.add_command(area)
main.add_command(landscape)
main.add_command(models)
