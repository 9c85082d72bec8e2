"""When the imagery of blocks was taken, where a source tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from croplayer.sources.imagery import ImagerySource
from croplayer.sources.stac import StacSource
from stores.grid import BlockGrid, BlockIndex


def imagery_dates(
    sources: Sequence[ImagerySource], blocks: Iterable[BlockIndex], grid: BlockGrid
) -> dict[BlockIndex, dict[str, datetime]]:
    """When the imagery of each source was taken, by block; sources that do not tell are left out.

    Empty where it is known of no block at all. Only STAC items tell: the times in other files are those of the files.
    """
    telling = [source for source in sources if isinstance(source, StacSource)]
    dates = {}
    for block in blocks if telling else ():
        times = {source.name: source.taken_at(grid.bounds(block)) for source in telling}
        dates[block] = {name: time for name, time in times.items() if time is not None}
    return dates if any(dates.values()) else {}


def taken_together(dates: Mapping[str, datetime], names: str) -> datetime | None:
    """When the imagery of all of some sources, joined by '+', was taken; None where they differ or one does not tell."""
    times = {dates.get(name) for name in names.split("+")}
    return times.pop() if len(times) == 1 else None
