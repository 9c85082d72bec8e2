"""What is known of each block of a run: its decisions and features, read from the block table when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from croplayer.decisions.reasons import is_by_rules, why_correctness, why_integration
from croplayer.decisions.reviews import who_reviewed
from croplayer.measures.features import feature_table
from croplayer.viewer.units import plain
from stores.columns import AREA_FRACTION, TAKEN_FROM, TAKEN_TO, map_column
from stores.grid import LATTICE_COLS, BlockGrid, BlockIndex
from stores.legends import own_maps
from stores.run_folder import RunFolder

ValueOf = Callable[[str], Any]
"""Gives the value of a column in one row; None where it is missing or the table has no such column."""
DAY = len("2020-01-01")
DECIDED = ("answer", "confidence", "reviewed")
CORRECTNESS = ("correctness", "correctness_confidence", "correctness_reviewed")
INTEGRATION = ("integration_label", "integration_confidence", "integration_reviewed")
MOST_CELLS = 2_000_000
"""Most values of the table that are read as one."""


@dataclass(frozen=True)
class Blocks:
    """The block table of a run.

    A nation's table has 200 columns of 400,000 blocks, so only places of blocks stay in memory.
    """

    path: Path
    sources: tuple[str, ...]
    methods: dict[str, str]
    """How each of the decisions was made, in words."""
    reviews: dict[str, str]
    """Who reviewed a block, where, and with which note, in words by its name."""

    @classmethod
    def of(cls, folder: RunFolder, sources: tuple[str, ...]) -> Blocks | None:
        """The blocks of a run's folder; None where it has no block table yet."""
        if not folder.blocks.is_file():
            return None
        paths = {name: folder.table(f"{name}_method.csv") for name in ("correctness", "integration")}
        methods = {name: str(pd.read_csv(p)["method"].iloc[0]) for name, p in paths.items() if p.is_file()}
        return cls(folder.blocks, sources, methods, who_reviewed(folder.review_files))

    @property
    def products(self) -> list[str]:
        """Names of the other maps that every block was compared with, in the order of the table."""
        start = map_column(AREA_FRACTION, "")
        names = [column.removeprefix(start) for column in self._columns if column.startswith(start)]
        return [name for name in names if name not in own_maps(self.sources)]

    @cached_property
    def features(self) -> list[dict[str, str]]:
        """Column, meaning, source and unit of what was measured in the blocks, in the order of their ``values``."""
        rows = ((f, str(f.column)) for f in feature_table(self.sources).itertuples())
        return [
            {
                "column": column,
                "meaning": str(f.meaning),
                "source": str(f.source),
                "unit": "" if f.unit in ("1", "class") else str(f.unit),
            }
            for f, column in rows
            if column in self._columns
        ]

    def column(self, name: str) -> pd.Series | None:
        """A column of the table; None where it has no such one."""
        if name not in self._columns:
            return None
        # Labels stay codes of a dictionary; a nation's texts would take more memory than all that is kept.
        text = [name] if pa.types.is_string(self._schema.field(name).type) else []
        found = parquet.read_table(self.path, columns=[name], read_dictionary=text, use_threads=False).column(0)
        return found.to_pandas()

    def at(self, grid: BlockGrid, lon: float, lat: float) -> dict[str, Any] | None:
        """Box, decisions and measured values of the block that holds a point; None where it is no block of the run.

        Raises ValueError for a point that is not on Earth.
        """
        block = grid.block_at(lon, lat)
        codes, order = self._places
        place = int(np.searchsorted(codes, block.row * LATTICE_COLS + block.col))
        if place == len(codes) or codes[place] != block.row * LATTICE_COLS + block.col:
            return None
        return self._facts(grid, block, self._row(int(order[place])).get)

    def each(self, grid: BlockGrid) -> Iterator[tuple[BlockIndex, dict[str, Any]]]:
        """Every block with the same, by place; holds the columns that are told of in memory."""
        codes, order = self._places
        values: dict[str, list[Any]] = {}

        def column(name: str) -> list[Any]:
            if name not in values:
                found = self.column(name)
                values[name] = (
                    [] if found is None else [plain(value) for value in found.to_numpy(object, na_value=None)]
                )
            return values[name]

        for code, row in zip(codes.tolist(), order.tolist(), strict=True):
            block = BlockIndex(*divmod(code, LATTICE_COLS))
            yield block, self._facts(grid, block, lambda name: (column(name) or [None] * (row + 1))[row])  # noqa: B023

    def _row(self, row: int) -> dict[str, Any]:
        """What is told of a block, by column; opens the file once for as many columns as memory may hold."""
        names = [name for name in self._told if name in self._columns]
        step = max(MOST_CELLS // max(len(self._places[0]), 1), 1)
        found: dict[str, Any] = {}
        for start in range(0, len(names), step):
            table = parquet.read_table(self.path, columns=names[start : start + step], use_threads=False)
            found |= {name: plain(values.iloc[0]) for name, values in table.slice(row, 1).to_pandas().items()}
        return found

    @property
    def _told(self) -> list[str]:
        """Columns that `_facts` asks for."""
        of_source = (map_column(n, s) for s in self.sources for n in (TAKEN_FROM, TAKEN_TO, *CORRECTNESS))
        own = ("override", "no_usable_imagery")
        return list(dict.fromkeys([*(f["column"] for f in self.features), *of_source, *INTEGRATION, *own]))

    @cached_property
    def _schema(self) -> pa.Schema:
        return parquet.read_schema(self.path)

    @cached_property
    def _columns(self) -> list[str]:
        return list(self._schema.names)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of each block on the lattice, ascending, and its row in the table."""
        table = pd.read_parquet(self.path, columns=["row", "col"])
        codes = table["row"].to_numpy(np.int64) * LATTICE_COLS + table["col"].to_numpy(np.int64)
        order = np.argsort(codes)
        return codes[order], order

    def _facts(self, grid: BlockGrid, block: BlockIndex, value: ValueOf) -> dict[str, Any]:
        return {
            "name": block.name,
            "bounds": list(grid.bounds(block)),
            "taken": self._taken(value),
            "decisions": self._decisions(value),
            "review": self._review(block.name, value),
            "values": [value(feature["column"]) for feature in self.features],
        }

    def _taken(self, value: ValueOf) -> list[dict[str, str]]:
        """First and last day on which the imagery of each source may have been taken, as far as that is known."""
        found = []
        for source in self.sources:
            first, last = (value(map_column(name, source)) for name in (TAKEN_FROM, TAKEN_TO))
            if first is not None and last is not None:
                found.append({"source": source, "from": str(first)[:DAY], "to": str(last)[:DAY]})
        return found

    def _decisions(self, value: ValueOf) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for source in self.sources:
            columns = (map_column(name, source) for name in CORRECTNESS)
            found.append({"title": f"Correctness of {source}", **dict(zip(DECIDED, map(value, columns), strict=True))})
            found[-1] |= self._why("correctness", why_correctness(str(found[-1]["answer"])))
        found.append({"title": "Source taken", **dict(zip(DECIDED, map(value, INTEGRATION), strict=True))})
        found[-1] |= self._why("integration", why_integration(str(found[-1]["answer"]), self.sources))
        found[-1] |= {"override": value("override") or None}
        if value("no_usable_imagery"):
            found[-1]["note"] = "no source had usable imagery here"
        return [decision for decision in found if decision["answer"] is not None]

    def _review(self, name: str, value: ValueOf) -> str | None:
        """Who reviewed a block; None for one whose review was empty or of no mapped block."""
        columns = [INTEGRATION[2], *(map_column(CORRECTNESS[2], source) for source in self.sources)]
        return self.reviews.get(name) if any(value(column) is not None for column in columns) else None

    def _why(self, decision: str, reason: str | None) -> dict[str, str | None]:
        """How a decision was made, and the reason that the rules have for the answer, where they made it."""
        method = self.methods.get(decision)
        return {"method": method, "reason": reason if is_by_rules(method) else None}
