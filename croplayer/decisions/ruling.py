"""What decides: a classifier that was shown to be better than the rules, or the rules."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.decisions.boosting import Classifier, fit
from croplayer.decisions.classifier_files import KeptClassifier
from croplayer.decisions.quality import Judged, Samples, judge, judge_given
from croplayer.decisions.rules import NO_SAMPLES
from croplayer.decisions.trial import Trial, hold_trial
from croplayer.evaluation.clusters import lattice_squares


class Ruling(NamedTuple):
    """What decides all blocks, and why."""

    method: str
    """What decides, in words."""
    classifier: Classifier | None = None
    """The classifier that decides; None for the rules."""
    judged: Judged | None = None
    """Its quality on samples that it has not seen; None for rules, or without such samples."""
    trial: Trial | None = None
    """Its comparison with the rules and the commonest class; None where there was nothing to compare."""
    fitted: int = 0
    """Number of samples that the classifier was fitted to."""
    given: KeptClassifier | None = None
    """The files that the classifier comes from; None for one that was fitted here."""
    reviewer: str = ""
    """Who reviewed the samples of a classifier that was fitted here."""


def rule_on(samples: Samples, reviewer: str, seed: int, given: KeptClassifier | None) -> Ruling:
    """Decide what decides.

    A classifier that is fitted to the samples decides if it beats the commonest class and the rules where it was held out
    by squares of land (`trial`). A given classifier decides; the samples of blocks that it was not fitted to measure it.

    Parameters
    ----------
    samples : reviewed samples, with their classes by the rules if there are rules; may be none
    reviewer : who reviewed the samples
    given : a classifier that was fitted elsewhere; None fits one

    Raises
    ------
    ValueError if no classifier decides and there are no rules.
    """
    if given is not None:
        return _given(given, samples, reviewer, seed)
    if not len(samples.codes):
        return _rules_stay(NO_SAMPLES, samples)
    count = f"{len(samples.codes)} samples reviewed by {reviewer}"
    cannot = _cannot_fit(samples)
    if cannot:
        return _rules_stay(f"{count} {cannot}, so no classifier can be fitted and tried", samples)
    judged = judge(samples, seed)
    trial = _trial(samples, judged)
    if not trial.is_won:
        return _rules_stay(f"XGBoost on {count} is not shown to beat simpler answers: {trial.words}", samples, trial)
    classifier = fit(samples.matrix, samples.codes, samples.names, seed, categorical=samples.categorical)
    return Ruling(f"XGBoost on {count}", classifier, judged, trial, len(samples.codes), reviewer=reviewer)


def _cannot_fit(samples: Samples) -> str:
    """Why no classifier can be fitted and held out; empty if one can."""
    if len(np.unique(samples.codes)) < 2:
        return f"are all of the class {samples.labels[samples.codes[0]]}"
    square, _ = lattice_squares(samples.place.row.to_numpy(), samples.place.col.to_numpy())
    return "" if len(np.unique(square)) > 1 else "all lie in one square of land"


def _rules_stay(why: str, samples: Samples, trial: Trial | None = None) -> Ruling:
    if samples.by_rules is None:
        raise ValueError(
            "the recipe defines its own classes of correctness, which need reviewed blocks and a classifier fitted to them "
            f"({why}); review more blocks, or use the default classes, the only ones that the rules support"
        )
    return Ruling(f"rules ({why})", trial=trial)


def _trial(samples: Samples, judged: Judged) -> Trial:
    held = judged.by_place
    predicted = np.array([samples.labels.index(label) for label in held.predicted], np.int64)
    return hold_trial(samples.codes, predicted, samples.by_rules, held.square.to_numpy(), samples.labels)


def _given(given: KeptClassifier, samples: Samples, reviewer: str, seed: int) -> Ruling:
    unseen = samples.only(~samples.place.block.isin(given.manifest.blocks).to_numpy())
    fitted = given.manifest.samples
    if not len(unseen.codes):
        return Ruling(
            f"{given.words}; no reviewed blocks measure it here", given.classifier, fitted=fitted, given=given
        )
    judged = judge_given(unseen, given.classifier, seed)
    trial = _trial(unseen, judged)
    beats = "beats simpler answers" if trial.is_won else "is not shown to beat simpler answers"
    method = f"{given.words}; by {len(unseen.codes)} samples reviewed by {reviewer} it {beats} here: {trial.words}"
    return Ruling(method, given.classifier, judged, trial, fitted, given)
