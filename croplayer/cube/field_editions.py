"""Fields of two editions of a map beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import pandas as pd

from croplayer.cube.field_query import field_files
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.block_tables import OUTLINES, decode_fields
from croplayer.fields.field_sets import FieldFiles
from croplayer.fields.history import field_history
from croplayer.fields.matching import match_sets
from croplayer.fields.whole import MOST_BLOCKS
from stores.block_list import BlockList
from stores.field_columns import AREA, ID
from stores.grid import CRS, Bounds
from stores.run_folder import RunFolder, edition_at, parted, run_at

BLOCKS_PER_PART = 64


class NamedFields:
    """The fields that some blocks of a cube name, before they are cut into units; a `matching.FieldSet`."""

    def __init__(self, cube: Cube, blocks: BlockList) -> None:
        self._cube, self._blocks = cube, blocks

    def known(self) -> pd.DataFrame:
        """Columns id and area_ha of all fields."""
        parts = [pd.DataFrame(part[[ID, AREA]]) for part in self.parts()]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({ID: [], AREA: []})

    def parts(self) -> Iterator[gpd.GeoDataFrame]:
        """All fields, those of some blocks that lie close together at a time."""
        for near in self._blocks.neighbourhoods(BLOCKS_PER_PART):
            yield self._of(near)

    def near(self, bounds: Bounds) -> gpd.GeoDataFrame:
        """The fields of all blocks that may name one which touches some bounds."""
        under = BlockList.of(self._cube.grid.blocks_in(bounds))
        return self._of(under.grown(MOST_BLOCKS - 1).both(self._blocks))

    def _of(self, blocks: BlockList) -> gpd.GeoDataFrame:
        frames = [decode_fields(self._cube.read_table(OUTLINES, block)).table for block in blocks]
        if not frames:
            return gpd.GeoDataFrame({ID: [], AREA: []}, geometry=[], crs=CRS)
        return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=CRS)


def history_of_runs(places: Sequence[str | Path]) -> pd.DataFrame:
    """The fields of several editions in one table.

    Parameters
    ----------
    places : finished runs with fields in the order of time, as ``FOLDER`` or ``FOLDER@EDITION``; the folder of a run with several
        editions stands for all of them. Each edition once.

    Returns
    -------
    DataFrame as `croplayer.fields.history.field_history` gives it: a row for each field and edition that has it.

    Raises
    ------
    FileNotFoundError for a run without fields, ValueError for one whose fields are not finished, for fewer than two editions, and
    for an edition that is named twice.
    """
    folders = [folder for place in places for folder in _editions(place)]
    names = [folder.edition or str(folder.root) for folder in folders]
    sets = [FieldFiles(field_files(folder)) for folder in folders]
    matches = [match_sets(before, after) for before, after in pairwise(sets)]
    return field_history(names, [each.known() for each in sets], matches)


def _editions(place: str | Path) -> list[RunFolder]:
    folder, edition = parted(place)
    if edition is not None:
        return [edition_at(place)]
    return list(run_at(folder).editions().values()) or [edition_at(place)]


def match_runs(before: str | Path, after: str | Path) -> pd.DataFrame:
    """What became of every field of one run in another, which shows the same land at a later time.

    Parameters
    ----------
    before, after : two finished runs with fields, as ``FOLDER`` or ``FOLDER@EDITION``

    Returns
    -------
    DataFrame as `croplayer.fields.matching.match_fields` gives it: one row for each pair of fields of which one is a part of
    the other, and one for each field without a counterpart; columns before_id, after_id, kind (same, changed, split, merged,
    reshaped, new, gone), iou (0..1), area_before_ha and area_after_ha.

    Raises
    ------
    FileNotFoundError for a run without fields, ValueError for one whose fields are not finished.
    """
    return match_sets(*(FieldFiles(field_files(edition_at(run))) for run in (before, after)))
