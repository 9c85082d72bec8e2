"""Change between two opened cubes, computed where and when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from croplayer.changes.blocks import Comparison
from croplayer.changes.editions import Edition, check_comparable, edition_of
from croplayer.changes.evidence import Seen
from croplayer.changes.remapping import remapped_seen
from croplayer.changes.rules import ChangeRules
from croplayer.changes.sieve import sieved
from croplayer.cube.behind import cube_behind
from croplayer.cube.lattice import IN_REGION, block_chunks, window_of
from stores.block_list import BlockList
from stores.change import CHANGE, CHANGE_FLAGS
from stores.grid import BlockGrid, BlockIndex, PixelWindow
from stores.legends import Change
from stores.run_folder import RunFolder


def change(
    before: xr.Dataset,
    after: xr.Dataset,
    rules: ChangeRules | None = None,
    remapped: xr.DataArray | None = None,
    threshold: float = 0.5,
) -> xr.DataArray:
    """Lazy change of the cropland between two editions, pixel by pixel.

    What the pixels beside a selection say comes from the cubes behind the datasets, so a pixel has the value that
    ``croplayer change`` writes, whatever the selection and its chunks. Imagery is registered block by block.

    Parameters
    ----------
    before, after : two datasets of ``open_cube`` on the same lattice, or selections of them without gaps; the ground that
        both cover is compared
    rules : what counts as a change
    remapped : (source, y, x) uint8 on the pixels of ``before``, or (y, x) where the maps have one source: what
        ``croplayer.segment`` says of the earlier imagery of each source with the model of the later map; the change is then
        that of the ground alone. Beyond ``before`` nothing of it is known.
    threshold : probability from which ``remapped`` is cropland; that of the later map

    Returns
    -------
    (y, x) uint8 `stores.legends.Change`: 0 stable other, 1 stable cropland, 2 gain, 3 loss, 254 unknown in an edition,
    different without a source that both maps take, or not compared because the imagery lies too far off, 255 not in both maps or outside of the region of a dataset. Ground is
    stable of the class that the earlier map gives it.

    Raises
    ------
    ValueError when the datasets are not of cubes, share no ground, or are not on the same lattice or of the same sources,
    when ``remapped`` lacks a source or pixels, or ``threshold`` is not between 0 and 1.
    """
    rules = rules or ChangeRules()
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}; expected a number between 0 and 1")
    editions = _edition(before), _edition(after)
    check_comparable(*editions)
    grid = editions[0].cube.grid
    window = window_of(before).common(window_of(after))
    if window.is_empty:
        raise ValueError("the two datasets share no pixel; open the same region of both")
    depth = rules.margins(window, grid).total
    around = window.grown(depth)
    near = BlockList.under(_on_lattice(around, grid), grid.block_px)
    differ = _Differences(Comparison(*editions, rules).narrowed(near), around, threshold)
    chunks = tuple(
        _at_least(block_chunks(start, length, grid.block_px), depth)
        for start, length in ((around.row, around.height), (around.col, around.width))
    )
    layers = [] if remapped is None else _layers(remapped, sorted(editions[0].cube.sources))
    given = [_padded(layer, window_of(before), around).rechunk(chunks) for layer in layers]
    difference = da.map_blocks(differ, *given, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0), np.uint8))
    lent = da.overlap.overlap(difference, depth, int(Change.NEVER_COMPARED), allow_rechunk=False)
    decide = _Changes(grid, rules, around, depth, chunks)
    decided = da.map_blocks(decide, lent, chunks=chunks, dtype=np.uint8, meta=np.empty((0, 0), np.uint8))
    y, x = window.slices_in(around)
    return _labelled(decided[y, x], before, after, window, grid)


def _edition(dataset: xr.Dataset) -> Edition:
    behind = cube_behind(dataset)
    if behind is None:
        raise ValueError(
            "a dataset is not of a cube, or its imagery was left out or computed; give datasets of open_cube"
        )
    return edition_of(behind.open(), RunFolder(Path(behind.run)) if behind.run else None, behind.snapshot)


@dataclass(frozen=True)
class _Differences:
    """Reads and compares the pixels of a chunk, block by block."""

    comparison: Comparison
    window: PixelWindow
    """Of all chunks."""
    threshold: float
    """Of the remapped scores."""

    def __call__(self, *remapped: np.ndarray, block_info: Any = None) -> np.ndarray:
        place = _place(block_info[None]["array-location"], self.window)
        out = np.full((place.height, place.width), Change.NEVER_COMPARED, np.uint8)
        for block in self.comparison.grid.blocks_under(place):
            part = place.common(self.comparison.grid.window(block))
            area = part.slices_in(place)
            read = partial(self._seen, block, [layer[area] for layer in remapped]) if remapped else None
            out[area] = self.comparison.of(block, part, read).difference
        return out

    def _seen(self, block: BlockIndex, layers: list[np.ndarray], part: PixelWindow) -> Seen:
        """What the remapped scores say of a part of a block."""
        return remapped_seen(self.comparison.before, block, part, np.stack(layers), self.threshold)


@dataclass(frozen=True)
class _Changes:
    """Sieves the differences of a chunk that were lent those around it."""

    grid: BlockGrid
    rules: ChangeRules
    window: PixelWindow
    depth: int
    chunks: tuple[tuple[int, ...], ...]

    def __call__(self, around: np.ndarray, block_info: Any = None) -> np.ndarray:
        location = [
            (sum(lengths[:i]), sum(lengths[: i + 1]))
            for lengths, i in zip(self.chunks, block_info[0]["chunk-location"], strict=True)
        ]
        inner = _place(location, self.window)
        return sieved(around, inner.grown(self.depth), inner, self.grid, self.rules).change


def _place(location: Any, window: PixelWindow) -> PixelWindow:
    """The window of a chunk on the lattice."""
    (top, bottom), (left, right) = location
    return PixelWindow(window.row + top, window.col + left, bottom - top, right - left)


def _on_lattice(window: PixelWindow, grid: BlockGrid) -> PixelWindow:
    return window.common(PixelWindow(0, 0, 180 * grid.px_per_degree, 360 * grid.px_per_degree))


def _at_least(lengths: tuple[int, ...], least: int) -> tuple[int, ...]:
    """Chunks of which those that are too short to lend their neighbours enough are joined with the next."""
    out: list[int] = []
    for length in lengths:
        if out and (out[-1] < least or length < least):
            out[-1] += length
        else:
            out.append(length)
    return tuple(out)


def _layers(remapped: xr.DataArray, sources: list[str]) -> list[xr.DataArray]:
    """The remapped scores (y, x) of each source."""
    if "source" not in remapped.dims:
        if len(sources) > 1:
            raise ValueError(
                f"remapped has no dimension 'source', and the maps have the sources {', '.join(sources)}; join what "
                "croplayer.segment says of each with xarray.concat"
            )
        return [remapped]
    known = [str(name) for name in remapped.source.values] if "source" in remapped.coords else []
    if sorted(known) != sources:
        raise ValueError(
            f"remapped has the sources {', '.join(known) or 'without names'}; expected {', '.join(sources)} as its "
            "coordinate 'source'"
        )
    return [remapped.isel(source=known.index(name)) for name in sources]


def _padded(array: xr.DataArray, window: PixelWindow, around: PixelWindow) -> da.Array:
    """A lazy (h, w) array of a window, cut to or surrounded by 255 up to another one."""
    if array.sizes != {"y": window.height, "x": window.width}:
        raise ValueError(f"remapped has the dimensions {dict(array.sizes)}; expected y and x of the earlier dataset")
    part = window.common(around)
    held = da.asarray(array.transpose("y", "x").data)[part.slices_in(window)]
    top, left = part.row - around.row, part.col - around.col
    beside = ((top, around.height - top - part.height), (left, around.width - left - part.width))
    return da.pad(held, beside, mode="constant", constant_values=int(Change.NEVER_COMPARED))


def _labelled(
    decided: da.Array, before: xr.Dataset, after: xr.Dataset, window: PixelWindow, grid: BlockGrid
) -> xr.DataArray:
    """The change with its coordinates and the meaning of its flags; 255 outside the regions of the datasets."""
    attributes = {"flag_values": list(CHANGE_FLAGS), "flag_meanings": " ".join(CHANGE_FLAGS.values())}
    coordinates = {
        "y": grid.latitudes(window.row, window.height),
        "x": grid.longitudes(window.col, window.width),
        "spatial_ref": before.spatial_ref,
    }
    out = xr.DataArray(decided, dims=("y", "x"), coords=coordinates, name=CHANGE, attrs=attributes)
    for dataset in (before, after):
        if IN_REGION in dataset.coords:
            y, x = window.slices_in(window_of(dataset))
            inside = dataset[IN_REGION].isel(y=y, x=x).data
            out = out.copy(data=da.where(inside, out.data, np.uint8(Change.NEVER_COMPARED)))
    sizes = {
        dim: -(-length // count)
        for dim, length, count in zip(("y", "x"), decided.shape, decided.numblocks, strict=True)
    }
    return out.chunk(sizes)
