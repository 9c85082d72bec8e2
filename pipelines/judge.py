"""Stage judge: semantic correctness of every source in every block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from croplayer.decisions.reviews import read_reviews
from croplayer.durable import digest_file
from croplayer.features import feature_table
from croplayer.tables import record_table, write_csv, write_parquet
from pipelines.assess import assess_step
from pipelines.describe import describe_step
from pipelines.fingerprint import fingerprint
from pipelines.run import Run
from pipelines.steps import OutputStep, Step
from stores.tables import DECISION_TABLES

if TYPE_CHECKING:
    from croplayer.decisions.correctness import Decided


def features(run: Run) -> pd.DataFrame:
    """Block table of the features measured so far."""
    assessed = record_table(run.records(assess_step(run)).values())
    described = record_table(run.records(describe_step(run)).values())
    return assessed.merge(described.drop(columns=["row", "col"]), on="block", how="inner")


def reviews(run: Run) -> pd.DataFrame | None:
    """Reviewed blocks of the run, or None when the recipe names none."""
    decisions = run.recipe.decisions
    if not decisions.reviews:
        return None
    return read_reviews([Path(p) for p in decisions.reviews], run.recipe.source_names, decisions.correctness_classes)


def reviews_digest(run: Run) -> list[str]:
    """Digests of the review files; raises FileNotFoundError when one is named but not there."""
    return [digest_file(Path(path)).sha256 for path in run.recipe.decisions.reviews]


def judge_step(run: Run) -> OutputStep:
    decisions = run.recipe.decisions
    names = run.recipe.source_names

    def make() -> Sequence[Path]:
        from croplayer.decisions.correctness import decide_correctness

        decided = decide_correctness(features(run), names, reviews(run), decisions.seed, decisions.correctness_classes)
        declared = write_csv(run.folder.table("features.csv"), feature_table(names))
        return [declared, *write_decided(run, "correctness", decided)]

    return OutputStep(
        name="judge",
        fingerprint=fingerprint(
            "judge",
            assess=run.results_digest(assess_step(run)),
            describe=run.results_digest(describe_step(run)),
            reviews=reviews_digest(run),
            classes=(decisions.classes, decisions.correct),
            seed=decisions.seed,
        ),
        make=make,
    )


def write_decided(run: Run, name: str, decided: Decided) -> list[Path]:
    """Decisions, method and, for a classifier, its held-out quality as tables (stores.tables)."""
    judged = decided.judged
    summary: dict[str, object] = {"method": decided.method, "accuracy": None, "held_out": None, "fitted": None}
    if judged is not None:
        first = judged.accuracy.iloc[0]
        summary |= {"accuracy": first.accuracy, "held_out": first.samples, "fitted": first.samples}
    paths = [
        write_parquet(run.folder.table(f"{name}.parquet"), decided.table),
        write_csv(run.folder.table(f"{name}_method.csv"), pd.DataFrame([summary])),
    ]
    for kind in DECISION_TABLES:
        path = run.folder.table(f"{name}_{kind}.{'parquet' if kind == 'held_out' else 'csv'}")
        if judged is None:
            # Figures of a classifier that no longer decides must not be found by the report.
            path.unlink(missing_ok=True)
            continue
        table = getattr(judged, kind)
        paths.append(write_parquet(path, table) if path.suffix == ".parquet" else write_csv(path, table))
    return paths


def steps(run: Run) -> list[Step]:
    return [judge_step(run)]
