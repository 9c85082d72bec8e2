"""When the imagery of blocks was taken, where the recipe or a source tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd

from croplayer.files.file_cache import cached_file_reads
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.raster import RasterSource
from croplayer.sources.raster_file import RasterPlace, open_file
from croplayer.sources.stac import StacSource
from croplayer.sources.time_spans import TimeSpan
from stores.columns import RENEWED, TAKEN_FROM, TAKEN_TO, map_column
from stores.grid import BlockGrid, BlockIndex, Bounds

ACQUIRED = "ACQUISITIONDATETIME"
"""Item of GDAL's metadata domain IMAGERY with the time at which the imagery of a file was taken."""


def imagery_times(
    sources: Sequence[ImagerySource],
    stated: Mapping[str, TimeSpan],
    blocks: Sequence[BlockIndex],
    grid: BlockGrid,
    told: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """When the imagery of each source was taken, a row for each block.

    What is stated of a source counts for all blocks. Otherwise STAC items tell, and rasters that hold the item
    ACQUISITIONDATETIME of GDAL's domain IMAGERY; other times in files are those of the files. Where one of the rasters
    or items under a block does not tell, nothing is told of the block.

    Parameters
    ----------
    told : what servers said with the tiles of blocks, with the names of the blocks as index and ISO 8601 texts in the columns
        below; None where no source has a server

    Returns
    -------
    Columns taken_from_SOURCE, taken_to_SOURCE and renewed_SOURCE, datetime64[ms, UTC], null where nothing tells; none for a
    source of which nothing is known in any block. Of renewed_SOURCE, the time at which a server changed a tile last, only an
    end follows: the imagery was taken before.
    """
    columns = _said_by_servers(sources, stated, blocks, told) if told is not None else {}
    for source in sources:
        if source.name in stated:
            found: list[TimeSpan | None] = [stated[source.name]] * len(blocks)
        else:
            found = [taken_between(source, grid.bounds(block)) for block in blocks] if _tells(source) else []
        if any(found):
            for i, column in enumerate((TAKEN_FROM, TAKEN_TO)):
                moments = [span and span[i] for span in found]
                columns[map_column(column, source.name)] = pd.Series(moments, dtype="datetime64[ms, UTC]")
    return pd.DataFrame(columns)


def _said_by_servers(
    sources: Sequence[ImagerySource], stated: Mapping[str, TimeSpan], blocks: Sequence[BlockIndex], told: pd.DataFrame
) -> dict[str, pd.Series]:
    """The columns of sources of which a server tells times; what the recipe states counts before it."""
    columns = {}
    for source in sources:
        for name in (RENEWED,) if source.name in stated else (TAKEN_FROM, TAKEN_TO, RENEWED):
            column = map_column(name, source.name)
            if column in told and told[column].notna().any():
                texts = told[column].reindex([block.name for block in blocks]).reset_index(drop=True)
                columns[column] = pd.to_datetime(texts, utc=True, format="ISO8601").astype("datetime64[ms, UTC]")
    return columns


def imagery_dates(
    sources: Sequence[ImagerySource], blocks: Iterable[BlockIndex], grid: BlockGrid
) -> dict[BlockIndex, dict[str, datetime]]:
    """When the imagery of each source was taken, by block, where it was taken at one moment that the source tells.

    Empty where it is known of no block at all.
    """
    telling = [source for source in sources if _tells(source)]
    dates = {}
    for block in blocks if telling else ():
        spans = {source.name: taken_between(source, grid.bounds(block)) for source in telling}
        dates[block] = {name: span.start for name, span in spans.items() if span and span.start == span.end}
    return dates if any(dates.values()) else {}


def taken_between(source: ImagerySource, box: Bounds) -> TimeSpan | None:
    """When the imagery of a source under a box was taken; None where something that meets it does not tell."""
    if isinstance(source, StacSource):
        times = source.times_near(box)
    elif isinstance(source, RasterSource):
        moments = [acquired(place) for layer in source.layers(box) for place in layer.places]
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
        return not source.is_remote and any(acquired(RasterPlace(p, source.assume_crs)) for p in source.paths[:1])
    return isinstance(source, StacSource)


@cached_file_reads(4096)
def acquired(place: RasterPlace) -> datetime | None:
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
