"""``croplayer fields``: the stage, and what became of the fields of an earlier run."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.commands.stage_group import StageOrCommand

ENDINGS = (".parquet", ".csv")


@click.group(cls=StageOrCommand)
def fields() -> None:
    """Single fields: `fields RECIPE` is the stage; `fields match BEFORE AFTER` compares two runs."""


@fields.command("match")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Table: .parquet or .csv.")
def match(before: Path, after: Path, out: Path) -> None:
    """Tell what became of every field of the run BEFORE in the run AFTER.

    The table has a row for each pair of fields of which one is a part of the other, and for each field without a
    counterpart: their ids, what happened (same, changed, split, merged, reshaped, new, gone), their IoU and their areas.
    """
    from croplayer.cube.field_editions import match_runs
    from croplayer.fields.matching import KINDS
    from croplayer.files.tables import write_csv, write_parquet

    if out.suffix not in ENDINGS:
        raise ValueError(f"{out} ends in '{out.suffix}'; expected {' or '.join(ENDINGS)}")
    table = match_runs(before, after)
    write = write_parquet if out.suffix == ".parquet" else write_csv
    click.echo(write(out, table))
    counts = table.kind.value_counts()
    click.echo(", ".join(f"{counts.get(kind, 0):,} {kind}" for kind in KINDS), err=True)
