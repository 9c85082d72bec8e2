"""``croplayer verify`` and ``doctor``: check a run, or what a run needs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.exit_codes import UNFINISHED

if TYPE_CHECKING:
    from stores.run_folder import RunFolder


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--repair",
    "mend",
    is_flag=True,
    help="Mark what is damaged as not done; running the recipe again redoes only that.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(out: Path, mend: bool, as_json: bool) -> None:
    """Check every byte of the run in OUT, of all its editions, against their ledgers.

    Exits with 1 when anything is damaged or unfinished.
    """
    from pipelines.engine.lease import lease
    from pipelines.verify import find_problems, repair
    from stores.run_folder import run_at

    folder = run_at(out)
    found = {edition: find_problems(edition) for edition in _editions(folder)}
    problems = [problem for each in found.values() for problem in each]
    if as_json:
        click.echo(json.dumps({"problems": [p.sentence for p in problems]}, indent=1, ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(problem.sentence)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        click.echo(count if problems else "no problems: every file matches its ledger")
    if mend and problems:
        for edition, damaged in found.items():
            with lease(edition):
                repair(edition, damaged)
        click.echo("marked what a run can redo; run the recipe again", err=as_json)
    if problems:
        sys.exit(UNFINISHED)


def _editions(folder: RunFolder) -> list[RunFolder]:
    """The folders of a run's editions; the run's own where its ledgers cannot tell."""
    try:
        return list(folder.editions().values()) or [folder]
    except ValueError:
        return [folder, *folder.later_editions()]


@click.command()
@click.argument("target", required=False)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Folder for runs; a recipe's own run is looked for in it under the name of the recipe's file.",
)
def doctor(target: str | None, out: Path) -> None:
    """Check whether this machine, and a recipe or a bucket (s3://BUCKET/PREFIX) as TARGET, are fit for a run.

    A RECIPE is a file or the name of an included recipe.

    Prints one line per check; exits with 1 when a check finds a problem.
    """
    from pipelines.doctor import examine

    findings = []
    for finding in examine(target, out):
        findings.append(finding)
        click.echo(f"{'ok' if finding.is_fine else 'problem':<8} {finding.name:<17} {finding.sentence}")
    if not all(f.is_fine for f in findings):
        sys.exit(UNFINISHED)
