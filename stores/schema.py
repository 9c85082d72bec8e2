"""Describe, create and check a Zarr store on the block lattice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr
from pyproj import CRS as ProjCrs
from zarr.abc.store import Store
from zarr.codecs import BytesCodec, ZstdCodec
from zarr.core.sync import sync

from stores.edition import ATTRIBUTES, WRITE_CONFIG, SchemaError
from stores.grid import CRS, BlockGrid, BlockRange

COORDINATES = ("x", "y", "band", "source", "spatial_ref")
INNER_CHUNK_PX = 512


@dataclass(frozen=True)
class ArraySpec:
    """One array of a store, whose pixels lie on the global lattice."""

    name: str
    dims: tuple[str, ...]
    """Dimension names; chunks hold one block along y and x, one source, and all bands."""
    dtype: str
    fill_value: int | bool
    long_name: str
    units: str = "1"
    flags: Mapping[int, str] = field(default_factory=dict)
    """CF flag values and meanings; empty if the values are numbers."""
    scale_factor: float | None = None
    """Value that a stored 1 stands for, as an attribute for readers; arrays are read as stored."""
    has_inner_chunks: bool = False
    """Whether a block's shard is cut into inner chunks of 512 px for reading windows."""
    is_optional: bool = False
    """Whether only those editions have the array whose creation asked for it."""

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Shape of the array, given the length of each dimension."""
        return tuple(sizes[d] for d in self.dims)

    def block_shape(self, grid: BlockGrid, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Shape of one block of one source, the unit of writing."""
        edge = {"y": grid.block_px, "x": grid.block_px, "source": 1}
        return tuple(edge.get(d, sizes[d]) for d in self.dims)

    def inner_shape(self, grid: BlockGrid, sizes: Mapping[str, int]) -> tuple[int, ...] | None:
        """Shape of an inner chunk, or None if a block is a single chunk."""
        if not self.has_inner_chunks or grid.block_px % INNER_CHUNK_PX or grid.block_px == INNER_CHUNK_PX:
            return None
        block = self.block_shape(grid, sizes)
        return tuple(INNER_CHUNK_PX if d in "yx" else n for d, n in zip(self.dims, block, strict=True))

    def attributes(self) -> dict[str, Any]:
        """CF attributes of the array."""
        attributes: dict[str, Any] = {"long_name": self.long_name, "grid_mapping": "spatial_ref"}
        if self.flags:
            attributes["flag_values"] = list(self.flags)
            attributes["flag_meanings"] = " ".join(self.flags.values())
        else:
            attributes["units"] = self.units
        if self.scale_factor is not None:
            attributes["probability_scale"] = self.scale_factor
        return attributes


@dataclass(frozen=True)
class StoreSchema:
    """The arrays of a store and its version."""

    name: str
    version: int
    arrays: tuple[ArraySpec, ...]

    def create(
        self,
        store: Store,
        edition: str,
        grid: BlockGrid,
        blocks: BlockRange,
        sources: Sequence[str],
        optional: Collection[str] = (),
    ) -> None:
        """Write the metadata and coordinates of an edition.

        An edition that already has this layout is left as it is, and gets the optional arrays that it lacks. One whose
        creation was interrupted, so that no block can have been written, is created again.

        Parameters
        ----------
        optional : names of the optional arrays that the edition is to have

        Raises SchemaError if the edition has another layout, or has blocks but no metadata, as after restoring
        only a part of a copy.
        """
        root = zarr.open_group(store, mode="a")
        if edition in root and ATTRIBUTES in root[edition].attrs:
            found: Any = root[edition]
            self.check(found, grid, blocks, sources)
            for spec in self.arrays:
                if spec.name in optional and spec.name not in found:
                    _create_array(found, spec, grid, self.sizes(grid, blocks, sources))
            return
        block = sync(self._any_block(store, edition))
        if block:
            raise SchemaError(
                f"edition '{edition}' of {store} has lost its metadata {edition}/zarr.json but still has blocks, such as "
                f"{block}; restore the file from a copy, or remove the edition to map it again"
            )
        if not root.attrs:
            # In one write: updating ``attrs`` writes once for each attribute, and a run may be killed in between.
            root.update_attributes(store_attributes(edition))
        sizes = self.sizes(grid, blocks, sources)
        group = root.create_group(edition, overwrite=True)
        for spec in self.arrays:
            if not spec.is_optional or spec.name in optional:
                _create_array(group, spec, grid, sizes)
        write_coordinates(group, grid, blocks, sources)
        # The attributes come last: an edition without them was never finished.
        group.update_attributes(self.group_attributes(grid, blocks, sources))

    async def _any_block(self, store: Store, edition: str) -> str | None:
        """A key of an edition that its creation did not write, None if there is none."""
        async for key in store.list_prefix(f"{edition}/"):
            if not self.is_metadata(key):
                return key
        return None

    def is_metadata(self, key: str) -> bool:
        """Whether a key of a store is metadata or a coordinate, which blocks do not write."""
        parts = key.split("/")
        if len(parts) > 2 and parts[1] in COORDINATES:
            return True
        return parts[-1] == "zarr.json" and (
            len(parts) < 3 or (len(parts) == 3 and parts[1] in {a.name for a in self.arrays})
        )

    def sizes(self, grid: BlockGrid, blocks: BlockRange, sources: Sequence[str]) -> dict[str, int]:
        """Length of each dimension."""
        window = blocks.window(grid)
        return {"source": len(sources), "y": window.height, "x": window.width, "band": 3}

    def group_attributes(self, grid: BlockGrid, blocks: BlockRange, sources: Sequence[str]) -> dict[str, Any]:
        """Attributes of an edition: CF and GeoZarr conventions, and its place on the lattice."""
        window = blocks.window(grid)
        box = grid.window_bounds(window)
        return {
            "Conventions": "CF-1.11",
            "zarr_conventions": [
                {"uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f", "name": "proj:"},
                {"uuid": "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "name": "spatial:"},
            ],
            "proj:code": CRS,
            "spatial:dimensions": ["y", "x"],
            "spatial:transform": list(grid.transform(window))[:6],
            "spatial:shape": [window.height, window.width],
            "spatial:bbox": list(box),
            "spatial:registration": "pixel",
            ATTRIBUTES: {
                "schema": self.name,
                "schema_version": self.version,
                "block_px": grid.block_px,
                "row": blocks.row,
                "col": blocks.col,
                "rows": blocks.rows,
                "cols": blocks.cols,
                "sources": list(sources),
            },
        }

    def check(self, group: Any, grid: BlockGrid, blocks: BlockRange, sources: Sequence[str]) -> None:
        """Raise SchemaError unless a group has exactly this layout; optional arrays may be missing."""
        expected = self.group_attributes(grid, blocks, sources)[ATTRIBUTES]
        found = group.attrs.get(ATTRIBUTES)
        if found is None:
            raise SchemaError(f"group '{group.path}' was not finished or is not a croplayer edition; remove it")
        if found != expected:
            different = sorted(k for k in expected if found.get(k) != expected[k])
            what = ", ".join(f"{k} is {found.get(k)!r}, expected {expected[k]!r}" for k in different)
            raise SchemaError(f"cube edition '{group.path}' has another layout: {what}; write to another folder")
        sizes = self.sizes(grid, blocks, sources)
        for spec in self.arrays:
            if spec.name not in group:
                if spec.is_optional:
                    continue
                raise SchemaError(f"cube edition '{group.path}' has no array '{spec.name}'; write to another folder")
            array = group[spec.name]
            shape, dtype = spec.shape(sizes), np.dtype(spec.dtype)
            if array.shape != shape or array.dtype != dtype or array.fill_value != spec.fill_value:
                raise SchemaError(
                    f"array '{spec.name}' of edition '{group.path}' is {array.shape} {array.dtype} fill "
                    f"{array.fill_value}, expected {shape} {dtype} fill {spec.fill_value}"
                )


def _create_array(group: Any, spec: ArraySpec, grid: BlockGrid, sizes: Mapping[str, int]) -> None:
    """Write the metadata of one array of an edition."""
    inner_shape = spec.inner_shape(grid, sizes)
    block_shape = spec.block_shape(grid, sizes)
    group.create_array(
        spec.name,
        shape=spec.shape(sizes),
        dtype=spec.dtype,
        chunks=inner_shape or block_shape,
        shards=block_shape if inner_shape else None,
        fill_value=spec.fill_value,
        serializer=BytesCodec(),
        compressors=[ZstdCodec(level=1, checksum=True)],
        dimension_names=spec.dims,
        attributes=spec.attributes(),
        config=WRITE_CONFIG,
    )


def store_attributes(edition: str) -> dict[str, str]:
    """Attributes of a store's root, which readers show that open the store and no edition; ``edition`` is its first."""
    return {
        "title": "cropland maps of croplayer",
        "comment": "each edition is a group of its own; open one with croplayer.open_cube(path) or "
        f"xarray.open_zarr(path, group='{edition}', consolidated=False)",
    }


def write_coordinates(group: Any, grid: BlockGrid, blocks: BlockRange, sources: Sequence[str]) -> None:
    """Write y, x, band, source and spatial_ref of an edition."""
    window = blocks.window(grid)
    y = grid.latitudes(window.row, window.height)
    x = grid.longitudes(window.col, window.width)
    axes = {
        "y": (y, {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}),
        "x": (x, {"standard_name": "longitude", "units": "degrees_east", "axis": "X"}),
        "band": (np.arange(1, 4, dtype=np.int64), {"long_name": "red, green, blue"}),
    }
    for name, (values, attributes) in axes.items():
        array = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=values.shape, dimension_names=(name,),
            compressors=[ZstdCodec(level=1, checksum=True)], attributes=attributes, config=WRITE_CONFIG,
        )  # fmt: skip
        array[:] = values
    labels = group.create_array(
        "source", shape=(len(sources),), dtype=str, chunks=(len(sources),), dimension_names=("source",),
        attributes={"long_name": "imagery source"}, config=WRITE_CONFIG,
    )  # fmt: skip
    labels[:] = np.array(sources, dtype=object)
    crs = ProjCrs.from_user_input(CRS)
    transform = grid.transform(window).to_gdal()
    # Attributes that are added later are each written by themselves, with the whole file.
    reference = group.create_array(
        "spatial_ref", shape=(), dtype="int64", config=WRITE_CONFIG,
        attributes={**crs.to_cf(), "spatial_ref": crs.to_wkt(), "GeoTransform": " ".join(repr(v) for v in transform)},
    )  # fmt: skip
    reference[()] = 0
