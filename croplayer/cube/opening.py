"""Open a cube on disk or in a bucket lazily, cut to a region."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
import pandas as pd
import rioxarray  # noqa: F401  (gives opened cubes their .rio)
import shapely
import xarray as xr

from croplayer.cube import accessor  # noqa: F401  (gives opened cubes their .crop)
from croplayer.cube.behind import Behind, link, unlink
from croplayer.cube.lattice import BLOCK_PX, EDITION, IN_REGION, block_chunks, inside
from croplayer.cube.regions import Asked, Region, asked_region, exchanged_hint
from croplayer.cube.whole_blocks import Cube
from stores.block_list import BlockList
from stores.cube import CUBE
from stores.edition import SchemaError
from stores.finished import (
    STEP_OF_ARRAY,
    MissingBlocksError,
    UnfinishedBlocksWarning,
    check_finished,
    finished_blocks,
    names_of,
    unfinished_words,
)
from stores.grid import CRS, PixelWindow
from stores.legends import INTEGRATED
from stores.places import has_key, open_store
from stores.run_folder import CubePlace, cube_place
from stores.step_memory import WRITERS_OF_CUBE

_SMALL_PX = 1_000_000
"""A region of at most this many pixels is looked at when it is opened, so that one without a pixel is noticed."""


def open_cube(
    path: str | Path, region: Region = None, edition: str | Sequence[str] | None = None, strict: bool = False
) -> xr.Dataset:
    """Open a cube lazily, cut to a region.

    Parameters
    ----------
    path : the folder of a run, its ``cube.zarr``, a snapshot, or the address ``s3://BUCKET/PREFIX`` of a cube or snapshot
    region : bounds (west, south, east, north) in degrees, a GeoDataFrame or GeoSeries of polygons in any CRS, a
        shapely polygon in EPSG:4326, the name of an admin unit of the run (English, Chinese or code), or names of blocks;
        None is everything
    edition : name of the edition; may be left out when the run or cube holds one. Several names give a dimension
        ``edition`` over the arrays and the ground that all of them have
    strict : whether every block of the region must be finished according to the run's ledgers

    Returns
    -------
    Dataset of dask arrays with ``.rio.crs`` set. Masks are uint8 flags: 0, 1, 254 no imagery, 255 never processed. What
    the ledgers beside the cube do not call finished, under the settings with which each step was begun last, reads as
    never processed. A cube that has no ledgers beside it reads as it is stored.

    With bounds every pixel that shares area with the box belongs to the region. Other regions hold the pixels whose
    centres lie inside: the dataset covers their bounding box, the lazy coordinate ``in_region`` tells which pixels these
    are, and ``.crop`` counts no others. There are as many chunks as the region meets blocks, of equal sizes. Attributes
    hold nothing that a later selection would make untrue.

    Warns
    -----
    UnfinishedBlocksWarning when blocks of the region are not finished or lie outside the cube.

    Raises
    ------
    FileNotFoundError when there is no cube; ValueError when the region is unknown, does not overlap the cube or holds no
    pixel; SchemaError when the cube is not laid out on the lattice; MissingBlocksError when ``strict`` and a block of the
    region is not finished or lies outside the cube.
    """
    if edition is not None and not isinstance(edition, str):
        return _together({name: open_cube(path, region, name, strict) for name in edition})
    place = cube_place(path, edition)
    cube = Cube.open(place.cube, edition or (place.folder.edition if place.folder else None))
    whole = cube.blocks.window(cube.grid)
    asked = asked_region(region, place)
    window = _overlap(cube, asked)
    held = BlockList.under(whole, cube.grid.block_px)
    blocks = BlockList.of(cube.grid.blocks_in(asked.for_blocks)) if asked else held
    outside = len(blocks.without(held))
    if strict:
        _check_strictly(place, cube, blocks, outside)
    finished = _finished(place, cube, BlockList.under(window, cube.grid.block_px))
    dataset = _cut(_opened(cube), cube, window, finished)
    if place.folder is not None and finished:
        words = unfinished_words(place.folder, place.cube, cube.edition, blocks.both(held), finished, asked is not None)
    else:
        words = ""
    _warn_of(words, cube, len(blocks), outside)
    dataset = link(dataset, Behind.of(cube, place))
    return dataset if asked is None or asked.is_box else _with_region(dataset, cube, asked)


def _together(editions: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The arrays that all of some editions have along a dimension of their own.

    Raises ValueError for none, or of different lattices or sources.
    """
    if not editions:
        raise ValueError("no edition is named; expected at least one")
    made_of = {name: (d.attrs[BLOCK_PX], tuple(map(str, d.source.values))) for name, d in editions.items()}
    if len(set(made_of.values())) != 1:
        found = "; ".join(f"{name} has {px} px a block from {', '.join(of)}" for name, (px, of) in made_of.items())
        raise ValueError(f"editions of one lattice and the same sources can be opened together; {found}")
    shared = [name for name in next(iter(editions.values())) if all(name in d for d in editions.values())]
    names = pd.Index(list(editions), name=EDITION)
    together = xr.concat([d[shared] for d in editions.values()], names, join="inner", combine_attrs="drop_conflicts")
    together.attrs.pop(EDITION, None)
    return unlink(together)


def _finished(place: CubePlace, cube: Cube, blocks: BlockList) -> dict[str, BlockList]:
    """Those of some blocks that are finished, by step; empty where no ledgers tell."""
    if place.folder is None or not place.folder.has_ledgers:
        return {}
    return {s: finished_blocks(place.folder, place.cube, cube.edition, s, blocks) for s in WRITERS_OF_CUBE}


def _with_region(dataset: xr.Dataset, cube: Cube, asked: Asked) -> xr.Dataset:
    """A dataset with the coordinate ``in_region``; raises ValueError when it is seen that the region holds no pixel."""
    dataset = dataset.assign_coords({IN_REGION: inside(dataset, asked.geometry)})
    if dataset.sizes["y"] * dataset.sizes["x"] <= _SMALL_PX and not bool(dataset[IN_REGION].any()):
        raise ValueError(
            f"region {asked.name} holds the centre of no pixel of {cube.path}, which has pixels of {cube.grid.px_deg:.3g} "
            "degrees; give its bounds to get the pixels that it touches"
        )
    return dataset


def _opened(cube: Cube) -> xr.Dataset:
    """All of an edition, not in chunks, with attributes that hold for every part of it."""
    dataset = xr.open_zarr(
        open_store(cube.path, read_only=True),
        group=cube.edition,
        decode_coords="all",
        chunks=None,
        mask_and_scale=False,
        consolidated=False,
    )
    dataset = dataset.assign_coords(source=("source", np.array(cube.sources, dtype=object), dataset.source.attrs))
    _check_place(dataset, cube, cube.blocks.window(cube.grid))
    dataset.attrs = {
        "Conventions": dataset.attrs.get("Conventions", "CF-1.11"),
        "proj:code": CRS,
        BLOCK_PX: cube.grid.block_px,
        EDITION: cube.edition,
    }
    dataset.spatial_ref.attrs.pop("GeoTransform", None)  # of the whole cube; readers take the coordinates without it
    return dataset


def _cut(dataset: xr.Dataset, cube: Cube, window: PixelWindow, finished: Mapping[str, BlockList]) -> xr.Dataset:
    """A window of an edition in as many chunks of equal sizes as it meets blocks, which are read whole and once.

    Zarr stores no chunks of different sizes, so those that end on block edges could not be written by ``to_zarr``.
    """
    y, x = window.slices_in(cube.blocks.window(cube.grid))
    n = cube.grid.block_px
    blocks = {"y": block_chunks(window.row, window.height, n), "x": block_chunks(window.col, window.width, n)}
    dataset = dataset.isel(y=y, x=x).chunk({**blocks, "source": 1, "band": -1})
    dataset = _finished_only(dataset, cube, window, finished) if finished else dataset
    dataset = dataset.chunk({dim: -(-sum(lengths) // len(lengths)) for dim, lengths in blocks.items()})
    for variable in dataset.variables.values():
        variable.encoding = _encoding(variable)
    return dataset


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    """How a variable is written by ``to_netcdf`` and ``to_zarr``: chunks of the cube's store fit no selection."""
    encoding = {k: v for k, v in variable.encoding.items() if k in ("grid_mapping", "compressors", "fill_value")}
    if variable.dtype == np.uint8 and not (find_spec("netCDF4") or find_spec("h5netcdf")):
        # xarray then writes NetCDF 3, which has no unsigned bytes.
        encoding |= {"dtype": np.dtype(np.int16)}
    return encoding


def _finished_only(
    dataset: xr.Dataset, cube: Cube, window: PixelWindow, finished: Mapping[str, BlockList]
) -> xr.Dataset:
    """A dataset whose unfinished blocks are not read, and hold the fill values of the cube's arrays.

    Parameters
    ----------
    finished : blocks that are finished, by step
    """
    near = BlockList.under(window, cube.grid.block_px)
    changed = {}
    for spec in CUBE.arrays:
        blocks = finished[STEP_OF_ARRAY[spec.name]]
        if spec.name in dataset and near.without(blocks):
            array = dataset[spec.name]
            read = _Blocks(cube, spec.name, spec.dims, window, blocks, array.shape, array.dtype, spec.fill_value)
            meta = np.empty((0,) * array.ndim, array.dtype)
            # Other ways to make an array of dask's note every chunk, which takes minutes for those of a nation.
            lazy = da.from_array(read, chunks=array.data.chunks, name=f"{spec.name}-{uuid4().hex}", meta=meta)
            changed[spec.name] = array.copy(data=lazy)
    return dataset.assign(changed)


@dataclass(frozen=True)
class _Blocks:
    """An array of a cube that reads the blocks that are finished."""

    cube: Cube
    name: str
    dims: tuple[str, ...]
    window: PixelWindow
    """Of the dataset."""
    blocks: BlockList
    shape: tuple[int, ...]
    dtype: np.dtype
    fill: Any

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        """A chunk: of one source, where the array has sources."""
        ends = [part.indices(size)[:2] for part, size in zip(index, self.shape, strict=True)]
        at = {dim: slice(*of) for dim, of in zip(self.dims, ends, strict=True)}
        source = self.cube.sources[at["source"].start] if "source" in at else None
        y, x = at["y"], at["x"]
        place = PixelWindow(self.window.row + y.start, self.window.col + x.start, y.stop - y.start, x.stop - x.start)
        out = np.full([stop - start for start, stop in ends], self.fill, self.dtype)
        pixels = out if source is None else out[0]
        for block in self.cube.grid.blocks_under(place):
            if block in self.blocks:
                part = place.common(self.cube.grid.window(block))
                pixels[part.slices_in(place)] = self.cube.read_window(self.name, part, source)
        return out


def _warn_of(words: str, cube: Cube, asked: int, outside: int) -> None:
    """Warn of unfinished blocks, and of blocks of the region that lie outside the cube."""
    said = [words] if words else []
    if outside:
        said.append(f"{outside} of {asked} blocks of the region lie outside {cube.path} and are not in the dataset")
    if words:
        said.append("unfinished blocks read as never processed (255)")
    if said:
        warnings.warn("; ".join(said), UnfinishedBlocksWarning, stacklevel=3)


def _check_strictly(place: CubePlace, cube: Cube, blocks: BlockList, outside: int) -> None:
    """Raise unless every block of a region lies in the cube and is finished according to the ledgers beside it.

    A snapshot holds what was finished and nothing else.
    """
    if place.folder is None and place.snapshot is None:
        raise ValueError(f"{cube.path} has no ledgers beside it; open it by the folder of its run to use strict")
    if outside:
        box = cube.grid.window_bounds(cube.blocks.window(cube.grid))
        raise MissingBlocksError(
            f"{outside} of {len(blocks)} blocks of the region lie outside {cube.path}, which covers west={box.west} "
            f"south={box.south} east={box.east} north={box.north}; ask for a region inside it, or open the cube "
            "without strict"
        )
    if place.snapshot is not None:
        left = BlockList.of(b for b in blocks if not has_key(cube.path, cube.block_key(INTEGRATED, b)))
        if left:
            raise MissingBlocksError(
                f"{len(left)} of {len(blocks)} blocks are not in {place.snapshot}: {names_of(left)}"
            )
    elif place.folder is not None:
        check_finished(place.folder, place.cube, cube.edition, blocks)


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


def _overlap(cube: Cube, asked: Asked | None) -> PixelWindow:
    """Pixels of the cube whose area the box around a region shares; all of them without a region."""
    whole = cube.blocks.window(cube.grid)
    if asked is None:
        return whole
    box = cube.grid.window_bounds(whole)
    part = cube.grid.pixels_of(asked.bounds).common(whole)
    if part.is_empty or not shapely.relate_pattern(asked.geometry, shapely.box(*box), "T********"):
        raise ValueError(
            f"region {asked.name} does not overlap the cube, which covers west={box.west} south={box.south} "
            f"east={box.east} north={box.north}{exchanged_hint(asked, box)}"
        )
    return part
