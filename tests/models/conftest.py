"""Training runs on one thread; the real scenes are read where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared.places import DATA


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Every test of the models."""


@pytest.fixture(scope="session")
def naip_fields() -> Path:
    folder = DATA / "naip_fields"
    if not folder.is_dir():
        pytest.skip(f"real scenes are absent: {folder} (set CROPLAYER_DATA)")
    return folder


@pytest.fixture(scope="session")
def clouds() -> Path:
    folder = DATA / "clouds"
    if not folder.is_dir():
        pytest.skip(f"labelled clouds are absent: {folder} (set CROPLAYER_DATA)")
    return folder
