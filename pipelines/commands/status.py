"""``croplayer status``: the progress of a run."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(run: Path, as_json: bool) -> None:
    """Show the progress of the run in the folder RUN: steps, blocks done, left and failed, rate, time left.

    It can be used while the run is running.
    """
    from pipelines.status import lines, status_of
    from stores.run_folder import RunFolder

    found = status_of(RunFolder(run))
    if as_json:
        facts = {**found._asdict(), "steps": [step._asdict() for step in found.steps]}
        click.echo(json.dumps(facts, indent=1, default=str))
        return
    for line in lines(found):
        click.echo(line)
