"""What identifies the code that turns scenes into weights, so that no training goes on from what other code left."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import torch
import transformers

ROOMS = ("kernels", "models/networks", "models/bundles", "models/training")
"""Folders of croplayer whose sources count. How scenes are read does not, because their pixels and labels are digested."""


@cache
def training_code() -> str:
    """sha256 of the sources that train, with their comments, and of the versions of torch and transformers."""
    home = Path(__file__).parents[2]
    digest = hashlib.sha256(f"torch {torch.__version__} transformers {transformers.__version__}".encode())
    for path in sorted(path for room in ROOMS for path in (home / room).glob("*.py")):
        digest.update(f"\0{path.relative_to(home).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()
