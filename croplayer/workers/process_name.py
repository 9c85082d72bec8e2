"""The names by which ``top`` and ``ps -e`` tell the processes of a run apart."""

from __future__ import annotations

import contextlib
from pathlib import Path

BLOCK, FORKS = "croplayer-block", "croplayer-forks"
"""Processes that work on blocks, and the one that forks them; Linux keeps 15 characters."""


def name_process(name: str) -> None:
    """Give this process a name; its command line stays, and systems that keep no such name are left alone."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(name, encoding="ascii")
