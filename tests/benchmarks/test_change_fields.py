"""Fields as a rule of the map of change: what each rule does to a field that stays, one that is gone and one that came."""

from __future__ import annotations

import numpy as np

from benchmarks.change_fields import ONLY_UNMATCHED, SAME_IS_STABLE, WHOLE_FIELDS, by_fields, matched
from croplayer.changes.evidence import plain_differences

STAYS, GONE, HALF = np.s_[0:10, 0:10], np.s_[0:10, 20:30], np.s_[20:30, 0:10]
CAME = np.s_[20:30, 20:30]


def fields() -> tuple[np.ndarray, np.ndarray]:
    before, after = np.zeros((30, 30), np.uint32), np.zeros((30, 30), np.uint32)
    before[STAYS], before[GONE], before[HALF] = 1, 2, 3
    after[STAYS], after[CAME] = 1, 2
    after[0:2, 0:10] = 0  # a strip of the field that stays is lost
    after[20:23, 0:10] = 3  # three tenths of a field are left
    return before, after


def test_fields_belong_together_as_their_outlines_would() -> None:
    old, new = matched(*fields())
    assert old.is_same.tolist() == [False, True, False, False]
    assert old.is_alone.tolist() == [False, False, True, False]
    assert new.is_same.tolist() == [False, True, False, False]
    assert new.is_alone.tolist() == [False, False, True, False]


def test_each_rule_takes_and_adds_what_it_says() -> None:
    before, after = fields()
    plain = plain_differences((before > 0).astype(np.uint8), (after > 0).astype(np.uint8))
    change = plain.copy()
    change[0:4, 20:30] = 1  # of the field that is gone six tenths are told by the other rules
    change[20:25, 20:30] = 0  # of the one that came half
    found = by_fields(change, plain, before, after)
    counts = {rule: [int((found[rule] == kind).sum()) for kind in (2, 3)] for rule in found}
    assert counts[SAME_IS_STABLE] == [50, 60 + 70]
    assert counts[ONLY_UNMATCHED] == [50, 60]
    assert counts[WHOLE_FIELDS] == [50, 20 + 100 + 70]
    assert (found[SAME_IS_STABLE][0:2, 0:10] == 1).all()


def test_maps_without_fields_are_left_as_they_are() -> None:
    change = np.full((4, 4), 3, np.uint8)
    nothing = np.zeros((4, 4), np.uint32)
    found = by_fields(change, change, nothing, nothing)
    assert (found[SAME_IS_STABLE] == 3).all() and (found[WHOLE_FIELDS] == 3).all()
    assert (found[ONLY_UNMATCHED] == 1).all()
