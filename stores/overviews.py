"""Overviews of an edition of a cube: the group ``EDITION/overviews`` with a group for each level, named after its factor.

A level is a lattice of its own, of ``block_px // factor`` pixels along a block, with three arrays:

================  ========================  =========================================================================
area_fraction     (layer, y, x) uint8       0..250 = cropland over known pixels, 254 no imagery, 255 never processed
known_fraction    (layer, y, x) uint8       0..250 = known pixels over all pixels
rgb               (source, y, x, band)      mean imagery of the pixels that a source's mask knows
================  ========================  =========================================================================

Levels of the factors 4 and 16 have a file of each array for every block. Coarser ones, down to one pixel a block, have one
for every **square** of 32 x 32 blocks of the lattice, so a nation is drawn from a thousand small files. A square is named by
its first block in the north-west, which need not be one of the region; coarse levels cover whole squares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.codecs import BytesCodec, ZstdCodec

from stores.columns import AREA_FRACTION, RGB
from stores.edition import ATTRIBUTES, WRITE_CONFIG, SchemaError
from stores.foreign_cube import check_arrays, read_layout
from stores.grid import LATTICE_COLS, LATTICE_ROWS, BlockGrid, BlockRange
from stores.legends import INTEGRATED, NEVER_PROCESSED, PROBABILITY_SCALE
from stores.levels import FIRST_FACTOR, LARGEST_FACTOR_OF_BLOCKS, SQUARE_BLOCKS, factors_of
from stores.schema import COORDINATES, ArraySpec, StoreSchema, write_coordinates

GROUP = "overviews"
"""Name of the group of the levels in an edition."""
KNOWN_FRACTION = "known_fraction"
"""Array of the share of known pixels."""
MAP = "layer"
"""Dimension of the maps: the integrated one, then that of each source."""
MULTISCALES = {"uuid": "d35379db-88df-4056-af3a-620245f8e347", "name": "multiscales"}
"""The convention by which the group names its levels."""
SPATIAL = {"uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "name": "spatial:"}
"""That by which it says where each lies."""

LEVEL = StoreSchema(
    name="overview",
    version=1,
    arrays=(
        ArraySpec(
            name=AREA_FRACTION,
            dims=(MAP, "y", "x"),
            dtype="uint8",
            fill_value=NEVER_PROCESSED,
            long_name="cropland over known pixels: 0 to 250, 254 no imagery, 255 never processed",
            scale_factor=1 / PROBABILITY_SCALE,
        ),
        ArraySpec(
            name=KNOWN_FRACTION,
            dims=(MAP, "y", "x"),
            dtype="uint8",
            fill_value=0,
            long_name="known pixels over all pixels: 0 to 250",
            scale_factor=1 / PROBABILITY_SCALE,
        ),
        ArraySpec(
            name=RGB,
            dims=("source", "y", "x", "band"),
            dtype="uint8",
            fill_value=0,
            long_name="mean imagery of each source where its mask is known",
        ),
    ),
)


class Level(NamedTuple):
    """A level of the overviews of an edition."""

    factor: int
    """Pixels of the cube along a pixel of the level."""
    grid: BlockGrid
    """The level's own lattice."""
    blocks: BlockRange
    """What its arrays cover."""
    part_blocks: int
    """Blocks along the edge of a file: 1, or those of a square."""

    def group(self, edition: str) -> str:
        """Path in the store of the level's group."""
        return f"{edition}/{GROUP}/{self.factor}"

    def sizes(self, sources: Sequence[str]) -> dict[str, int]:
        """Length of each dimension."""
        return {**LEVEL.sizes(self.grid, self.blocks, sources), MAP: 1 + len(sources)}

    def part_shape(self, spec: ArraySpec, sources: Sequence[str]) -> tuple[int, ...]:
        """Shape of a file of an array."""
        edge = self.part_blocks * self.grid.block_px
        sizes = self.sizes(sources)
        return tuple(edge if dim in ("y", "x") else sizes[dim] for dim in spec.dims)


def levels_of(grid: BlockGrid, blocks: BlockRange) -> tuple[Level, ...]:
    """The levels of an edition, finest first; raises ValueError as `factors_of` does."""
    squares = _whole_squares(blocks)
    return tuple(
        Level(factor, BlockGrid(grid.block_px // factor), blocks, 1)
        if factor <= LARGEST_FACTOR_OF_BLOCKS and factor < grid.block_px
        else Level(factor, BlockGrid(grid.block_px // factor), squares, SQUARE_BLOCKS)
        for factor in factors_of(grid.block_px)
    )


def create_overviews(store: Store, edition: str, grid: BlockGrid, blocks: BlockRange, sources: Sequence[str]) -> None:
    """Write the metadata and coordinates of the overviews of an edition, unless they are there.

    Raises SchemaError if they have another layout; a creation that was cut short is done again.
    """
    levels = levels_of(grid, blocks)
    wanted = _multiscales(levels)
    parent: Any = zarr.open_group(store, path=f"{edition}/{GROUP}", mode="a")
    if parent.attrs:
        if dict(parent.attrs) != wanted:
            raise SchemaError(f"the overviews of edition '{edition}' have another layout; write to another folder")
        return
    for level in levels:
        # No block has been written before the attributes of the parent, which come last.
        group = parent.create_group(str(level.factor), overwrite=True)
        for spec in LEVEL.arrays:
            _create_array(group, spec, level, sources)
        write_coordinates(group, level.grid, level.blocks, sources)
        labels = group.create_array(
            MAP, shape=(1 + len(sources),), dtype=str, chunks=(1 + len(sources),), dimension_names=(MAP,),
            attributes={"long_name": "the integrated map, and the map of each source"}, config=WRITE_CONFIG,
        )  # fmt: skip
        labels[:] = np.array([INTEGRATED, *sources], dtype=object)
        group.update_attributes(LEVEL.group_attributes(level.grid, level.blocks, sources))
    parent.update_attributes(wanted)


def check_overviews(store: Store, edition: str, grid: BlockGrid, blocks: BlockRange, sources: Sequence[str]) -> None:
    """Raise SchemaError unless the overviews of an edition, where it has some, are laid out as `create_overviews` does it."""
    root: Any = zarr.open_group(store, mode="r", use_consolidated=False)
    if f"{edition}/{GROUP}" not in root:
        return
    levels, place = levels_of(grid, blocks), f"overviews of edition '{edition}'"
    if dict(root[f"{edition}/{GROUP}"].attrs) != _multiscales(levels):
        raise SchemaError(f"the {place} have another layout; write to another folder")
    for level in levels:
        group = root.get(level.group(edition), {})
        missing = [spec.name for spec in LEVEL.arrays if spec.name not in group]
        if missing:
            raise SchemaError(
                f"the {place} have no array '{missing[0]}' at factor {level.factor}; write to another folder"
            )
        check_arrays(group, read_layout(group.attrs.get(ATTRIBUTES), place), f"the {place}")


def _create_array(group: Any, spec: ArraySpec, level: Level, sources: Sequence[str]) -> None:
    group.create_array(
        spec.name,
        shape=spec.shape(level.sizes(sources)),
        dtype=spec.dtype,
        chunks=level.part_shape(spec, sources),
        fill_value=spec.fill_value,
        serializer=BytesCodec(),
        compressors=[ZstdCodec(level=1, checksum=True)],
        dimension_names=spec.dims,
        attributes=spec.attributes(),
        config=WRITE_CONFIG,
    )


def _multiscales(levels: Sequence[Level]) -> dict[str, Any]:
    """Attributes of the group of the levels. Scale and translation lead to the pixels of the first level, y first."""
    first = levels[0].blocks.window(levels[0].grid)
    layout = []
    for level in levels:
        window = level.blocks.window(level.grid)
        scale = level.factor // FIRST_FACTOR
        derived = {
            "derived_from": str(FIRST_FACTOR),
            "transform": {
                "scale": [float(scale), float(scale)],
                "translation": [float(window.row * scale - first.row), float(window.col * scale - first.col)],
            },
        }
        layout.append(
            {
                "asset": str(level.factor),
                **(derived if level.factor != FIRST_FACTOR else {}),
                "spatial:transform": list(level.grid.transform(window))[:6],
                "spatial:shape": [window.height, window.width],
            }
        )
    return {
        "zarr_conventions": [MULTISCALES, SPATIAL],
        "spatial:dimensions": ["y", "x"],
        "multiscales": {"layout": layout, "resampling_method": "average"},
        ATTRIBUTES: {"schema": GROUP, "schema_version": LEVEL.version},
    }


def _whole_squares(blocks: BlockRange) -> BlockRange:
    """The smallest rectangle of whole squares around some blocks, as far as the lattice reaches."""
    n = SQUARE_BLOCKS
    row, col = blocks.row // n * n, blocks.col // n * n
    end_row = min(-(-(blocks.row + blocks.rows) // n) * n, LATTICE_ROWS)
    end_col = min(-(-(blocks.col + blocks.cols) // n) * n, LATTICE_COLS)
    return BlockRange(row, col, end_row - row, end_col - col)


def is_overview_metadata(key: str) -> bool:
    """Whether a key of a store is metadata or a coordinate of overviews, which blocks do not write."""
    parts = key.split("/")[1:]
    if not parts or parts[0] != GROUP:
        return False
    if parts[-1] == "zarr.json":
        arrays = {spec.name for spec in LEVEL.arrays} | {*COORDINATES, MAP}
        return len(parts) < 4 or (len(parts) == 4 and parts[2] in arrays)
    return len(parts) > 3 and parts[2] in (*COORDINATES, MAP)


def overview_files(cube: Path, edition: str) -> Iterator[Path]:
    """Files of an edition on disk that `create_overviews` wrote."""
    group = cube / edition / GROUP
    names = [spec.name for spec in LEVEL.arrays]
    for level in sorted(p for p in group.glob("*") if p.is_dir()):
        yield from (p for name in (*COORDINATES, MAP) for p in sorted((level / name).rglob("*")) if p.is_file())
        yield from (level / name / "zarr.json" for name in names)
        yield level / "zarr.json"
    if group.is_dir():
        yield group / "zarr.json"
