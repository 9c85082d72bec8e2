"""Fitted block classifiers as files: the trees in XGBoost's JSON, and a manifest that says what they are and are worth.

``correctness_classifier.json`` is the manifest, ``correctness_classifier_trees.json`` beside it holds the trees; those of
the integration are named likewise. A manifest names no path. The trees are compared with their digest in the manifest and
checked node by node before XGBoost sees them, because it trusts the indices in a file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import xgboost

from croplayer.decisions.boosting import PARAMETERS, ROUNDS, Classifier
from croplayer.decisions.tree_checks import is_written_by_xgboost
from croplayer.measures.features import Feature, correctness_columns, integration_columns
from stores import __version__
from stores.durable import digest_bytes
from stores.legends import CorrectnessClasses, Integration

CORRECTNESS, INTEGRATION = "correctness", "integration"
"""Kinds of classifiers."""
MANIFEST_VERSION = 1
LARGEST_TREES = 64 * 2**20
LARGEST_MANIFEST = 16 * 2**20
"""Largest files that are read, in bytes; a fitted classifier takes about one megabyte."""
LONGEST_TEXT = 200


@dataclass(frozen=True)
class ClassifierManifest:
    """The facts about a fitted classifier."""

    kind: str
    """correctness or integration."""
    features: tuple[tuple[str, tuple[str, ...]], ...]
    """Name of each feature in the order of the fit, with its categories in the order of their codes."""
    labels: tuple[str, ...]
    """All classes by their code."""
    classes: tuple[int, ...]
    """Codes of the classes that it was fitted to and can answer, ascending."""
    trees_sha256: str
    """Digest of the file of trees."""
    samples: int
    """Number of reviewed samples that it was fitted to."""
    accuracy: float
    """Share that it predicted correctly while their squares of land were held out."""
    trial: tuple[Mapping[str, Any], ...]
    """Its comparison with simpler answers on the same samples: rows of `stores.tables.TRIAL`."""
    reviewer: str
    """Who reviewed the samples."""
    fitted_on: Mapping[str, str]
    """recipe and edition of the run."""
    sources: tuple[str, ...]
    """Imagery sources of the run in their order."""
    blocks: tuple[str, ...]
    """Names of the blocks of the samples, sorted."""
    parameters: Mapping[str, Any]
    """Settings of XGBoost."""
    versions: Mapping[str, str]
    """Versions of croplayer and xgboost that fitted it."""
    version: int = MANIFEST_VERSION


@dataclass(frozen=True)
class KeptClassifier:
    """A classifier from its files."""

    classifier: Classifier
    manifest: ClassifierManifest

    @property
    def words(self) -> str:
        """What it is, for "decided by ..."."""
        m = self.manifest
        where = f"recipe {m.fitted_on.get('recipe', '?')} ({m.fitted_on.get('edition', '?')})"
        return (
            f"XGBoost fitted elsewhere, to {m.samples} samples of {where} reviewed by {m.reviewer}, where it was right in "
            f"{100 * m.accuracy:.1f} % of them while their squares of land were held out; its digest is {m.trees_sha256[:12]}"
        )


def manifest_path(place: Path, kind: str) -> Path:
    """The manifest at a place: the file itself, or that of a kind in the folder of a run."""
    return place / "tables" / f"{kind}_classifier.json" if place.is_dir() else place


def trees_path(manifest: Path) -> Path:
    """The file of trees that belongs to a manifest."""
    return manifest.with_name(f"{manifest.stem}_trees.json")


def classifier_bytes(
    classifier: Classifier, columns: Sequence[tuple[Feature, str]], labels: Sequence[str], **facts: Any
) -> tuple[bytes, bytes]:
    """The manifest and the trees of a classifier as bytes; the same classifier gives the same bytes.

    Parameters
    ----------
    columns : the features that it was fitted to
    labels : all classes by their code
    facts : the other fields of `ClassifierManifest`
    """
    trees = bytes(classifier.booster.save_raw("json"))
    manifest = ClassifierManifest(
        features=_declared(columns),
        labels=tuple(labels),
        classes=classifier.classes,
        trees_sha256=digest_bytes(trees).sha256,
        parameters={**PARAMETERS, "num_boost_round": ROUNDS},
        versions={"croplayer": __version__, "xgboost": xgboost.__version__},
        **facts,
    )
    text = json.dumps(asdict(manifest), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode(), trees


def read_classifier(
    place: Path, kind: str, columns: Sequence[tuple[Feature, str]], labels: Sequence[str], sources: Sequence[str]
) -> KeptClassifier:
    """A classifier from its files, for blocks with these features.

    Parameters
    ----------
    place : the manifest, or the folder of a run that kept a classifier
    kind : CORRECTNESS or INTEGRATION
    columns : features of the blocks, in their order
    labels : classes of the run by their code
    sources : imagery sources of the run; those of an integration must be named like those that it was fitted to

    Raises
    ------
    FileNotFoundError if a file is missing; ValueError if it is too large, damaged, or fits other features or classes.
    """
    path = manifest_path(place, kind)
    manifest = _manifest(_read(path, LARGEST_MANIFEST), path)
    if manifest.kind != kind:
        raise ValueError(f"{path} is a classifier of the {manifest.kind}; expected one of the {kind}")
    if kind == INTEGRATION and manifest.sources != tuple(sources):
        raise ValueError(
            f"{path} was fitted to the sources {', '.join(manifest.sources)}, in this order; this run has "
            f"{', '.join(sources)}; name sources of the same kind of imagery alike in the recipe, or fit a classifier here"
        )
    if manifest.labels != tuple(labels):
        raise ValueError(
            f"{path} was fitted to the classes {', '.join(manifest.labels)}; this run has {', '.join(labels)}, so fit a "
            "classifier to reviews of these"
        )
    _check_features(manifest, columns, path)
    beside = trees_path(path)
    trees = _read(beside, LARGEST_TREES)
    if digest_bytes(trees).sha256 != manifest.trees_sha256:
        raise ValueError(f"{beside} does not match its digest in {path.name}; it is damaged or was changed")
    names, categorical = [name for name, _ in manifest.features], [bool(c) for _, c in manifest.features]
    if not is_written_by_xgboost(_parsed(trees, beside), names, categorical, len(manifest.classes)):
        raise ValueError(
            f"{beside} holds no whole trees of XGBoost for the features and classes of its manifest (written with xgboost "
            f"{manifest.versions.get('xgboost', '?')}, read with {xgboost.__version__}); fit the classifier again"
        )
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(trees))
    except (ValueError, xgboost.core.XGBoostError) as error:
        raise ValueError(f"{beside} is no classifier of XGBoost: {str(error).splitlines()[0]}") from error
    return KeptClassifier(Classifier(booster, manifest.classes, tuple(names)), manifest)


def read_named(place: Path, kind: str, sources: Sequence[str], classes: CorrectnessClasses) -> KeptClassifier:
    """`read_classifier` for the blocks of a run with these sources and classes of correctness."""
    if kind == CORRECTNESS:
        # One classifier judges all sources, so its features have no source in their names.
        columns = [(feature, feature.name) for feature, _ in correctness_columns("")]
        return read_classifier(place, kind, columns, classes.labels, sources)
    labels = tuple(choice.label for choice in Integration)
    return read_classifier(place, kind, integration_columns(sources, classes.labels), labels, sources)


def _declared(columns: Sequence[tuple[Feature, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((column, feature.categories) for feature, column in columns)


def _check_features(manifest: ClassifierManifest, columns: Sequence[tuple[Feature, str]], path: Path) -> None:
    own = _declared(columns)
    if len(own) != len(manifest.features):
        raise ValueError(
            f"{path} was fitted to {len(manifest.features)} features; the blocks of this run have {len(own)}; fit a "
            "classifier here"
        )
    for place, (found, fitted) in enumerate(zip(own, manifest.features, strict=True), start=1):
        if found != fitted:
            what = (
                f"'{found[0]}'" if found[0] != fitted[0] else f"'{found[0]}' with the categories {', '.join(found[1])}"
            )
            other = f"'{fitted[0]}'" if found[0] != fitted[0] else f"those of {', '.join(fitted[1])}"
            raise ValueError(
                f"{path}: feature {place} of this run is {what}, the classifier was fitted to {other} there; fit a "
                "classifier here"
            )


def _read(path: Path, largest: int) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no classifier {path}; a run keeps one in tables/ only if it is better than the rules"
        )
    if path.stat().st_size > largest:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; expected at most {largest:,}")
    return path.read_bytes()


def _manifest(data: bytes, path: Path) -> ClassifierManifest:
    values = _parsed(data, path)
    known = {f.name for f in fields(ClassifierManifest)}
    if not isinstance(values, dict) or set(values) != known:
        raise ValueError(f"{path} is not the manifest of a block classifier; expected {', '.join(sorted(known))}")
    if values["version"] != MANIFEST_VERSION:
        raise ValueError(
            f"{path} field 'version' is {values['version']!r:.20}; this croplayer reads {MANIFEST_VERSION}"
        )
    try:
        manifest = ClassifierManifest(
            **values
            | {name: tuple(values[name]) for name in ("labels", "classes", "trial", "sources", "blocks")}
            | {"features": tuple((name, tuple(categories)) for name, categories in values["features"])}
        )
        texts = [
            manifest.kind,
            manifest.reviewer,
            manifest.trees_sha256,
            *manifest.fitted_on.values(),
            *manifest.sources,
        ]
        texts += [*manifest.labels, *manifest.blocks, *(name for name, _ in manifest.features)]
        is_right = all(isinstance(t, str) and t.isprintable() and len(t) <= LONGEST_TEXT for t in texts)
        is_right &= all(type(c) is int for c in (*manifest.classes, manifest.samples))
        is_right &= list(manifest.classes) == sorted(set(manifest.classes)) and len(manifest.classes) > 1
        is_right &= manifest.classes[0] >= 0 and manifest.classes[-1] < len(manifest.labels)
        is_right &= 0 <= manifest.accuracy <= 1 and manifest.samples > 0
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is a damaged manifest of a block classifier: {error}") from error
    if not is_right:
        raise ValueError(f"{path} is a damaged manifest of a block classifier: a field has a value that no fit writes")
    return manifest


def _parsed(data: bytes, path: Path) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
