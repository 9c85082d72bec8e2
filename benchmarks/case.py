"""One line of the kernels' benchmark: a kernel on a scene, and what it is timed against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Yardstick:
    """A library's way to what a kernel does."""

    name: str
    run: Callable[[], object]
    goal: float | None = None
    """the library's time over the kernel's, at least"""


@dataclass(frozen=True)
class Case:
    """One kernel on one scene."""

    kernel: str
    scene: str
    run: Callable[[], object]
    yardsticks: list[Yardstick]
    goal_ms: float | None = None
    """the kernel's own time in milliseconds, at most"""
    rounds: int | None = None
    """rounds where fewer than usual do, for very slow references"""
