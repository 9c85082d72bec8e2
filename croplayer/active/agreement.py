"""How far people agree who judged the same things."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from croplayer.active.judgements import Judgement, JudgementKind
from croplayer.evaluation.kappa import Kappa, cohen_kappa

ALL = "all"


class Agreement(NamedTuple):
    """The agreement of two people, or of the first two of each case, in one kind of judgement."""

    kind: JudgementKind
    source: str
    """Source or sample; empty for the choice of sources."""
    people: str
    """The two names, or ``all``: of every case the two people who judged it first."""
    kappa: Kappa


def agreements(judgements: Iterable[Judgement], confidence: float = 0.95) -> list[Agreement]:
    """Agreement by kind and source: of all double-judged cases first, then of each two people who share cases.

    Only judgements of the same masks make a case.

    Parameters
    ----------
    judgements : those that stand
    """
    cases: dict[tuple[JudgementKind, str], dict[tuple[str, str], list[Judgement]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for one in judgements:
        if one.value:
            cases[one.kind, one.source][one.subject, one.shown].append(one)
    found = []
    for (kind, source), by_case in sorted(cases.items()):
        pairs: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for said in by_case.values():
            by_name = sorted(said, key=lambda one: one.person)
            # Which of the two is the row of the cross table must not depend on who was faster.
            first = sorted(sorted(said, key=lambda one: (one.time, one.person))[:2], key=lambda one: one.person)
            pairs[ALL] += [(first[0].value, first[1].value)] if len(first) == 2 else []
            for one, other in combinations(by_name, 2):
                pairs[f"{one.person} and {other.person}"].append((one.value, other.value))
        if not pairs[ALL]:
            continue
        several = pairs if len(pairs) > 2 else {ALL: pairs[ALL]}
        for people in sorted(several, key=lambda name: (name != ALL, name)):
            found.append(Agreement(kind, source, people, cohen_kappa(_table(several[people]), confidence)))
    return found


def _table(pairs: list[tuple[str, str]]) -> np.ndarray:
    """The cross table (k, k) int64 of pairs of classes."""
    classes = sorted({value for pair in pairs for value in pair})
    counts = np.zeros((len(classes), len(classes)), np.int64)
    for one, other in pairs:
        counts[classes.index(one), classes.index(other)] += 1
    return counts
