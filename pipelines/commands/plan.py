"""``croplayer plan`` and ``croplayer explain``: what a run would take, and what it would do and why."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pipelines.commands.options import MODELS, OUT

FACT_WIDTH = 28
"""Letters that the names of facts take at least."""
_TARGET = click.argument("target", metavar="RECIPE|RUN")


@click.command()
@_TARGET
@OUT
@MODELS
@click.option(
    "--pilot",
    type=click.Path(path_type=Path),
    help="Folder of a finished run of similar blocks; time, disk space and object counts are estimated from it.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Of a new edition, compare the files under each block now, as the run will, to tell which blocks it does again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan(target: str, out: Path | None, models: Path | None, pilot: Path | None, compare: bool, as_json: bool) -> None:
    """Show what a run of a recipe would take, without starting it.

    RECIPE is a recipe file or the name of an included recipe. For the folder of a RUN, or where the folder of --out
    holds a run already, plan also says what would be redone and why; for a new edition of that run, how many blocks are carried
    over from the edition before, how many are done again and why, and what that costs.
    """
    from pipelines.engine.carry import edition_before
    from pipelines.engine.output import Output
    from pipelines.explain import explain, sentences
    from pipelines.plan import plan_of
    from pipelines.run import open_run
    from pipelines.update_plan import update_plan

    opened = open_run(target, out, models)
    facts = plan_of(opened, pilot)
    folder = opened.output.folder.root
    before = edition_before(opened.folder, opened.recipe.edition) if opened.recipe.sources else None
    if before is not None:
        opened.output = Output(opened.folder.editions()[before], opened.inputs)
        facts |= update_plan(opened, before, opened.output, compare).facts(opened.output, opened.recipe.cluster.workers)
    has_run = opened.output.folder.outputs.exists()
    reasons = [reason for reason in explain(opened) if reason.left] if has_run else []
    due = list(sentences(reasons)) if reasons else []
    if as_json:
        click.echo(json.dumps(facts | ({"would be done": due} if due else {}), indent=1, ensure_ascii=False))
        return
    warnings = facts.pop("warnings", [])
    width = max(FACT_WIDTH, *map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name:<{width}} {value}")
    holds = "which holds a run" if has_run else "which holds no run yet"
    if before is not None:
        holds = f"a new edition, which begins with the blocks of edition '{before}'"
    click.echo(f"{'folder of the run':<{width}} {folder}, {holds}")
    for line in due or (["nothing: everything is up to date"] if has_run else []):
        click.echo(f"{'would be done':<{width}} {line}")
    for line in warnings:
        click.echo(f"warning: {line}", err=True)


@click.command()
@_TARGET
@OUT
@MODELS
@click.argument("step", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(target: str, step: str | None, out: Path | None, models: Path | None, as_json: bool) -> None:
    """Explain why steps of a run would be done or redone, without doing anything.

    RUN is the folder of a run; a RECIPE is compared with the run in the folder of --out. STEP is the name of
    one step, such as segment; without it every step that would be done is listed.
    """
    from pipelines.explain import decided_by_hand, sentences
    from pipelines.explain import explain as reasons_of
    from pipelines.run import open_run

    opened = open_run(target, out, models)
    opened.check()
    if not opened.output.folder.outputs.exists():
        raise FileNotFoundError(f"{opened.output.folder.root} holds no run to compare with; name its folder with --out")
    reasons = reasons_of(opened)
    if step is not None:
        names = [reason.step for reason in reasons] + [name for reason in reasons for name in reason.later]
        waits = {name for name in names if step.startswith(f"{name}_")}
        if step not in names and not waits:
            raise ValueError(f"{opened.output.folder.root} has no step '{step}'; it has {', '.join(names)}")
        # A step that waits is told by its rule, which names what it waits for.
        asked = {step} if step in names else waits
        reasons = [reason for reason in reasons if asked & {reason.step, *reason.later}]
    if as_json:
        click.echo(json.dumps([reason._asdict() for reason in reasons], indent=1, ensure_ascii=False))
        return
    for line in (*sentences(reasons), *(decided_by_hand(opened) if step is None else ())):
        click.echo(line)
