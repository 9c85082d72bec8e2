"""Write the tables of decisions and of how they were made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from croplayer.files.tables import write_csv, write_parquet
from stores.run_folder import RunFolder
from stores.tables import DECISION_TABLES

if TYPE_CHECKING:
    from croplayer.decisions.correctness import Decided


def write_decided(folder: RunFolder, name: str, decided: Decided) -> list[Path]:
    """Decisions, method and, for a classifier, its held-out quality as tables (stores.tables)."""
    judged = decided.judged
    summary: dict[str, object] = {"method": decided.method, "accuracy": None, "held_out": None, "fitted": None}
    if judged is not None:
        first = judged.accuracy.iloc[0]
        summary |= {"accuracy": first.accuracy, "held_out": first.samples, "fitted": first.samples}
    paths = [
        write_parquet(folder.table(f"{name}.parquet"), decided.table),
        write_csv(folder.table(f"{name}_method.csv"), pd.DataFrame([summary])),
    ]
    for kind in DECISION_TABLES:
        path = folder.table(f"{name}_{kind}.{'parquet' if kind == 'held_out' else 'csv'}")
        if judged is None:
            # The report must not find figures of a classifier that no longer decides.
            path.unlink(missing_ok=True)
            continue
        table = getattr(judged, kind)
        paths.append(write_parquet(path, table) if path.suffix == ".parquet" else write_csv(path, table))
    return paths
