"""Stage judge: semantic correctness of every source in every block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from croplayer.decisions.boosting import Judged
from croplayer.decisions.correctness import Decided
from croplayer.durable import digest_file
from croplayer.tables import record_table, write_csv, write_parquet
from pipelines.assess import assess_step
from pipelines.describe import describe_step
from pipelines.fingerprint import fingerprint
from pipelines.run import Run
from pipelines.steps import OutputStep, Step


def features(run: Run) -> pd.DataFrame:
    """Block table of the features measured so far."""
    assessed = record_table(run.records(assess_step(run)).values())
    described = record_table(run.records(describe_step(run)).values())
    return assessed.merge(described.drop(columns=["row", "col"]), on="block", how="inner")


def optional_digest(path: str | None) -> str | None:
    """Digest of an optional input file; raises FileNotFoundError when it is named but not there."""
    return digest_file(Path(path)).sha256 if path else None


def judge_step(run: Run) -> OutputStep:
    decisions = run.recipe.decisions

    def make() -> Sequence[Path]:
        from croplayer.decisions.correctness import decide_correctness
        from croplayer.decisions.samples import read_correctness_samples

        samples = None
        if decisions.correctness_samples:
            samples = read_correctness_samples(Path(decisions.correctness_samples), run.recipe.source_names)
        decided = decide_correctness(features(run), run.recipe.source_names, samples, decisions.seed)
        return write_decided(run, "correctness", decided)

    return OutputStep(
        name="judge",
        fingerprint=fingerprint(
            "judge",
            assess=run.results_digest(assess_step(run)),
            describe=run.results_digest(describe_step(run)),
            samples=optional_digest(decisions.correctness_samples),
            seed=decisions.seed,
        ),
        make=make,
    )


def write_decided(run: Run, name: str, decided: Decided) -> list[Path]:
    """Decisions, method and, for a classifier, its held-out quality as tables."""
    judged = decided.judged
    summary: dict[str, object] = {"method": decided.method, "accuracy": None, "held_out": None, "fitted": None}
    if judged is not None:
        summary |= {"accuracy": judged.accuracy, "held_out": judged.held_out, "fitted": judged.fitted}
    paths = [
        write_parquet(run.folder.table(f"{name}.parquet"), decided.table),
        write_csv(run.folder.table(f"{name}_method.csv"), pd.DataFrame([summary])),
    ]
    return paths + (_write_judged(run, name, judged) if judged else [])


def _write_judged(run: Run, name: str, judged: Judged) -> list[Path]:
    return [
        write_csv(run.folder.table(f"{name}_importance.csv"), judged.importance),
        write_csv(run.folder.table(f"{name}_confusion.csv"), pd.DataFrame(judged.confusion)),
    ]


def steps(run: Run) -> list[Step]:
    return [judge_step(run)]
