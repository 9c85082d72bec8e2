"""Two finished runs of 2 x 3 blocks, one later than the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared.two_editions import changed, patches, write_run


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return write_run(tmp_path / "before", "2020", *patches(1))


@pytest.fixture
def after(tmp_path: Path) -> Path:
    """Ground was lost and won, also across the edges of blocks; a margin moved, a speck came, some is not known."""
    crop, grey = changed(*patches(1))
    return write_run(tmp_path / "after", "2023", crop, grey)
