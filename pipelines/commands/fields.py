"""``croplayer fields``: the stage, and what became of the fields of an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.commands.stage_group import StageOrCommand

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".parquet", ".csv")


@click.group(cls=StageOrCommand)
def fields() -> None:
    """Single fields: `fields RECIPE` is the stage; `fields match` compares two runs, `fields history` several editions."""


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

    _check_ending(out)
    table = match_runs(before, after)
    _write(out, table)
    counts = table.kind.value_counts()
    click.echo(", ".join(f"{counts.get(kind, 0):,} {kind}" for kind in KINDS), err=True)


@fields.command("history")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Table: .parquet or .csv.")
def history(runs: tuple[str, ...], out: Path) -> None:
    """Tell of every field of several editions what it came from and what became of it, in one table.

    RUN... are runs in the order of time, FOLDER or FOLDER@EDITION; one folder that holds several editions stands for all of them.
    The table has a row for each field and edition that has it: the field's name through time, its id and area there, what
    happened since the edition before and by the next one, and which fields it shares ground with.
    """
    from croplayer.cube.field_editions import history_of_runs

    _check_ending(out)
    table = history_of_runs(runs)
    _write(out, table)
    click.echo(f"{table.field.nunique():,} fields in {table.edition.nunique()} editions", err=True)


def _check_ending(out: Path) -> None:
    if out.suffix not in ENDINGS:
        raise ValueError(f"{out} ends in '{out.suffix}'; expected {' or '.join(ENDINGS)}")


def _write(out: Path, table: pd.DataFrame) -> None:
    from croplayer.files.tables import write_csv, write_parquet

    click.echo((write_parquet if out.suffix == ".parquet" else write_csv)(out, table))
