"""The run's reviews and overrides of mapped blocks, and the classifiers that its recipe names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from croplayer.decisions.reviews import of_mapped_blocks, read_reviews
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier
from pipelines.engine.run_log import messages
from stores.durable import digest_file

if TYPE_CHECKING:
    from croplayer.decisions.classifier_files import KeptClassifier


def review_files(inputs: Inputs, output: Output) -> list[Path]:
    """The run's review files: the recipe's, or the one made from the reference."""
    if inputs.recipe.decisions.review_from_reference:
        return [output.folder.table("reviews.csv")]
    return [Path(p) for p in inputs.recipe.decisions.reviews]


def reviews_digest(inputs: Inputs, output: Output) -> list[str]:
    """Digests of the review files; raises FileNotFoundError when one is named but not there."""
    return [digest_file(path).sha256 for path in review_files(inputs, output)]


def reviews(inputs: Inputs, output: Output, mapped: pd.Series) -> pd.DataFrame | None:
    """Reviewed blocks of the run that are mapped, or None when no block is reviewed."""
    files = review_files(inputs, output)
    if not files:
        return None
    table = read_reviews(files, inputs.recipe.source_names, inputs.recipe.decisions.correctness_classes)
    return without_failed(inputs, table, mapped, "reviews")


def without_failed(inputs: Inputs, table: pd.DataFrame, mapped: pd.Series, what: str) -> pd.DataFrame:
    """Rows of mapped blocks; a message names those that are left out because their block failed."""
    kept, failed = of_mapped_blocks(table, mapped, inputs.blocks)
    if failed:
        messages.warning("%s of %d failed blocks are left out: %s", what, len(failed), ", ".join(failed))
    return kept


def features(done: Earlier) -> pd.DataFrame:
    """Block table of the features that the steps assess and describe measured."""
    described = done["describe"].table()
    return done["assess"].table().merge(described.drop(columns=["row", "col"]), on="block", how="inner")


def named_classifier(inputs: Inputs, kind: str) -> KeptClassifier | None:
    """The classifier of a kind, correctness or integration, that the recipe names; None if it names none."""
    from croplayer.decisions.classifier_files import read_named

    decisions, names = inputs.recipe.decisions, inputs.recipe.source_names
    place = decisions.model_of(kind)
    return None if place is None else read_named(Path(place), kind, names, decisions.correctness_classes)


def classifier_digest(inputs: Inputs, kind: str) -> str | None:
    """Digest of the manifest of that classifier, which holds the digest of its trees; None if the recipe names none."""
    place = inputs.recipe.decisions.model_of(kind)
    if place is None:
        return None
    from croplayer.decisions.classifier_files import manifest_path

    return digest_file(manifest_path(Path(place), kind)).sha256
