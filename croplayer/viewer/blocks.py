"""What is known of each block of a run: its decisions and features, read from the block table when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from croplayer.measures.features import feature_table
from croplayer.viewer.units import plain
from stores.columns import AREA_FRACTION, map_column
from stores.grid import LATTICE_COLS, BlockGrid
from stores.legends import own_maps
from stores.run_folder import RunFolder


@dataclass(frozen=True)
class Blocks:
    """The block table of a run.

    A nation's table has 200 columns of 400,000 blocks, so only places of blocks stay in memory.
    """

    path: Path
    sources: tuple[str, ...]
    methods: dict[str, str]
    """How each of the decisions was made, in words."""

    @classmethod
    def of(cls, folder: RunFolder, sources: tuple[str, ...]) -> Blocks | None:
        """The blocks of a run's folder; None where it has no block table yet."""
        if not folder.blocks.is_file():
            return None
        paths = {name: folder.table(f"{name}_method.csv") for name in ("correctness", "integration")}
        methods = {name: str(pd.read_csv(p)["method"].iloc[0]) for name, p in paths.items() if p.is_file()}
        return cls(folder.blocks, sources, methods)

    @property
    def products(self) -> list[str]:
        """Names of the other maps that every block was compared with, in the order of the table."""
        start = map_column(AREA_FRACTION, "")
        names = [column.removeprefix(start) for column in self._columns if column.startswith(start)]
        return [name for name in names if name not in own_maps(self.sources)]

    def column(self, name: str) -> pd.Series | None:
        """A column of the table; None where it has no such one."""
        if name not in self._columns:
            return None
        # Labels stay codes of a dictionary; a nation's texts would take more memory than all that is kept.
        text = [name] if pa.types.is_string(self._schema.field(name).type) else []
        found = parquet.read_table(self.path, columns=[name], read_dictionary=text, use_threads=False).column(0)
        return found.to_pandas()

    def at(self, grid: BlockGrid, lon: float, lat: float) -> dict[str, Any] | None:
        """Box, decisions and features of the block that holds a point; None where it is no block of the run.

        Raises ValueError for a point that is not on Earth.
        """
        block = grid.block_at(lon, lat)
        codes, order = self._places
        place = int(np.searchsorted(codes, block.row * LATTICE_COLS + block.col))
        if place == len(codes) or codes[place] != block.row * LATTICE_COLS + block.col:
            return None
        row = _Row(self, int(order[place]))
        return {
            "name": block.name,
            "bounds": list(grid.bounds(block)),
            "decisions": self._decisions(row),
            "features": self._features(row),
        }

    @cached_property
    def _schema(self) -> pa.Schema:
        return parquet.read_schema(self.path)

    @property
    def _columns(self) -> list[str]:
        return list(self._schema.names)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Number of each block on the lattice, ascending, and its row in the table."""
        table = pd.read_parquet(self.path, columns=["row", "col"])
        codes = table["row"].to_numpy(np.int64) * LATTICE_COLS + table["col"].to_numpy(np.int64)
        order = np.argsort(codes)
        return codes[order], order

    def _decisions(self, row: _Row) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for source in self.sources:
            answer, confidence, reviewed = (
                row.get(map_column(name, source))
                for name in ("correctness", "correctness_confidence", "correctness_reviewed")
            )
            found.append({"title": f"Correctness of {source}", "answer": answer, "confidence": confidence})
            found[-1] |= {"reviewed": reviewed, "method": self.methods.get("correctness")}
        names = {"answer": "label", "confidence": "confidence", "reviewed": "reviewed"}
        found.append({"title": "Source taken", **{key: row.get(f"integration_{name}") for key, name in names.items()}})
        found[-1] |= {"method": self.methods.get("integration"), "override": row.get("override") or None}
        if row.get("no_usable_imagery"):
            found[-1]["note"] = "no source had usable imagery here"
        return [decision for decision in found if decision["answer"] is not None]

    def _features(self, row: _Row) -> list[dict[str, Any]]:
        values = ((f, row.get(f.column)) for f in feature_table(self.sources).itertuples())
        return [
            {
                "meaning": f.meaning,
                "source": f.source,
                "unit": "" if f.unit in ("1", "class") else f.unit,
                "value": value,
            }
            for f, value in values
            if value is not None
        ]


@dataclass(frozen=True)
class _Row:
    """A row of the table, of which only the values that are asked for are read."""

    blocks: Blocks
    place: int

    def get(self, column: str) -> Any:
        """The value of a column; None where it is missing or the table has no such column."""
        found = self.blocks.column(column)
        return None if found is None else plain(found.iloc[self.place])
