from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from croplayer.active.agreement import ALL, agreements
from croplayer.active.judgements import Judgement, JudgementKind

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def points(person: str, classes: str, minutes: int = 0, sample: str = "s") -> list[Judgement]:
    names = {"1": "cropland", "0": "not cropland"}
    time = NOON + timedelta(minutes=minutes)
    return [
        Judgement(JudgementKind.POINT, f"p{i}", sample, names[c], person, time)
        for i, c in enumerate(classes)
        if c in names
    ]  # fmt: skip


def test_only_cases_of_two_people_count() -> None:
    assert agreements(points("Li", "1100")) == []
    (found,) = agreements([*points("Li", "110011"), *points("Anna", "10 0")])
    assert (found.kind, found.source, found.people) == (JudgementKind.POINT, "s", ALL)
    # Two of three are the same; by hand: po = 2/3, pe = (2/3 * 1/3 + 1/3 * 2/3) = 4/9.
    assert found.kappa.cases == 3
    assert found.kappa.value == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))


def test_of_three_people_the_first_two_make_a_case_and_each_pair_its_own() -> None:
    said = [*points("Li", "1100"), *points("Anna", "1100", 5), *points("Bo", "0011", 9)]
    found = {a.people: a.kappa for a in agreements(said)}
    assert list(found) == [ALL, "Anna and Bo", "Anna and Li", "Bo and Li"]
    assert found[ALL].value == found["Anna and Li"].value == 1
    assert found["Anna and Bo"].value == found["Bo and Li"].value == -1


def test_samples_with_the_same_ids_are_kept_apart() -> None:
    said = [*points("Li", "11"), *points("Anna", "11"), *points("Anna", "00", sample="t")]
    assert [(a.source, a.kappa.cases) for a in agreements(said)] == [("s", 2)]


def test_judgements_of_different_masks_are_no_case() -> None:
    kind, blocks = JudgementKind.CORRECTNESS, ["b1", "b2", "b3"]
    li = [Judgement(kind, block, "A", "TP", "Li", NOON, shown="round 1") for block in blocks]
    anna = [Judgement(kind, block, "A", "FP", "Anna", NOON, shown="round 2") for block in blocks]
    assert agreements([*li, *anna]) == []
    (found,) = agreements([*li, anna[0], *(replace(one, shown="round 1") for one in anna[1:])])
    assert found.kappa.cases == 2
