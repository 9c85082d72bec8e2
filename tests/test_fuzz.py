"""Damaged and hostile files of every kind: a clear error or a right result, never a crash and never a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared.fuzz import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_no_damaged_file_is_a_crash_or_a_silent_wrong_result(kind: str, tmp_path: Path) -> None:
    fuzz, few, _ = KINDS[kind]
    counts = fuzz(few, tmp_path)
    assert counts["refused"] > few / 10, counts
