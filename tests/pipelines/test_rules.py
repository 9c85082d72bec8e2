"""What a rule may read of earlier steps, and the words for what changed."""

from __future__ import annotations

import pytest

from pipelines.engine.output import Output
from pipelines.engine.rules import Done, Earlier, Rule, always
from pipelines.engine.steps import OutputStep
from pipelines.explain import changes_of
from pipelines.stages.order import STAGES, all_rules


def rule(name: str, after: tuple[str, ...]) -> Rule:
    return Rule(name, "judge", after=after, applies=always, code=(), steps=lambda inputs, output, done: ())


def test_a_rule_sees_only_the_steps_that_it_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    output: Output = object()  # type: ignore[assignment]
    steps = {f"aggregate_{i}": ("aggregate", Done(OutputStep(f"aggregate_{i}", {}, list), output)) for i in (1, 2)}
    steps["mosaic"] = ("mosaic", Done(OutputStep("mosaic", {}, list), output))
    earlier = Earlier(rule("unit_table", ("aggregate",)), steps)
    assert sorted(earlier) == ["aggregate_1", "aggregate_2"] and len(earlier) == 2 and "mosaic" not in list(earlier)
    assert earlier["aggregate_2"].step.name == "aggregate_2"
    with pytest.raises(RuntimeError, match="rule 'unit_table' reads step 'mosaic'"):
        _ = earlier["mosaic"]
    with pytest.raises(TypeError, match="step 'aggregate_1' writes files"):
        _ = earlier["aggregate_1"].results


def test_every_rule_is_of_a_stage_and_follows_rules_before_it() -> None:
    names: list[str] = []
    for each in all_rules():
        assert each.stage in [stage.name for stage in STAGES]
        assert each.name not in names
        assert set(each.after) <= set(names), f"{each.name} follows {set(each.after) - set(names)}"
        names.append(each.name)


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"threshold": "0.5"}, {"threshold": "0.6"}, ["the threshold changed from 0.5 to 0.6"]),
        ({"model": "#aaaaaaaaaaaa"}, {"model": "#bbbbbbbbbbbb"}, ["the model changed"]),
        (
            {"sources.aster": "#aaaaaaaaaaaa"},
            {"sources.aster": "#bbbbbbbbbbbb"},
            ["the way of reading the imagery of aster changed"],
        ),
        ({}, {"products.esa": "#aaaaaaaaaaaa"}, ["the map esa is new"]),
        ({"products.esa": "#aaaaaaaaaaaa"}, {}, ["the map esa is gone"]),
        ({"assess": "#aaaaaaaaaaaa"}, {"assess": "#bbbbbbbbbbbb"}, ["the results of assess changed"]),
        ({"parts.assess": "#aaaaaaaaaaaa"}, {"parts.assess": "#bbbbbbbbbbbb"}, ["the results of assess changed"]),
        ({"code": "#aaaaaaaaaaaa"}, {"code": "#aaaaaaaaaaaa"}, []),
    ],
)
def test_changes_are_told_in_words(before: dict[str, str], now: dict[str, str], words: list[str]) -> None:
    assert list(changes_of(before, now)) == words
