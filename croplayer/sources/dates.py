"""When the imagery of blocks was taken, where the recipe or a source tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from croplayer.files.file_cache import cached_file_reads
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.raster import RasterSource
from croplayer.sources.raster_file import RasterPlace, open_file
from croplayer.sources.stac import StacSource
from croplayer.sources.time_spans import TimeSpan
from stores.grid import BlockGrid, BlockIndex, Bounds

ACQUIRED = "ACQUISITIONDATETIME"
"""Item of GDAL's metadata domain IMAGERY with the time at which the imagery of a file was taken."""


def imagery_spans(
    sources: Sequence[ImagerySource],
    stated: Mapping[str, TimeSpan],
    blocks: Iterable[BlockIndex],
    grid: BlockGrid,
) -> dict[BlockIndex, dict[str, TimeSpan]]:
    """When the imagery of each source was taken, by block; sources that do not tell are left out.

    What the recipe states counts for all blocks of its source. Otherwise STAC items tell, and rasters that hold the item
    ACQUISITIONDATETIME of GDAL's domain IMAGERY; other times in files are those of the files. Where one of the rasters
    or items under a block does not tell, nothing is told of the block. Empty where it is known of no block at all.
    """
    telling = [s for s in sources if s.name in stated or _tells(s)]
    spans = {}
    for block in blocks if telling else ():
        found = {s.name: stated.get(s.name) or taken_between(s, grid.bounds(block)) for s in telling}
        spans[block] = {name: span for name, span in found.items() if span is not None}
    return spans if any(spans.values()) else {}


def imagery_dates(
    sources: Sequence[ImagerySource], blocks: Iterable[BlockIndex], grid: BlockGrid
) -> dict[BlockIndex, dict[str, datetime]]:
    """`imagery_spans` of blocks and sources whose imagery was taken at one moment that the sources tell."""
    spans = imagery_spans(sources, {}, blocks, grid)
    dates = {b: {name: s.start for name, s in of.items() if s.start == s.end} for b, of in spans.items()}
    return dates if any(dates.values()) else {}


def taken_between(source: ImagerySource, box: Bounds) -> TimeSpan | None:
    """When the imagery of a source under a box was taken; None where something that meets it does not tell."""
    if isinstance(source, StacSource):
        times = source.times_near(box)
    elif isinstance(source, RasterSource):
        moments = [_acquired(place) for layer in source.layers(box) for place in layer.places]
        times = [(moment, moment) for moment in moments]
    else:
        return None
    starts, ends = [start for start, _ in times if start], [end for _, end in times if end]
    if not times or len(starts) < len(times) or len(ends) < len(times):
        return None
    return TimeSpan(min(starts), max(ends))


def _tells(source: ImagerySource) -> bool:
    """Whether a source may tell when its imagery was taken; of rasters the first one is asked."""
    if isinstance(source, RasterSource):
        return not source.is_remote and any(_acquired(RasterPlace(p, source.assume_crs)) for p in source.paths[:1])
    return isinstance(source, StacSource)


@cached_file_reads(4096)
def _acquired(place: RasterPlace) -> datetime | None:
    """When the imagery of a raster was taken, as it says; None where it does not, or not in ISO 8601."""
    text = open_file(place).dataset.tags(ns="IMAGERY").get(ACQUIRED, "")
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def taken_together(dates: Mapping[str, datetime], names: str) -> datetime | None:
    """When the imagery of all of some sources, joined by '+', was taken; None where they differ or one does not tell."""
    times = {dates.get(name) for name in names.split("+")}
    return times.pop() if len(times) == 1 else None
