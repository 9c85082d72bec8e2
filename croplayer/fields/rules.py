"""What was learned about fields: which basins to join, and how often a field found is a field drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from croplayer.kernels.joining import FEATURES, ScoreRule
from stores.durable import digest_bytes

CONFIDENCE_FEATURES = (
    "log_area", "compactness", "mean_cropland", "mean_boundary", "sure_share", "bounded_share", "outside_cropland",
    "outline_boundary", "beside_field_share", "area_over_perimeter",
)  # fmt: skip
"""What the confidence of a field is computed from, in the order of `field_features`."""

QUERIES = "queries"
"""Name of the rules for networks whose queries were taught single fields: nothing is learned from the scores of others."""
HALF = 0.5


@dataclass(frozen=True)
class LearnedPair:
    """The two rules for maps of one kind."""

    join: ScoreRule
    """Scores two touching regions by `kernels.joining.FEATURES`."""
    confidence: ScoreRule
    """Scores a field by `CONFIDENCE_FEATURES`: the logit of the probability that it matches a drawn field at IoU 0.5."""


@dataclass(frozen=True)
class FieldRules:
    """All rules of one origin."""

    name: str
    origin: Mapping[str, Any]
    """What they learned from, their licence, and the figures of scenes held out."""
    with_boundaries: LearnedPair
    """For networks that tell the boundaries of fields."""
    without_boundaries: LearnedPair
    """For networks that tell cropland alone."""
    digest: str
    """SHA-256 of the file."""

    def of(self, tells_boundaries: bool) -> LearnedPair:
        """The rules for a network."""
        return self.with_boundaries if tells_boundaries else self.without_boundaries


@lru_cache(maxsize=4)
def load_rules(place: str = "default") -> FieldRules:
    """The rules of a JSON file, the included ones by the name ``default``, or those of ``queries``.

    Raises FileNotFoundError without a file, ValueError when it is no file of rules, or of rules about other features.
    """
    if place == QUERIES:
        return _of_queries()
    if place == "default":
        data = resources.files("croplayer.fields").joinpath("default_rules.json").read_bytes()
    else:
        path = Path(place)
        if not path.is_file():
            raise FileNotFoundError(f"there are no field rules at {path}; expected a JSON file, 'default' or 'queries'")
        data = path.read_bytes()
    try:
        stated = json.loads(data)
        pairs = {kind: _pair(stated[kind]) for kind in ("with_boundaries", "without_boundaries")}
        return FieldRules(str(stated["name"]), dict(stated["origin"]), **pairs, digest=digest_bytes(data).sha256)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{place} holds no field rules: {error}; learn them with 'croplayer models learn-fields'"
        ) from None


def rules_text(name: str, origin: Mapping[str, Any], pairs: Mapping[str, LearnedPair]) -> str:
    """The JSON file that `load_rules` reads."""
    stated = {
        kind: {"join": _stated(pair.join, FEATURES), "confidence": _stated(pair.confidence, CONFIDENCE_FEATURES)}
        for kind, pair in pairs.items()
    }
    return json.dumps({"name": name, "origin": dict(origin)} | stated, indent=1) + "\n"


def score_all(rule: ScoreRule, features: np.ndarray) -> np.ndarray:
    """Scores (n,) float64 of the rows of features (n, k)."""
    return np.maximum(features @ rule.hidden.T + rule.shift, 0) @ rule.out + rule.bias


def _of_queries() -> FieldRules:
    """Two regions are one field where one query covers both sides of the line between them by more than half, on average.

    The confidence is that of the included rules.
    """
    included = load_rules()
    covers = np.zeros((1, len(FEATURES)))
    covers[0, FEATURES.index("line_boundary")] = 1
    pair = LearnedPair(ScoreRule(covers, np.zeros(1), np.array([-1.0]), HALF), included.with_boundaries.confidence)
    origin = {
        "learned_from": "nothing; the confidence is that of the included rules",
        "licence": included.origin["licence"],
    }
    text = rules_text(QUERIES, origin, {"with_boundaries": pair, "without_boundaries": included.without_boundaries})
    return FieldRules(QUERIES, origin, pair, included.without_boundaries, digest_bytes(text.encode()).sha256)


def _stated(rule: ScoreRule, features: tuple[str, ...]) -> dict[str, Any]:
    return {
        "features": list(features),
        "hidden": [[float(f"{value:.7g}") for value in row] for row in rule.hidden],
        "shift": [float(f"{value:.7g}") for value in rule.shift],
        "out": [float(f"{value:.7g}") for value in rule.out],
        "bias": float(f"{rule.bias:.7g}"),
    }


def _pair(stated: Mapping[str, Any]) -> LearnedPair:
    return LearnedPair(_rule(stated["join"], FEATURES), _rule(stated["confidence"], CONFIDENCE_FEATURES))


def _rule(stated: Mapping[str, Any], features: tuple[str, ...]) -> ScoreRule:
    if tuple(stated["features"]) != features:
        raise ValueError(f"its features are {', '.join(stated['features'])}; expected {', '.join(features)}")
    hidden, shift, out = (np.array(stated[name], np.float64) for name in ("hidden", "shift", "out"))
    if hidden.shape != (len(out), len(features)) or shift.shape != out.shape or out.ndim != 1:
        raise ValueError(
            f"its weights are {hidden.shape}, {shift.shape} and {out.shape}; expected one row a hidden unit"
        )
    rule = ScoreRule(hidden, shift, out, float(stated["bias"]))
    if not all(np.isfinite(part).all() for part in rule):
        raise ValueError("a weight is not a finite number")
    return rule
