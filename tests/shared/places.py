"""Where the repository and the real data are."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("CROPLAYER_DATA", REPOSITORY / "../shared/data")).resolve()
"""Folder of the real data; tests that need a part of it are skipped where it is absent."""
SMALL_RECIPE = REPOSITORY / "tests/shared/small.toml"
