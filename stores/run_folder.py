"""What lies where in the folder of a run.

=====================  ==========================================================================
recipe.toml            the recipe as it was resolved, with every default
provenance.json        versions of croplayer and its libraries, fingerprints of inputs and models
cube.zarr/EDITION      the cube (stores.cube), unless the recipe's [store] says that it lies in a bucket
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

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run."""

    root: Path
    cube_url: str | None = None
    """Address of a cube that does not lie in the folder; None asks the folder's own recipe, if it is there."""

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.toml"

    @property
    def provenance(self) -> Path:
        return self.root / "provenance.json"

    @property
    def cube(self) -> str | Path:
        """Where the cube lies: in the folder, or at the address that the run's recipe gives."""
        return self.cube_url or self._stated_url or self.root / "cube.zarr"

    @property
    def _stated_url(self) -> str | None:
        if not self.recipe.is_file():
            return None
        try:
            url = tomllib.loads(self.recipe.read_text(encoding="utf-8")).get("store", {}).get("url")
        except ValueError:
            # A damaged recipe states nothing; verify names it by its digest.
            return None
        return None if url is None else str(url)

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
