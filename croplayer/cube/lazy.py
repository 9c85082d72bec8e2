"""Segmentation and shapes of regions on lazy cubes, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import dask.array as da
import numpy as np
import xarray as xr

from croplayer.cube.behind import Behind, cube_behind, imagery_around
from croplayer.cube.lattice import (
    grid_of,
    imagery_of,
    in_chunks,
    lattice_chunks,
    map_lattice,
    only_region,
    pixels_of_blocks,
    window_of,
)
from stores.block_list import BlockList
from stores.columns import BOUNDARY_PROBABILITY, CROPLAND_PROBABILITY, IMAGERY_VALID, RGB
from stores.grid import BlockGrid, PixelWindow
from stores.legends import CROPLAND, NEVER_PROCESSED, NO_IMAGERY

CONTEXT_KNOWN = "context_known"
"""Coordinate (y, x) bool of a lazy segmentation: whether all imagery that a pixel's value depends on is in the cube."""


def region_properties(dataset: xr.Dataset, mask: xr.DataArray) -> xr.Dataset:
    """Lazy shape of the cropland in every chunk of a (y, x) mask of flags, dims block_row and block_col.

    Pixels outside the region of the dataset do not count. Variables regions, area_px, solidity_mean, solidity_total,
    euler_mean, euler_total, float64; means of a chunk without cropland are NaN, and so is everything of a chunk of which
    no pixel is known.
    """
    from croplayer.kernels.regions import RegionSummary, summarise
    from croplayer.kernels.regions import region_properties as of_pixels

    window_of(dataset)
    mask = only_region(dataset, mask)
    mask = in_chunks(mask, grid_of(dataset))
    count = len(RegionSummary._fields)

    def on_chunk(pixels: np.ndarray) -> np.ndarray:
        if not (pixels < NO_IMAGERY).any():
            return np.full((1, 1, count), np.nan)
        return np.array(summarise(of_pixels(pixels == CROPLAND)), np.float64)[None, None]

    lazy = da.map_blocks(
        on_chunk,
        mask.data,
        chunks=(*((1,) * len(mask.chunksizes[dim]) for dim in ("y", "x")), (count,)),
        new_axis=2,
        dtype=np.float64,
        meta=np.empty((0, 0, 0)),
    )
    names = ["regions" if f == "count" else f for f in RegionSummary._fields]
    return xr.Dataset({name: (("block_row", "block_col"), lazy[..., i]) for i, name in enumerate(names)})


@overload
def segment(
    dataset: xr.Dataset,
    source: str,
    model: str | Path = "default",
    *,
    boundaries: Literal[False] = False,
    cell_px: int = 512,
    blend_px: int = 32,
    batch_cells: int | None = None,
    runtime: str = "torch",
) -> xr.DataArray: ...


@overload
def segment(
    dataset: xr.Dataset,
    source: str,
    model: str | Path = "default",
    *,
    boundaries: Literal[True],
    cell_px: int = 512,
    blend_px: int = 32,
    batch_cells: int | None = None,
    runtime: str = "torch",
) -> xr.Dataset: ...


def segment(
    dataset: xr.Dataset,
    source: str,
    model: str | Path = "default",
    *,
    boundaries: bool = False,
    cell_px: int = 512,
    blend_px: int = 32,
    batch_cells: int | None = None,
    runtime: str = "torch",
) -> xr.DataArray | xr.Dataset:
    """Lazy probability of cropland of one source of a cube, each chunk predicted when it is computed.

    The context of a selection comes from the cube behind it, so a pixel has the value that a run with the same settings
    writes, also at the edge of the selection. Beyond the blocks that a run has mosaicked, the run reads its context from
    the source of the imagery, which is not at hand here; pixels that depend on it are predicted without it and are False
    in the coordinate ``context_known``. Imagery that is not the cube's own (computed from it, or read from another file)
    has no context beyond the dataset.

    Parameters
    ----------
    dataset : of ``open_cube``, or a selection of it without gaps
    source : name of the imagery source
    model : name of an included model, or the folder of a bundle
    boundaries : whether to tell the boundaries of fields as well, from the same pass of the network
    cell_px, blend_px, batch_cells, runtime : as in a recipe's ``grid`` and ``segmentation``

    Returns
    -------
    (y, x) uint8: 0..250 = probability 0..1, 254 where there is no imagery, 255 where the run has not mosaicked; with the
    lazy bool coordinate ``context_known``, and ``in_region`` if the dataset has it. With ``boundaries`` a dataset of two such
    arrays that are named as in the cube: ``cropland_probability``, and ``boundary_probability`` for the network's score that
    the boundary of a field is near. Compute the dataset, not one array after the other, to predict once.

    Raises
    ------
    ValueError when the dataset has gaps, has no such source, or its imagery is not the cube's and not cut along cells, and
    for a model that does not segment, or with ``boundaries`` tells none; what ``models.load`` raises for a wrong model.
    """
    grid, window = grid_of(dataset), window_of(dataset)
    network = _network(model, runtime, batch_cells, boundaries)
    cells = _Cells(min(cell_px, grid.block_px), blend_px)
    imagery = imagery_of(dataset, source)
    behind = cube_behind(imagery)
    if behind is not None and imagery[RGB].chunks and imagery[IMAGERY_VALID].chunks:
        cube = behind.open()
        held = behind.blocks_with_imagery(cube, cells.context(window))
        from_cube = _FromCube(behind, source, grid, held, cells, network)
        layers = lattice_chunks(imagery, from_cube.layers, dtype=np.uint8, layers=network.layers)
        known = map_lattice(imagery, from_cube.context_known, dtype=bool, name=CONTEXT_KNOWN)
    else:
        layers = _from_dataset(in_chunks(imagery, grid), cells, network)
        alone = _FromDataset(window, cells)
        known = map_lattice(imagery, alone.context_known, dtype=bool, name=CONTEXT_KNOWN)
    coordinates = {CONTEXT_KNOWN: known} | ({"in_region": dataset.in_region} if "in_region" in dataset.coords else {})
    names = (CROPLAND_PROBABILITY, BOUNDARY_PROBABILITY)[: network.layers]
    told = xr.Dataset(
        {name: (("y", "x"), layer) for name, layer in zip(names, layers, strict=True)},
        coords={"y": known.y, "x": known.x},
    ).assign_coords({name: each.drop_vars(name, errors="ignore") for name, each in coordinates.items()})
    return told if boundaries else told[CROPLAND_PROBABILITY]


def _network(model: str | Path, runtime: str, batch_cells: int | None, boundaries: bool) -> _Network:
    """What predicts; raises ValueError for a model that does not tell what it is asked for."""
    from croplayer.models.bundles.catalogue import find_bundle
    from croplayer.models.networks.layers import HAS_QUERIES, TELL_BOUNDARIES
    from croplayer.models.networks.manifest import bundle_digest, read_manifest

    folder = find_bundle(model)
    manifest = read_manifest(folder)
    if manifest.kind != "segmentation":
        raise ValueError(f"model '{model}' does not segment; name a segmentation model")
    if boundaries and not manifest.tells_boundaries:
        raise ValueError(
            f"model '{model}' is a {manifest.architecture} that tells no boundaries; leave out boundaries, or name a model "
            f"that tells them ({', '.join(TELL_BOUNDARIES)}, or a {HAS_QUERIES} whose queries were taught fields), such as 'default'"
        )
    return _Network(str(folder), bundle_digest(folder), runtime, batch_cells, 2 if boundaries else 1)


class _Cells(NamedTuple):
    """Cells of the lattice and the fade between them."""

    cell_px: int
    blend_px: int

    @property
    def halo_px(self) -> int:
        """Context of whole cells."""
        from croplayer.models.networks.cells import blended_halo_px

        return blended_halo_px(self.cell_px, self.blend_px)

    def around(self, window: PixelWindow) -> PixelWindow:
        """The smallest window of whole cells around a window."""
        n = self.cell_px
        row, col = window.row // n * n, window.col // n * n
        return PixelWindow(row, col, -(-(window.row_stop - row) // n) * n, -(-(window.col_stop - col) // n) * n)

    def context(self, window: PixelWindow) -> PixelWindow:
        """All pixels that the values of a window depend on, and few more."""
        return self.around(window).grown(self.halo_px)

    def depend_on(self, known: np.ndarray) -> np.ndarray:
        """Which pixels of whole cells depend on known pixels alone: (h, w) bool.

        Parameters
        ----------
        known : (h + 2 halo, w + 2 halo) bool
        """
        n, halo, blend = self.cell_px, self.halo_px, self.blend_px
        height, width = known.shape[0] - 2 * halo, known.shape[1] - 2 * halo
        first, context = (-(n // 2), blend) if blend else (0, halo)
        sure = np.ones((height, width), bool)
        for top in range(first, height, n):
            for left in range(first, width, n):
                y, x = top + halo - context, left + halo - context
                if not known[y : y + n + 2 * context, x : x + n + 2 * context].all():
                    sure[max(top - blend, 0) : top + n + blend, max(left - blend, 0) : left + n + blend] = False
        return sure


@dataclass(frozen=True)
class _Network:
    """Predicts whole cells with their context, (layers, h, w) uint8; each process loads the model once."""

    folder: str
    digest: str
    runtime: str
    batch_cells: int | None
    layers: int
    """1 for cropland, 2 for the boundaries of fields as well."""

    def __call__(self, rgb: np.ndarray, valid: np.ndarray, cells: _Cells) -> np.ndarray:
        import torch

        from croplayer.models.bundles.kinds import load_segmenter
        from croplayer.models.networks.cells import cells_at_once
        from croplayer.models.networks.inference import predict_layers

        before = torch.get_num_threads()
        # As in the workers of a run: with more threads sums are rounded in another order. Chunks run beside each other.
        torch.set_num_threads(1)
        try:
            network = load_segmenter(self.folder, self.digest, self.runtime)
            return predict_layers(
                network,
                rgb,
                valid,
                cell_px=cells.cell_px,
                halo_px=cells.halo_px,
                batch_cells=self.batch_cells or cells_at_once(network.device.type),
                blend_px=cells.blend_px,
            )[: self.layers]
        finally:
            torch.set_num_threads(before)


@dataclass(frozen=True)
class _FromCube:
    """Values of a window from the imagery in the cube, whatever the window."""

    behind: Behind
    source: str
    grid: BlockGrid
    held: BlockList
    """Blocks around the dataset whose imagery is in the cube."""
    cells: _Cells
    network: _Network

    def layers(self, window: PixelWindow) -> np.ndarray:
        whole = self.cells.around(window)
        rgb, valid = imagery_around(self.behind.open(), self.cells.context(window), self.source, self.held)
        values = self.network(rgb, valid, self.cells)[:, *window.slices_in(whole)]
        return np.where(pixels_of_blocks(window, self.grid, self.held), values, np.uint8(NEVER_PROCESSED))

    def context_known(self, window: PixelWindow) -> np.ndarray:
        known = pixels_of_blocks(self.cells.context(window), self.grid, self.held)
        return self.cells.depend_on(known)[window.slices_in(self.cells.around(window))]


@dataclass(frozen=True)
class _FromDataset:
    """A dataset of its own imagery, beyond which nothing is known."""

    window: PixelWindow
    cells: _Cells

    def context_known(self, window: PixelWindow) -> np.ndarray:
        context = self.cells.context(window)
        known = np.zeros((context.height, context.width), bool)
        known[self.window.common(context).slices_in(context)] = True
        return self.cells.depend_on(known)[window.slices_in(self.cells.around(window))]


def _from_dataset(imagery: xr.Dataset, cells: _Cells, network: _Network) -> da.Array:
    """(layers, y, x) from the imagery of a dataset alone; chunks lend each other their context."""
    window, halo_px = window_of(imagery), cells.halo_px
    lengths = [length for dim in ("y", "x") for length in imagery.chunksizes[dim]]
    if any(n % cells.cell_px for n in (window.row, window.col, *lengths)):
        raise ValueError(
            f"the dataset has imagery of its own and is not cut along cells of {cells.cell_px} px; select and chunk whole blocks"
        )
    if min(lengths) < halo_px:
        raise ValueError(f"chunks of {min(lengths)} px are smaller than the context of {halo_px} px that cells need")
    around = {0: halo_px, 1: halo_px}
    rgb = da.overlap.overlap(imagery[RGB].data, {**around, 2: 0}, {0: 0, 1: 0, 2: "none"}, allow_rechunk=False)
    valid = da.overlap.overlap(imagery[IMAGERY_VALID].data, around, {0: False, 1: False}, allow_rechunk=False)

    def on_chunk(rgb: np.ndarray, valid: np.ndarray) -> Any:
        return network(rgb, valid[..., 0], cells)

    lazy: da.Array = da.map_blocks(
        on_chunk,
        rgb,
        valid[..., None],
        chunks=((network.layers,), imagery.chunksizes["y"], imagery.chunksizes["x"]),
        drop_axis=2,
        new_axis=0,
        dtype=np.uint8,
        meta=np.empty((0, 0, 0), np.uint8),
    )
    return lazy
