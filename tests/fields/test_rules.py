"""Field rules: the included ones, files of one's own, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from croplayer.fields.rules import CONFIDENCE_FEATURES, load_rules, rules_text, score_all
from croplayer.kernels.joining import FEATURES, ScoreRule
from stores.field_columns import FIELD_COLUMNS

PAGE = Path(__file__).parents[2] / "docs/fields.md"


def test_the_included_rules_say_where_they_come_from() -> None:
    rules = load_rules()
    assert {"learned_from", "licence", "figures"} <= rules.origin.keys()
    for kind in ("with_boundaries", "without_boundaries"):
        assert rules.origin[kind]["f1"][1] < rules.origin[kind]["f1"][0] < rules.origin[kind]["f1"][2]
    assert rules.of(True) is rules.with_boundaries and rules.of(False) is rules.without_boundaries


def test_the_page_tells_the_figures_and_columns_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in ("with_boundaries", "without_boundaries"):
        for measure in ("precision", "recall", "f1", "mean_f1", "panoptic_quality", "boundary_f1"):
            value, low, high = load_rules().origin[kind][measure]
            assert f"{value:.3f} ({low:.3f} to {high:.3f})" in page
    for column in FIELD_COLUMNS:
        assert f"| `{column.name}` | {column.dtype} | {column.unit or '-'} | {column.about} |" in page
        assert len(column.name) <= 10


def test_a_rule_scores_as_a_network_of_one_hidden_layer() -> None:
    rng = np.random.default_rng(0)
    rule = ScoreRule(rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=3), 0.5)
    x = rng.normal(size=(5, 4))
    expected = [sum(o * max(h @ row + s, 0) for h, s, o in zip(*rule[:3], strict=True)) + 0.5 for row in x]
    np.testing.assert_allclose(score_all(rule, x), expected)


def test_rules_survive_their_file(tmp_path: Path) -> None:
    rules = load_rules()
    pairs = {"with_boundaries": rules.with_boundaries, "without_boundaries": rules.without_boundaries}
    (tmp_path / "own.json").write_text(rules_text("own", {"note": "a copy"}, pairs), encoding="utf-8")
    own = load_rules(str(tmp_path / "own.json"))
    assert own.name == "own" and own.digest != rules.digest
    for one, two in zip(own.with_boundaries.join, rules.with_boundaries.join, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stated: stated["with_boundaries"]["join"].update(features=["line_length"]), "its features are line_length"),
        (lambda stated: stated["with_boundaries"]["join"]["hidden"].pop(), "expected one row a hidden unit"),
        (lambda stated: stated["with_boundaries"]["confidence"].update(bias=float("nan")), "not a finite number"),
        (lambda stated: stated.pop("without_boundaries"), "without_boundaries"),
    ],
)  # fmt: skip
def test_files_that_hold_no_rules_are_refused(change: object, words: str, tmp_path: Path) -> None:
    rules = load_rules()
    pairs = {"with_boundaries": rules.with_boundaries, "without_boundaries": rules.without_boundaries}
    stated = json.loads(rules_text("own", {}, pairs))
    change(stated)  # type: ignore[operator]
    (tmp_path / "own.json").write_text(json.dumps(stated), encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        load_rules(str(tmp_path / "own.json"))
    with pytest.raises(FileNotFoundError, match="there are no field rules at"):
        load_rules(str(tmp_path / "none.json"))
    assert len(FEATURES) == 17 and len(CONFIDENCE_FEATURES) == 10
