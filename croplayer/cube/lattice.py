"""Where the pixels of an opened cube lie: its window of the lattice, its region, and kernels on its chunks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import dask.array as da
import geopandas as gpd
import numpy as np
import xarray as xr
from shapely.geometry.base import BaseGeometry

from stores.block_list import BlockList
from stores.columns import CROPLAND_MASK, IMAGERY_VALID, RGB
from stores.grid import CRS, BlockGrid, PixelWindow
from stores.legends import INTEGRATED, NEVER_PROCESSED

Held = TypeVar("Held", xr.Dataset, xr.DataArray)
BLOCK_PX, EDITION = "block_px", "edition"
"""Attributes of an opened cube: pixels along the edge of a block, and the edition's name."""
IN_REGION = "in_region"
"""Coordinate (y, x) bool of a cube that was cut by a polygon: whether a pixel lies inside."""
REGION = "croplayer_region"
"""Key of the encoding of that coordinate with the polygon; writers of files leave it out."""


def grid_of(dataset: xr.Dataset | xr.DataArray) -> BlockGrid:
    """The lattice of an opened cube; raises ValueError for another dataset."""
    if BLOCK_PX not in dataset.attrs:
        raise ValueError(f"this is not a dataset of open_cube: it has no attribute '{BLOCK_PX}'")
    return BlockGrid(int(dataset.attrs[BLOCK_PX]))


def window_of(dataset: xr.Dataset) -> PixelWindow:
    """Pixels of the lattice that a dataset covers, read from its coordinates, so it is right after a selection too.

    Raises ValueError unless these are all pixels of a window in the lattice's order, north first.
    """
    grid = grid_of(dataset)
    for dim in ("y", "x"):
        if dim not in dataset.dims:
            raise ValueError(
                f"the dataset has no dimension '{dim}'; select one row or column with a slice, such as 5:6"
            )
        if not dataset.sizes[dim]:
            raise ValueError(f"the selection holds no pixel along '{dim}'; latitudes run from north to south")
    row, col = grid.pixel_at(float(dataset.x[0]), float(dataset.y[0]))
    window = PixelWindow(row, col, dataset.sizes["y"], dataset.sizes["x"])
    lattice = {"y": grid.latitudes(row, window.height), "x": grid.longitudes(col, window.width)}
    for dim, values in lattice.items():
        if not np.array_equal(dataset[dim], values):
            raise ValueError(
                f"the dataset does not hold every pixel of a window along '{dim}', in order and north first; select "
                "contiguous rows and columns, and do not thin or resample before areas and regions are measured"
            )
    return window


def in_chunks(held: Held, grid: BlockGrid) -> Held:
    """A dataset or array chunked along y and x, as by blocks when it is in memory; chunks of a lazy one stay."""
    if {"y", "x"} <= set(held.chunksizes):
        return held
    return held.chunk(y=grid.block_px, x=grid.block_px)


def map_lattice(
    dataset: xr.Dataset, kernel: Callable[..., np.ndarray], *arrays: xr.DataArray, dtype: Any, name: str
) -> xr.DataArray:
    """Lazy (y, x) array of ``kernel(PixelWindow, *pixels)`` for every chunk of a dataset.

    The kernel receives the window of its chunk on the lattice and must return one value per pixel.
    """
    lazy = lattice_chunks(dataset, kernel, *arrays, dtype=dtype)
    return xr.DataArray(lazy, dims=("y", "x"), coords={"y": dataset.y, "x": dataset.x}, name=name)


def lattice_chunks(
    dataset: xr.Dataset, kernel: Callable[..., np.ndarray], *arrays: xr.DataArray, dtype: Any, layers: int | None = None
) -> da.Array:
    """What ``map_lattice`` has in its array; with ``layers``, of a kernel of the window alone that returns (layers, h, w)."""
    window = window_of(dataset)
    chunks = in_chunks(dataset, grid_of(dataset)).chunksizes
    rows = np.concatenate([[0], np.cumsum(chunks["y"])])
    cols = np.concatenate([[0], np.cumsum(chunks["x"])])

    def on_chunk(*pixels: np.ndarray, block_info: Any = None) -> np.ndarray:
        i, j = block_info[None]["chunk-location"][-2:]
        height, width = int(rows[i + 1] - rows[i]), int(cols[j + 1] - cols[j])
        place = PixelWindow(int(window.row + rows[i]), int(window.col + cols[j]), height, width)
        return kernel(place, *pixels)

    first = () if layers is None else ((layers,),)
    lazy: da.Array = da.map_blocks(
        on_chunk,
        *(a.chunk(y=chunks["y"], x=chunks["x"]).data for a in arrays),
        chunks=(*first, chunks["y"], chunks["x"]),
        dtype=dtype,
        meta=np.empty((0,) * (2 + len(first)), dtype),
        name=None,
    )
    return lazy


def inside(dataset: xr.Dataset, geometry: BaseGeometry) -> xr.DataArray:
    """Whether each pixel centre lies in a polygon: lazy (y, x) bool."""
    from croplayer.vector.zones import pixels_inside

    grid = grid_of(dataset)
    units = gpd.GeoDataFrame(geometry=[geometry], crs=CRS)
    found = map_lattice(dataset, lambda place: pixels_inside(units, place, grid), dtype=bool, name=IN_REGION)
    found.encoding[REGION] = geometry
    return found


def region_of(dataset: xr.Dataset) -> BaseGeometry | None:
    """The polygon that a dataset was cut by; None where it was cut by none, or its coordinate is not that of `inside`."""
    return dataset[IN_REGION].encoding.get(REGION) if IN_REGION in dataset.coords else None


def pixels_of_blocks(window: PixelWindow, grid: BlockGrid, blocks: BlockList) -> np.ndarray:
    """Whether each pixel of a window lies in one of some blocks: (h, w) bool."""
    held = np.zeros((window.height, window.width), bool)
    for block in grid.blocks_under(window):
        if block in blocks:
            held[window.common(grid.window(block)).slices_in(window)] = True
    return held


def flags_of(dataset: xr.Dataset, source: str | None = None) -> xr.DataArray:
    """The map of a dataset, (y, x) uint8 flags, 255 outside its region: all that is counted and drawn passes here.

    Parameters
    ----------
    source : a source's own mask; None is the integrated map

    Raises ValueError when the dataset has no such map.
    """
    name = INTEGRATED if source is None else CROPLAND_MASK
    if name not in dataset:
        raise ValueError(f"the dataset has no array '{name}'; it has {', '.join(map(str, dataset)) or 'none'}")
    mask = dataset[name]
    if source is not None:
        known = [str(s) for s in np.atleast_1d(dataset.source.to_numpy())] if "source" in dataset.coords else []
        if source not in known:
            raise ValueError(f"source '{source}' is not in the dataset; it has {', '.join(known) or 'none'}")
        mask = mask.isel(source=known.index(source)) if "source" in mask.dims else mask
    return only_region(dataset, mask)


def imagery_of(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Imagery of one source, dims y and x (and band); raises ValueError when the dataset has none of it."""
    missing = [name for name in (RGB, IMAGERY_VALID) if name not in dataset]
    if missing:
        raise ValueError(f"the dataset has no array '{missing[0]}'; open_cube gives it")
    known = [str(s) for s in np.atleast_1d(dataset.source.to_numpy())]
    if source not in known:
        raise ValueError(f"source '{source}' is not in the dataset; it has {', '.join(known)}")
    imagery = dataset[[RGB, IMAGERY_VALID]]
    return imagery.isel(source=known.index(source)) if "source" in imagery.dims else imagery


def only_region(dataset: xr.Dataset, mask: xr.DataArray) -> xr.DataArray:
    """A mask of flags (y, x), 255 outside the region of a dataset.

    Raises ValueError when the mask is not on the pixels of the dataset.
    """
    if mask.sizes != {"y": dataset.sizes["y"], "x": dataset.sizes["x"]}:
        raise ValueError(f"the mask has the dimensions {dict(mask.sizes)}; expected y and x of the dataset")
    for dim in ("y", "x"):
        if dim in mask.coords and not np.array_equal(mask[dim], dataset[dim]):
            raise ValueError(f"the mask lies elsewhere along '{dim}' than the dataset; select both alike")
    mask = mask.astype(np.uint8)
    if IN_REGION not in dataset.coords:
        return mask
    return mask.where(dataset[IN_REGION].drop_vars(IN_REGION, errors="ignore"), np.uint8(NEVER_PROCESSED))


def block_chunks(start: int, length: int, block_px: int) -> tuple[int, ...]:
    """Chunk lengths that end on block edges."""
    first = min(-start % block_px or block_px, length)
    rest = length - first
    tail = (rest % block_px,) if rest % block_px else ()
    return (first, *([block_px] * (rest // block_px)), *tail)
