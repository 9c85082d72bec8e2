"""What a finished run knows of its blocks, as far as it helps to choose what people look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from croplayer.cube.decisions import Taken
from croplayer.cube.whole_blocks import Cube
from stores.columns import (
    COVERAGE_TYPE,
    DECIDES,
    FAMILIARITY,
    agreement_columns,
    map_column,
    percent_column,
    status_column,
)
from stores.grid import BlockIndex, PixelWindow
from stores.legends import INTEGRATED, CoverageType
from stores.records import Status
from stores.run_folder import RunFolder
from stores.step_memory import END_OF_RUN

LEVEL = 1
"""Level of the admin units that tasks are counted by: the one that statistics are given for."""
_USABLE = {c.label for c in CoverageType if c.is_usable}


@dataclass(frozen=True)
class RunNumbers:
    """The block table, the units and the cube of a finished run."""

    cube: Cube
    blocks: pd.DataFrame
    """Rows of the block table whose block has a map, sorted by block."""
    units: gpd.GeoDataFrame | None
    """Admin units of `LEVEL`, None without any."""
    percent: pd.Series
    """Mapped area of a unit in per cent of its statistic by code, where both are known."""
    products: tuple[str, ...]
    """Other maps that the run was compared with; its reference is none of them."""
    correct: tuple[str, ...]
    """Classes of correctness whose mask is correct."""

    @classmethod
    def read(cls, folder: RunFolder, edition: str, products: Sequence[str], correct: Sequence[str]) -> RunNumbers:
        """The numbers of a run.

        Raises FileNotFoundError or ValueError for a folder that is no run, for one that is not finished and for one
        without a map.
        """
        if not folder.recipe.is_file():
            raise FileNotFoundError(f"{folder.root} is not the folder of a run; it has no {folder.recipe.name}")
        if END_OF_RUN not in folder.memory.entries() or not folder.blocks.is_file():
            raise ValueError(f"the run {folder.root} is not finished; run its recipe to the end first")
        table = pd.read_parquet(folder.blocks)
        status = status_column("integrate")
        if status not in table:
            raise ValueError(f"the run {folder.root} has no map to correct; its recipe maps nothing")
        mapped = table[table[status] == Status.DONE.value].sort_values("block").reset_index(drop=True)
        if mapped.empty:
            raise ValueError(f"the run {folder.root} has no block with a map")
        units = None
        if folder.boundaries.is_file():
            every = gpd.read_parquet(folder.boundaries)
            units = every[every.level == LEVEL].reset_index(drop=True)
        return cls(Cube.open(folder.cube, edition), mapped, units, _percent(folder), tuple(products), tuple(correct))

    @cached_property
    def names(self) -> list[BlockIndex]:
        """The blocks in the order of the table."""
        return [BlockIndex.parse(name) for name in self.blocks.block]

    @cached_property
    def coverage(self) -> np.ndarray:
        """Coverage type of each block: that of its first usable source, else of its first; "" if unknown: (n,) object."""
        found = np.full(len(self.blocks), "", object)
        for wanted in (_USABLE, {c.label for c in CoverageType}):
            for source in self.cube.sources:
                column = map_column(COVERAGE_TYPE, source)
                if column in self.blocks:
                    told = self.blocks[column].to_numpy(object)
                    take = (found == "") & np.isin(told.astype(str), sorted(wanted))
                    found[take] = told[take]
        return found

    def is_usable(self, block: str, source: str) -> bool:
        """Whether the map can take the imagery of a source in a block: it is of a usable coverage type, or one that is not known,
        or the map takes it all the same, as it does what imagery with gaps shows."""
        return block not in self._unusable[source]

    def usable_sources(self, block: BlockIndex) -> list[str]:
        """The sources whose imagery the map takes in a block, in their order; what others show there teaches nothing."""
        return [source for source in self.cube.sources if self.is_usable(block.name, source)]

    @cached_property
    def _unusable(self) -> dict[str, frozenset[str]]:
        """Names of the blocks in which the map leaves out the imagery of each source."""
        nothing = pd.Series(None, self.blocks.index, object)
        choice, no_imagery = (self.blocks.get(name, nothing) for name in DECIDES)
        decided = zip(self.blocks.block, choice, no_imagery, strict=True)
        choices = {block: (int(kind), bool(without)) for block, kind, without in decided if pd.notna(kind)}
        taken = Taken(self.cube.sources, choices)
        found = {}
        for source in self.cube.sources:
            told = self.blocks.get(map_column(COVERAGE_TYPE, source), nothing)
            found[source] = frozenset(
                block.name
                for block, kind in zip(self.names, told, strict=True)
                if isinstance(kind, str) and kind not in _USABLE and source not in (taken.of(block) or ())
            )
        return found

    @cached_property
    def by_block(self) -> pd.DataFrame:
        """Scores that hold for a whole block, NaN where they are not known; the higher, the more worth a look.

        Only sources whose imagery the map takes in a block count there.

        Columns: product_disagreement (share of pixels, the mean over products), doubt (share of the sources whose mask is
        judged wrong), unfamiliarity (1 - the least familiarity of its sources), rarity (1 - share of the blocks of its coverage
        type, where its imagery shows land) and confusion (1 - overlap of the sources' cropland over its union).
        """
        table, sources = self.blocks, self.cube.sources
        scores = pd.DataFrame(index=table.index)
        scores["product_disagreement"] = _mean([self._against(product) for product in self.products], len(table))
        usable = {s: ~table.block.isin(self._unusable[s]) for s in sources}
        judged = {s: c for s in sources if (c := map_column("correctness", s)) in table}
        doubts = [
            (~table[c].isin(self.correct)).where(table[c].notna() & usable[s]).astype(float) for s, c in judged.items()
        ]
        scores["doubt"] = _mean([d.to_numpy(float) for d in doubts], len(table))
        known = {s: c for s in sources if (c := map_column(FAMILIARITY, s)) in table}
        familiar = pd.DataFrame({s: table[c].astype(float).where(usable[s]) for s, c in known.items()}, table.index)
        scores["unfamiliarity"] = 1 - familiar.min(axis=1) if known else np.nan
        share = pd.Series(self.coverage).value_counts(normalize=True)
        rarity = 1 - pd.Series(self.coverage).map(share).to_numpy(float)
        # Clouds and gaps are no kind of land.
        scores["rarity"] = np.where(np.isin(self.coverage.astype(str), sorted(_USABLE)), rarity, np.nan)
        overlap = map_column("iou_between_sources", sources[0])
        two = overlap in table and len(sources) > 1
        scores["confusion"] = (
            (1 - table[overlap].astype(float)).where(usable[sources[0]] & usable[sources[1]]) if two else np.nan
        )
        return scores

    def _against(self, product: str) -> np.ndarray:
        columns = agreement_columns(INTEGRATED, product)
        if columns.tp not in self.blocks:
            return np.full(len(self.blocks), np.nan)
        counts = {name: self.blocks[name].to_numpy(float) for name in columns}
        every = sum(counts.values(), np.zeros(len(self.blocks)))
        wrong = counts[columns.fp] + counts[columns.fn]
        return np.divide(wrong, every, out=np.full(len(every), np.nan), where=every > 0)

    def units_of(self, windows: Sequence[PixelWindow]) -> list[str]:
        """Code of the unit that holds the centre of each window; empty for none."""
        boxes = np.array([self.cube.grid.window_bounds(w) for w in windows], float).reshape(-1, 4)
        codes = np.full(len(windows), "", object)
        if self.units is not None and len(windows):
            points = shapely.points((boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2)
            rows, units = shapely.STRtree(self.units.geometry.to_numpy()).query(points, predicate="intersects")
            order = np.argsort(-units, kind="stable")  # of several the first of the table
            codes[rows[order]] = self.units.adcode.to_numpy(object)[units[order]]
        return [str(code) for code in codes]


def _percent(folder: RunFolder) -> pd.Series:
    path = folder.table(f"units_{LEVEL}.parquet")
    if not path.is_file():
        return pd.Series(dtype=float)
    table = pd.read_parquet(path)
    column = percent_column(INTEGRATED)
    if column not in table:
        return pd.Series(dtype=float)
    percent = pd.Series(table[column].to_numpy(float), index=table.adcode.astype(str))
    return percent[percent > 0]


def _mean(columns: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Mean over columns that are known in a row: (n,) float64; NaN in a row without any."""
    stack = np.array([np.full(count, np.nan), *columns])
    known = ~np.isnan(stack)
    total = np.where(known, stack, 0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full(count, np.nan), where=known.any(axis=0))
