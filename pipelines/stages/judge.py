"""Stage judge: semantic correctness of every source in every block."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from croplayer.decisions.reviews import REFERENCE, of_mapped_blocks, read_reviews
from croplayer.decisions.sampling import systematic_blocks
from croplayer.files.tables import write_csv, write_parquet
from croplayer.measures.features import feature_table
from croplayer.tasks.review import ReviewTask
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, OutputStep, Step
from pipelines.stages.assess import assess_step
from pipelines.stages.describe import describe_step
from stores.durable import digest_file
from stores.tables import DECISION_TABLES

if TYPE_CHECKING:
    from croplayer.decisions.correctness import Decided


def features(run: Run) -> pd.DataFrame:
    """Block table of the features measured so far."""
    assessed = run.results(assess_step(run)).table()
    described = run.results(describe_step(run)).table()
    return assessed.merge(described.drop(columns=["row", "col"]), on="block", how="inner")


def review_files(run: Run) -> list[Path]:
    """The run's review files: the recipe's, or the one made from the reference."""
    if run.recipe.decisions.review_from_reference:
        return [run.folder.table("reviews.csv")]
    return [Path(p) for p in run.recipe.decisions.reviews]


def reviews(run: Run, mapped: pd.Series) -> pd.DataFrame | None:
    """Reviewed blocks of the run that are mapped, or None when no block is reviewed."""
    files = review_files(run)
    if not files:
        return None
    table = read_reviews(files, run.recipe.source_names, run.recipe.decisions.correctness_classes)
    return without_failed(run, table, mapped, "reviews")


def without_failed(run: Run, table: pd.DataFrame, mapped: pd.Series, what: str) -> pd.DataFrame:
    """Rows of mapped blocks; standard error says which are left out because their block failed."""
    kept, failed = of_mapped_blocks(table, mapped, run.blocks)
    if failed:
        print(f"{what} of {len(failed)} failed blocks are left out: {', '.join(failed)}", file=sys.stderr)
    return kept


def reviews_digest(run: Run) -> list[str]:
    """Digests of the review files; raises FileNotFoundError when one is named but not there."""
    return [digest_file(path).sha256 for path in review_files(run)]


def review_step(run: Run) -> BlockStep:
    """Labels of a systematic sample from the reference."""
    assert run.cube is not None and run.reference is not None
    described = describe_step(run)
    spacing = run.recipe.decisions.sample_deg
    task = ReviewTask(run.cube, run.reference)
    return BlockStep(
        name="review",
        fingerprint=fingerprint(
            "review", describe=described.fingerprint, reference=run.reference.fingerprint(), spacing=spacing
        ),
        blocks=systematic_blocks(run.results(described).blocks, spacing),
        task_for=lambda blocks: task,
        blocks_per_task=16,
    )


def reviews_step(run: Run) -> OutputStep:
    """``tables/reviews.csv``: those labels as a review file like any other."""
    step = review_step(run)

    def make() -> Sequence[Path]:
        assert run.reference is not None
        table = run.results(step).table().drop(columns=["row", "col"])
        return [write_csv(run.folder.table("reviews.csv"), table.assign(reviewer=f"{REFERENCE}'{run.reference.name}'"))]

    return OutputStep(name="reviews", fingerprint=fingerprint("reviews", review=run.results(step).digest), make=make)


def judge_step(run: Run) -> OutputStep:
    decisions = run.recipe.decisions
    names = run.recipe.source_names

    def make() -> Sequence[Path]:
        from croplayer.decisions.correctness import decide_correctness

        blocks = features(run)
        decided = decide_correctness(
            blocks, names, reviews(run, blocks.block), decisions.seed, decisions.correctness_classes
        )
        declared = write_csv(run.folder.table("features.csv"), feature_table(names))
        return [declared, *write_decided(run, "correctness", decided)]

    return OutputStep(
        name="judge",
        fingerprint=fingerprint(
            "judge",
            assess=run.results(assess_step(run)).digest,
            describe=run.results(describe_step(run)).digest,
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


def steps(run: Run) -> Iterator[Step]:
    if run.recipe.decisions.review_from_reference:
        yield review_step(run)
        yield reviews_step(run)
    yield judge_step(run)
