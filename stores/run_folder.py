"""What lies where in the folder of a run.

=====================  ==========================================================================
recipe.toml            the recipe as it was resolved, with every default
provenance.json        versions of croplayer and its libraries, fingerprints of inputs and models
cube.zarr/EDITION      the cube (stores.cube)
ledger/STEP.jsonl      one line per finished block (croplayer.ledger); the run's diary
blocks.parquet         GeoParquet, one row per block (features: croplayer.features)
boundaries.parquet     admin units of the run: adcode, name_en, name_zh, level, geometry
tables/                results as CSV and Parquet (columns: stores.tables)
figures/               the report's pictures
report.html            everything in one file
export/                files for other software, by admin unit
=====================  ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.toml"

    @property
    def provenance(self) -> Path:
        return self.root / "provenance.json"

    @property
    def cube(self) -> Path:
        return self.root / "cube.zarr"

    def ledger(self, step: str) -> Path:
        return self.root / "ledger" / f"{step}.jsonl"

    @property
    def outputs(self) -> Path:
        return self.root / "ledger" / "outputs.json"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    @property
    def blocks(self) -> Path:
        return self.root / "blocks.parquet"

    @property
    def boundaries(self) -> Path:
        return self.root / "boundaries.parquet"

    def table(self, name: str) -> Path:
        return self.root / "tables" / name

    def figure(self, name: str) -> Path:
        return self.root / "figures" / name

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def export(self) -> Path:
        return self.root / "export"
