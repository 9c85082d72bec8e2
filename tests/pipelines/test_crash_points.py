"""A run that is stopped between any two of its durable operations ends with the same bytes when run again."""

from __future__ import annotations

from pathlib import Path

import pytest
from soak.crash_points import crash_everywhere

STRIDE = 13
"""Not a divisor of the operations of one write, so that every kind of point is among those tried."""


@pytest.mark.parametrize("stride", [STRIDE, pytest.param(1, marks=pytest.mark.soak)])
def test_no_crash_point_changes_a_byte_or_loses_a_block(tmp_path: Path, stride: int) -> None:
    counts = crash_everywhere(tmp_path, lambda point: point % stride == 0)
    assert counts.points > 100
    assert counts.tried == counts.points // stride
    assert (counts.differing, counts.lost, counts.blamed) == (0, 0, 0)
