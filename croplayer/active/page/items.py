"""What a person looks at, one after the other: tasks, blocks of tasks, and points of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from croplayer.active.tasks import Task
from stores.grid import BlockGrid, BlockIndex, PixelWindow

SAMPLED = "In the sample by which the rounds measure the map"
"""Why a block of the sample is judged."""
POINT_MARGIN_PX = 200
"""Pixels that are shown on each side of a point."""


class Work(StrEnum):
    """The three kinds of work."""

    FIELDS = "fields"
    """Correct the polygons of a task."""
    BLOCKS = "blocks"
    """Judge the masks of a block and choose its source."""
    POINTS = "points"
    """Say what a point of a sample is, without seeing the map."""


@dataclass(frozen=True)
class Item:
    """One thing to look at."""

    work: Work
    subject: str
    """Id of the task, name of the block or id of the point."""
    window: PixelWindow
    """Pixels that the answer is about; of a point those around it."""
    about: str = ""
    """Why it was chosen, or what it is, in words."""
    place: tuple[float, float] | None = None
    """Longitude and latitude of a point."""

    @property
    def claim(self) -> str:
        """Its name among the claims of all kinds of work."""
        return f"{self.work}:{self.subject}"


def task_items(tasks: Sequence[Task]) -> list[Item]:
    """An item for each task, in their order."""
    return [Item(Work.FIELDS, t.id, t.window, _about(t)) for t in tasks]


def _about(task: Task) -> str:
    return " · ".join(filter(None, (task.reason.rstrip("."), task.unit, task.coverage)))


def block_items(tasks: Sequence[Task], grid: BlockGrid, sampled: Sequence[str] = ()) -> list[Item]:
    """An item for each block of the sample of rounds, then for each other block that holds a task, both in their order."""
    n = grid.block_px
    why: dict[BlockIndex, list[str]] = {BlockIndex.parse(name): [SAMPLED] for name in sampled}
    for task in tasks:
        why.setdefault(BlockIndex(task.window.row // n, task.window.col // n), []).append(task.reason.rstrip("."))
    return [
        Item(Work.BLOCKS, block.name, grid.window(block), " · ".join(dict.fromkeys(reasons)))
        for block, reasons in why.items()
    ]


def point_items(points: Sequence[tuple[str, float, float]], grid: BlockGrid) -> list[Item]:
    """An item for each point of a sample (id, longitude, latitude), in their order; it says nothing of the map."""
    items = []
    for name, lon, lat in points:
        row, col = grid.pixel_at(lon, lat)
        window = PixelWindow(row, col, 1, 1).grown(POINT_MARGIN_PX)
        items.append(Item(Work.POINTS, name, window, f"{lat:.5f}, {lon:.5f}", (lon, lat)))
    return items
