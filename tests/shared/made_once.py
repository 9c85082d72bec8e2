"""Folders that take long to make: one of the processes of pytest makes each, and all of them use it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of the whole session that ``make`` has filled, called at its first use by any process of pytest.

    What is half made by a process that failed is no folder of this name: the next one begins in another.
    """
    own = factory.getbasetemp()
    session = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made_once"
    session.mkdir(exist_ok=True)
    told = session / f"{name}.path"
    with filelock.FileLock(session / f"{name}.lock"):
        if not told.exists():
            folder = session / f"{name}_{os.getpid()}"
            folder.mkdir()
            make(folder)
            told.write_text(str(folder), encoding="utf-8")
    return Path(told.read_text(encoding="utf-8"))
