"""The cube: imagery, masks and the integrated map of one edition, one block per shard.

`correction` has parts for corrected blocks alone; the map of every other block is as it was integrated.

A value of 255 in a mask means the block was never processed, 254 that there is no imagery there;
0 and 1 are results. `imagery_valid` and `rgb` of an unprocessed block read as their fill value: the
ledger says which blocks are done.
"""

from __future__ import annotations

from pathlib import Path

from stores.columns import (
    BOUNDARY_PROBABILITY,
    CORRECTION,
    CROPLAND_MASK,
    CROPLAND_PROBABILITY,
    FIELD,
    FIELD_JOIN,
    IMAGERY_VALID,
    RGB,
)
from stores.legends import (
    CROPLAND,
    INTEGRATED,
    NEVER_PROCESSED,
    NO_IMAGERY,
    NOT_CROPLAND,
    PROBABILITY_SCALE,
    Correction,
)
from stores.overviews import overview_files
from stores.schema import COORDINATES, ArraySpec, StoreSchema

MASK_FLAGS = {
    NOT_CROPLAND: "not_cropland",
    CROPLAND: "cropland",
    NO_IMAGERY: "no_imagery",
    NEVER_PROCESSED: "never_processed",
}

CUBE = StoreSchema(
    name="cube",
    version=1,
    arrays=(
        ArraySpec(
            name=RGB,
            dims=("source", "y", "x", "band"),
            dtype="uint8",
            fill_value=0,
            long_name="imagery of each source on the lattice",
            has_inner_chunks=True,
        ),
        ArraySpec(
            name=IMAGERY_VALID,
            dims=("source", "y", "x"),
            dtype="bool",
            fill_value=False,
            long_name="whether the source has imagery at the pixel",
        ),
        ArraySpec(
            name=CROPLAND_PROBABILITY,
            dims=("source", "y", "x"),
            dtype="uint8",
            fill_value=NEVER_PROCESSED,
            long_name="network's cropland score: 0 to 250, 254 no imagery, 255 never processed",
            scale_factor=1 / PROBABILITY_SCALE,
        ),
        ArraySpec(
            name=BOUNDARY_PROBABILITY,
            dims=("source", "y", "x"),
            dtype="uint8",
            fill_value=NEVER_PROCESSED,
            long_name="network's score that the boundary of a field is near: 0 to 250, 254 no imagery, 255 never processed",
            scale_factor=1 / PROBABILITY_SCALE,
            is_optional=True,
        ),
        ArraySpec(
            name=CROPLAND_MASK,
            dims=("source", "y", "x"),
            dtype="uint8",
            fill_value=NEVER_PROCESSED,
            long_name="cropland seen in each source",
            flags=MASK_FLAGS,
        ),
        ArraySpec(
            name=INTEGRATED,
            dims=("y", "x"),
            dtype="uint8",
            fill_value=NEVER_PROCESSED,
            long_name="integrated cropland map",
            flags=MASK_FLAGS,
        ),
        ArraySpec(
            name=CORRECTION,
            dims=("y", "x"),
            dtype="uint8",
            fill_value=Correction.NONE.value,
            long_name="what people corrected by hand in the integrated map, and what it showed before",
            flags={code.value: code.name.lower() for code in Correction},
            is_optional=True,
        ),
        ArraySpec(
            name=FIELD,
            dims=("y", "x"),
            dtype="uint32",
            fill_value=0,
            long_name="piece of a field, numbered within its block of the lattice; 0 outside of fields",
            is_optional=True,
        ),
        ArraySpec(
            name=FIELD_JOIN,
            dims=("y", "x"),
            dtype="uint8",
            fill_value=0,
            long_name="1: one field with the pixel east of it, beyond the edge of its block; 2: with that south of it; 3: both",
            is_optional=True,
        ),
    ),
)


def metadata_files(cube: Path, edition: str) -> list[Path]:
    """Files of an edition that its creation wrote: metadata and coordinates, nothing of any block."""
    root = cube / edition
    coordinates = [p for name in COORDINATES for p in sorted((root / name).rglob("*")) if p.is_file()]
    arrays = [root / spec.name / "zarr.json" for spec in CUBE.arrays]
    arrays = [path for path, spec in zip(arrays, CUBE.arrays, strict=True) if path.is_file() or not spec.is_optional]
    return [cube / "zarr.json", root / "zarr.json", *arrays, *coordinates, *overview_files(cube, edition)]
