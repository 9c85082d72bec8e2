"""Tasks: windows of the lattice that people label, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from stores.grid import BlockGrid, BlockIndex, PixelWindow


class TaskStatus(StrEnum):
    """How far a task is."""

    OPEN = "open"
    DONE = "done"
    """Everything in the window is labelled: what lies in no field is not cropland."""
    SKIPPED = "skipped"


class ChosenBy(StrEnum):
    """How a task was chosen."""

    SCORES = "scores"
    """Because it teaches the model; its accuracy says nothing of the map."""
    RANDOM = "random"
    """At random among all windows, so that its accuracy says something of the map."""


class FieldClass(StrEnum):
    """What a polygon holds."""

    CROPLAND = "cropland"
    NOT = "not"


class Origin(StrEnum):
    """Who drew a polygon."""

    MODEL = "model"
    PERSON = "person"


@dataclass(frozen=True)
class Task:
    """One window that a person labels."""

    id: str
    """Name of its place on the lattice, as `task_id` makes it."""
    window: PixelWindow
    unit: str
    """Code of the admin unit of level 1 that holds its centre; empty for none."""
    coverage: str
    """Coverage type of its block; empty if it is not known."""
    round: int
    """From 1."""
    reason: str
    """Why it was chosen, in words."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Values of `scores.SCORES` that are known."""
    chosen_by: ChosenBy = ChosenBy.SCORES
    status: TaskStatus = TaskStatus.OPEN
    person: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    minutes: float | None = None
    """Working time; None if it is not known."""


_ID = re.compile(r"(r\d{4}c\d{4})-(\d{1,5})-(\d{1,5})-(\d{1,5})")


def task_id(window: PixelWindow, grid: BlockGrid) -> str:
    """Name of a window that lies in one block: block, edge, row and column in it, such as ``r1100c5900-512-0-3``."""
    n, edge = grid.block_px, window.height
    block = BlockIndex(window.row // n, window.col // n)
    return f"{block.name}-{edge}-{window.row % n // edge}-{window.col % n // edge}"


def window_of_task(name: str, grid: BlockGrid) -> PixelWindow:
    """The window of a task by its id; raises ValueError for a text that names none."""
    match = _ID.fullmatch(name)
    if match is None:
        raise ValueError(f"'{name}' is not the id of a task; expected a form like 'r1100c5900-512-0-3'")
    block, (edge, row, col) = BlockIndex.parse(match[1]), (int(text) for text in match.groups()[1:])
    n = grid.block_px
    if not grid.holds(block) or edge < 1 or n % edge or max(row, col) >= n // edge:
        raise ValueError(f"'{name}' is not the id of a task; it names no window of a block of {n} x {n} px")
    window = PixelWindow(block.row * n + row * edge, block.col * n + col * edge, edge, edge)
    if task_id(window, grid) != name:
        raise ValueError(f"'{name}' is not the id of a task; expected '{task_id(window, grid)}'")
    return window
