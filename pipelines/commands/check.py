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
@click.argument("out")
@click.option(
    "--repair",
    "mend",
    is_flag=True,
    help="Mark what is damaged as not done; running the recipe again redoes only that.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(out: str, mend: bool, as_json: bool) -> None:
    """Check every byte of the run in OUT, of all its editions, against their ledgers; FOLDER@EDITION checks that one alone.

    OUT may be a snapshot, in a folder or at s3://BUCKET/PREFIX; its bytes are checked against its manifest.

    Exits with 1 when anything is damaged or unfinished.
    """
    from pipelines.engine.lease import lease
    from pipelines.snapshots import snapshot_problems
    from pipelines.verify import find_problems, repair
    from stores.places import is_remote
    from stores.run_folder import parted, run_at
    from stores.snapshot import is_snapshot

    if is_snapshot(out):
        if mend:
            raise ValueError(f"{out} is a snapshot; run the same `croplayer snapshot` again to mend it")
        if _tell(list(snapshot_problems(out)), as_json, "every file matches the manifest"):
            sys.exit(UNFINISHED)
        return
    if is_remote(out):
        raise ValueError(f"{out} holds no snapshot; give the folder of the run, which checks its cube in a bucket, too")
    place, named = parted(out)
    folder = run_at(place)
    found = {
        edition: find_problems(edition) for edition in ([folder.of_edition(named)] if named else _editions(folder))
    }
    problems = [problem for each in found.values() for problem in each]
    _tell([problem.sentence for problem in problems], as_json, "every file matches its ledger")
    if mend and problems:
        for edition, damaged in found.items():
            with lease(edition):
                repair(edition, damaged)
        click.echo("marked what a run can redo; run the recipe again", err=as_json)
    if problems:
        sys.exit(UNFINISHED)


def _tell(problems: list[str], as_json: bool, fine: str) -> bool:
    """Print the problems; returns whether there are some."""
    if as_json:
        click.echo(json.dumps({"problems": problems}, indent=1, ensure_ascii=False))
        return bool(problems)
    for sentence in problems:
        click.echo(sentence)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    click.echo(count if problems else f"no problems: {fine}")
    return bool(problems)


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
