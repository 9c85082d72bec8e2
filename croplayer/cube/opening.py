"""Open a cube on disk or in a bucket lazily, cut to a region."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import rioxarray  # noqa: F401  (gives opened cubes their .rio)
import shapely
import xarray as xr
from shapely.geometry.base import BaseGeometry

from croplayer.cube import accessor  # noqa: F401  (gives opened cubes their .crop)
from croplayer.cube.whole_blocks import Cube
from croplayer.vector.boundaries import boundary_named
from stores.block_list import BlockList
from stores.finished import MissingBlocksError, check_finished
from stores.grid import CRS, BlockGrid, BlockIndex, Bounds, PixelWindow
from stores.places import is_remote, open_store
from stores.run_folder import BOUNDARIES_FILE
from stores.schema import SchemaError


def open_cube(
    path: str | Path,
    region: Bounds | tuple[float, float, float, float] | BaseGeometry | str | Iterable[str] | None = None,
    edition: str | None = None,
    strict: bool = False,
) -> xr.Dataset:
    """Open a cube lazily, cut to a region first and chunked by block after.

    Parameters
    ----------
    path : the cube, usually ``runs/NAME/cube.zarr``, or its address ``s3://BUCKET/PREFIX``
    region : bounds (west, south, east, north) in degrees, a polygon in EPSG:4326, the name of an
        admin unit of the run (English, Chinese or code), or names of blocks; None is everything
    edition : name of the edition; may be left out when the cube holds one
    strict : whether every block of the region must be finished according to the run's ledgers; without it,
        blocks that a run has not reached read as never processed

    Returns
    -------
    Dataset of dask arrays with ``.rio.crs`` set. Masks are uint8 flags: 0, 1, 254 no imagery, 255
    never processed. With a polygon or admin name the dataset covers its bounding box and the lazy
    coordinate ``in_region`` says which pixel centres lie inside.

    Raises
    ------
    FileNotFoundError when there is no cube; ValueError when the region is unknown or does not
    overlap the cube; SchemaError when it is not laid out on the lattice; MissingBlocksError when ``strict`` and a block
    of the region is not finished or lies outside the cube.
    """
    cube = Cube.open(path, edition)
    dataset = xr.open_zarr(
        open_store(path, read_only=True),
        group=cube.edition,
        decode_coords="all",
        chunks=None,
        mask_and_scale=False,
        consolidated=False,
    )
    dataset = dataset.assign_coords(source=("source", np.array(cube.sources, dtype=object), dataset.source.attrs))
    whole = window = cube.blocks.window(cube.grid)
    _check_place(dataset, cube, whole)
    geometry = _as_geometry(region, path)
    if geometry is not None:
        window = _overlap(cube, geometry, str(region)[:80])
    if strict:
        asked = Bounds(*region) if isinstance(region, tuple) else geometry or cube.grid.window_bounds(window)
        _check_strictly(path, cube, asked)
    y, x = window.slices_in(whole)
    dataset = dataset.isel(y=y, x=x)
    n = cube.grid.block_px
    dataset = dataset.chunk(
        y=_block_chunks(window.row, window.height, n), x=_block_chunks(window.col, window.width, n), source=1, band=-1
    )
    dataset.attrs["edition"] = cube.edition
    dataset.attrs["window"] = list(window)
    if geometry is not None and not isinstance(region, Bounds | tuple):
        from croplayer.cube.lazy import inside

        dataset = dataset.assign_coords(in_region=inside(dataset, geometry))
    return dataset


def _check_strictly(path: str | Path, cube: Cube, region: Bounds | BaseGeometry) -> None:
    """Raise unless every block of a region lies in the cube and is finished according to the ledgers beside it."""
    if is_remote(path):
        raise ValueError(f"{path} has no ledgers beside it; `croplayer verify` with the run's folder checks its blocks")
    check_finished(Path(path), cube.edition, _held_blocks(cube, region))


def _held_blocks(cube: Cube, region: Bounds | BaseGeometry) -> BlockList:
    """Blocks of a region; raises MissingBlocksError when the cube does not hold all of them."""
    blocks = BlockList.of(cube.grid.blocks_in(region))
    outside = sum(not cube.holds(block) for block in blocks)
    if outside:
        box = cube.grid.window_bounds(cube.blocks.window(cube.grid))
        raise MissingBlocksError(
            f"{outside} of {len(blocks)} blocks of the region lie outside {cube.path}, which covers west={box.west} "
            f"south={box.south} east={box.east} north={box.north}; ask for a region inside it, or open the cube "
            "without strict"
        )
    return blocks


def _check_place(dataset: xr.Dataset, cube: Cube, window: PixelWindow) -> None:
    """Raise SchemaError unless the coordinates are the lattice's to the last bit: others silently align with nothing."""
    lattice = {
        "y": cube.grid.latitudes(window.row, window.height),
        "x": cube.grid.longitudes(window.col, window.width),
    }
    for name, values in lattice.items():
        if name not in dataset.coords or not np.array_equal(dataset[name], values):
            raise SchemaError(
                f"edition '{cube.edition}' of {cube.path}: '{name}' differs from the lattice; write the cube again"
            )
    if dataset.rio.crs != CRS:
        raise SchemaError(f"edition '{cube.edition}' of {cube.path} is in {dataset.rio.crs}; expected {CRS}")


def _as_geometry(region: object, path: str | Path) -> BaseGeometry | None:
    if region is None or isinstance(region, BaseGeometry):
        return region
    if isinstance(region, str):
        if is_remote(path):
            raise ValueError(f"region '{region}' cannot be looked up beside {path}; give bounds or a polygon")
        return boundary_named(Path(path).parent / BOUNDARIES_FILE, region)
    items = list(region)  # type: ignore[call-overload]
    if items and all(isinstance(i, str) for i in items):
        grid = BlockGrid()
        return shapely.union_all([shapely.box(*grid.bounds(BlockIndex.parse(i))) for i in items])
    if len(items) != 4:
        raise ValueError(
            f"region {region!r} is not bounds (west, south, east, north), a polygon, a name or block names"
        )
    return shapely.box(*(float(i) for i in items))


def _overlap(cube: Cube, geometry: BaseGeometry, what: str) -> PixelWindow:
    """Pixels of the cube whose area the geometry's bounding box shares."""
    whole = cube.blocks.window(cube.grid)
    part = cube.grid.pixels_of(Bounds(*geometry.bounds)).common(whole)
    if part.is_empty:
        box = cube.grid.window_bounds(whole)
        raise ValueError(
            f"region {what} does not overlap the cube, which covers west={box.west} south={box.south} "
            f"east={box.east} north={box.north}"
        )
    return part


def _block_chunks(start: int, length: int, block_px: int) -> tuple[int, ...]:
    """Chunk lengths that end on block edges."""
    first = min(-start % block_px or block_px, length)
    rest = length - first
    tail = (rest % block_px,) if rest % block_px else ()
    return (first, *([block_px] * (rest // block_px)), *tail)
