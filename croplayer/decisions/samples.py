"""Reviewed blocks and manual overrides, from files that anyone can edit."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

import pandas as pd

from croplayer.grid import BlockIndex
from croplayer.legends import Correctness, Integration


def read_correctness_samples(path: Path, sources: tuple[str, ...]) -> pd.DataFrame:
    """Reviewed blocks as columns block, source, correctness (code of Correctness).

    The file is a CSV with columns block, source and correctness (TP, TN, FP, Noise or Artifacts).
    Raises ValueError naming file, row and field.
    """
    table = _read_csv(path, ("block", "source", "correctness"))
    for row, source in enumerate(table.source, start=2):
        if source not in sources:
            raise ValueError(f"{path} row {row}: source '{source}' is not in the run; it has {', '.join(sources)}")
    table["correctness"] = _codes(path, table.correctness, Correctness)
    _check_unique(path, table, ["block", "source"])
    return table


def read_integration_samples(path: Path) -> pd.DataFrame:
    """Reviewed blocks as columns block, integration (code of Integration).

    The file is a CSV with columns block and integration (Neither, Only A, Only B or Merge both).
    """
    table = _read_csv(path, ("block", "integration"))
    table["integration"] = _codes(path, table.integration, Integration)
    _check_unique(path, table, ["block"])
    return table


def read_overrides(path: Path) -> pd.DataFrame:
    """Manual decisions that win: columns block, integration, reason.

    The file is a CSV with columns block, integration and reason; a reason must be given.
    """
    table = _read_csv(path, ("block", "integration", "reason"))
    for row, reason in enumerate(table.reason, start=2):
        if not reason:
            raise ValueError(f"{path} row {row}: reason is empty; say why the decision is overridden")
    table["integration"] = _codes(path, table.integration, Integration)
    _check_unique(path, table, ["block"])
    return table


def _read_csv(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise ValueError(f"{path} has no column '{missing[0]}'; it has {', '.join(table.columns)}")
    table = table[list(columns)].apply(lambda c: c.str.strip())
    for row, block in enumerate(table.block, start=2):
        try:
            BlockIndex.parse(block)
        except ValueError as error:
            raise ValueError(f"{path} row {row}: {error}") from None
    return table


def _codes(path: Path, labels: pd.Series, classes: type[Correctness] | type[Integration]) -> list[int]:
    members: list[IntEnum] = list(classes)
    known = {getattr(member, "label").casefold(): int(member) for member in members}  # noqa: B009 (enum attribute)
    codes = []
    for row, label in enumerate(labels, start=2):
        if label.casefold() not in known:
            expected = ", ".join(getattr(m, "label") for m in members)  # noqa: B009
            raise ValueError(f"{path} row {row}: {labels.name} '{label}' is unknown; expected one of {expected}")
        codes.append(known[label.casefold()])
    return codes


def _check_unique(path: Path, table: pd.DataFrame, keys: list[str]) -> None:
    double = table.index[table.duplicated(keys)]
    if len(double):
        row = double[0]
        raise ValueError(f"{path} row {row + 2}: {' '.join(table.loc[row, keys])} appears twice")
