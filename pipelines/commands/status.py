"""``croplayer status``: the progress of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipelines.status import RunStatus


@click.command()
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(run: str, as_json: bool) -> None:
    """Show the progress of the run in the folder RUN: steps, blocks done, left and failed, rate, time left.

    Later editions of the run follow the first; FOLDER@EDITION shows that one alone. It can be used while the run is running.
    """
    from pipelines.status import lines, status_of
    from stores.run_folder import RunFolder, edition_at, parted

    named = parted(run)[1]
    folder = edition_at(run) if named else RunFolder(Path(run))
    found = status_of(folder)
    later = {} if named else {each.root.name: status_of(each) for each in folder.later_editions()}
    if as_json:
        facts = _facts(found) | ({"editions": {name: _facts(each) for name, each in later.items()}} if later else {})
        click.echo(json.dumps(facts, indent=1, default=str))
        return
    for each in (found, *later.values()):
        for line in lines(each):
            click.echo(line)


def _facts(found: RunStatus) -> dict[str, Any]:
    return {**found._asdict(), "steps": [step._asdict() for step in found.steps]}
