"""What a run writes: its folder, its cube, its records."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

import zarr

from croplayer.cube.whole_blocks import Cube
from pipelines.engine.inputs import Inputs
from pipelines.engine.licences import licences_of
from pipelines.engine.step_ledgers import StepLedgers
from stores import __version__
from stores.bucket_owner import check_owner, claim_bucket
from stores.columns import BOUNDARY_PROBABILITY, CORRECTION, FIELD, FIELD_JOIN
from stores.cube import CUBE, metadata_files
from stores.durable import digest_bytes, digest_text, write_durable
from stores.edition import ATTRIBUTES
from stores.grid import BlockRange
from stores.overviews import create_overviews
from stores.places import has_key, is_remote, open_store
from stores.run_folder import RunFolder
from stores.step_memory import CUBE_FILES, HEAD

LIBRARIES = (
    "numpy",
    "torch",
    "transformers",
    "xgboost-cpu",
    "numba",
    "rasterio",
    "zarr",
    "xarray",
    "dask",
    "geopandas",
)
"""Libraries whose versions the provenance of a run names."""


@dataclass(frozen=True)
class Output:
    """Where the steps of a run write, and what they have written so far."""

    folder: RunFolder
    inputs: Inputs

    @cached_property
    def cube(self) -> Cube:
        """The run's cube; `make_cube` creates its store. Raises ValueError for a recipe without sources."""
        recipe = self.inputs.recipe
        if not recipe.sources:
            raise ValueError(f"recipe '{recipe.name}' has no [[sources]], so it has no cube")
        around = BlockRange.around(self.inputs.blocks)
        return Cube(str(self.folder.cube), recipe.edition, self.inputs.grid, around, recipe.source_names)

    @property
    def cube_if_any(self) -> Cube | None:
        """The run's cube; None for a recipe without sources."""
        return self.cube if self.inputs.recipe.sources else None

    @cached_property
    def ledgers(self) -> StepLedgers:
        """What the ledgers of the steps say."""
        return StepLedgers(self.folder)

    def make_cube(self) -> None:
        """Create the store of the cube where it is not there yet; nothing for a recipe without sources.

        An edition gets the array of boundaries when its model tells them first, those of fields when its recipe first asks
        for them, that of corrections when its recipe first names some, the group of overviews when it first asks for them,
        and keeps them.
        """
        if not self.inputs.recipe.sources:
            return
        if is_remote(self.folder.cube):
            claim_bucket(str(self.folder.cube), self.folder.identity)
        cube, store = self.cube, open_store(self.folder.cube, read_only=False)
        optional: tuple[str, ...] = (
            (BOUNDARY_PROBABILITY,) if self.inputs.models.tell_boundaries(self.inputs.recipe) else ()
        )
        optional += (FIELD, FIELD_JOIN) if self.inputs.recipe.fields else ()
        optional += (CORRECTION,) if self.inputs.recipe.corrections else ()
        CUBE.create(store, cube.edition, cube.grid, cube.blocks, cube.sources, optional)
        if self.inputs.recipe.overviews:
            create_overviews(store, cube.edition, cube.grid, cube.blocks, cube.sources)
        if isinstance(self.folder.cube, Path):
            self.folder.memory.note(CUBE_FILES, cube.edition, metadata_files(self.folder.cube, cube.edition))

    def check(self) -> None:
        """Raise ValueError when the edition's cube has another layout than the recipe's, or its bucket another run."""
        wanted = self.inputs.recipe.edition
        if self.inputs.recipe.sources and is_remote(self.folder.cube):
            check_owner(str(self.folder.cube), self.folder.identity)
        if not self.inputs.recipe.sources or not has_key(self.folder.cube, f"{wanted}/zarr.json"):
            return
        group = zarr.open_group(
            open_store(self.folder.cube, read_only=True), mode="r", path=wanted, use_consolidated=False
        )
        if ATTRIBUTES in group.attrs:
            CUBE.check(group, self.cube.grid, self.cube.blocks, self.cube.sources)

    def write_head(self, code: str) -> None:
        """Store the resolved recipe and the versions beside the output, unless they are there already.

        ``code`` is the digest of the code that the run is made of.
        """
        inputs = self.inputs
        provenance = {
            "croplayer": __version__,
            "code": code,
            "python": ".".join(str(v) for v in sys.version_info[:3]),
            "libraries": {name: metadata.version(name) for name in LIBRARIES},
            "sources": inputs.source_settings,
            "products": inputs.product_settings,
            "models": inputs.models.digests(inputs.recipe),
            "licences": [each.to_json() for each in licences_of(inputs.recipe, inputs.models.folders(inputs.recipe))],
        }
        files = {
            self.folder.recipe: inputs.recipe.to_toml().encode(),
            self.folder.provenance: (json.dumps(provenance, indent=1, sort_keys=True) + "\n").encode(),
        }
        memory = self.folder.memory
        written = digest_text(repr([digest_bytes(d) for d in files.values()]))
        is_new = not memory.is_finished(HEAD, written)
        if is_new:
            memory.begin(HEAD, written)
        for path, data in files.items():
            if not path.exists() or path.read_bytes() != data:
                write_durable(path, data)
        if is_new:
            memory.finish(HEAD, written, list(files))
