"""What the tests of the pipelines share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def finished(finished_small_run: Path) -> Path:
    """A finished run of the small recipe with one worker."""
    return finished_small_run
