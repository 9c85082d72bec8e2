"""Write the tables of decisions and of how they were made, and the classifier that made them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from croplayer.decisions.rules import RULES
from croplayer.files.tables import write_csv, write_parquet
from pipelines.recipe import Recipe
from stores.durable import write_durable
from stores.run_folder import RunFolder
from stores.tables import DECISION_TABLES

if TYPE_CHECKING:
    from croplayer.decisions.correctness import Decided

DECISIONS = ("correctness", "integration")


def write_decided(folder: RunFolder, name: str, decided: Decided, recipe: Recipe) -> list[Path]:
    """Decisions, method, trial and, for a classifier, its held-out quality as tables (stores.tables), and its files."""
    judged, ruling = decided.judged, decided.ruling
    summary: dict[str, object] = {"method": decided.method, "accuracy": None, "held_out": None, "fitted": None}
    if judged is not None:
        first = judged.accuracy.iloc[0]
        summary |= {"accuracy": first.accuracy, "held_out": first.samples, "fitted": ruling.fitted}
    elif ruling.given is not None:
        manifest = ruling.given.manifest
        summary |= {"accuracy": manifest.accuracy, "held_out": manifest.samples, "fitted": manifest.samples}
    paths = [
        write_parquet(folder.table(f"{name}.parquet"), decided.table),
        write_csv(folder.table(f"{name}_method.csv"), pd.DataFrame([summary])),
    ]
    trial = None if ruling.trial is None else ruling.trial.table
    tables = {f"{name}_trial.csv": trial}
    for kind in DECISION_TABLES:
        file = f"{name}_{kind}.{'parquet' if kind == 'held_out' else 'csv'}"
        tables[file] = None if judged is None else getattr(judged, kind)
    for file, table in tables.items():
        path = folder.table(file)
        if table is None:
            # The report must not find figures of a classifier that no longer decides.
            path.unlink(missing_ok=True)
            continue
        paths.append(write_parquet(path, table) if path.suffix == ".parquet" else write_csv(path, table))
    return [*paths, *_write_classifier(folder, name, decided, recipe)]


def decision_sentences(folder: RunFolder) -> Iterator[str]:
    """One sentence for each decision that reviews or a named classifier had a part in: what decided, with its figures."""
    for name in DECISIONS:
        path = folder.table(f"{name}_method.csv")
        if not path.is_file():
            continue
        method = str(pd.read_csv(path, keep_default_na=False).method.iloc[0])
        if method != RULES:
            yield f"{name} was decided by {method}"


def _write_classifier(folder: RunFolder, name: str, decided: Decided, recipe: Recipe) -> list[Path]:
    """Keep the classifier that was fitted here and decides; remove the files of an earlier one otherwise."""
    from croplayer.decisions.classifier_files import classifier_bytes, manifest_path, trees_path

    manifest = manifest_path(folder.root, name)
    trees = trees_path(manifest)
    ruling = decided.ruling
    if ruling.classifier is None or ruling.given is not None or ruling.judged is None or ruling.trial is None:
        manifest.unlink(missing_ok=True)
        trees.unlink(missing_ok=True)
        return []
    samples = decided.samples
    manifest_data, trees_data = classifier_bytes(
        ruling.classifier, samples.columns, samples.labels, kind=name, samples=ruling.fitted,
        accuracy=round(float(ruling.judged.accuracy.accuracy.iloc[-1]), 6), reviewer=ruling.reviewer,
        trial=tuple(ruling.trial.table.round(6).to_dict("records")), sources=recipe.source_names,
        fitted_on={"recipe": recipe.name, "edition": recipe.edition}, blocks=tuple(sorted(set(samples.place.block))),
    )  # fmt: skip
    write_durable(trees, trees_data)
    write_durable(manifest, manifest_data)
    return [manifest, trees]
