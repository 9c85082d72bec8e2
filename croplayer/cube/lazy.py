"""Kernels on lazy cubes, wrapped in map_blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr
from shapely.geometry.base import BaseGeometry

from stores.columns import AREA_KM2, CROPLAND_PROBABILITY
from stores.grid import CRS, BlockGrid, PixelWindow
from stores.legends import CROPLAND
from stores.schema import ATTRIBUTES


def grid_of(dataset: xr.Dataset | xr.DataArray) -> BlockGrid:
    """The lattice of an opened cube."""
    facts = dataset.attrs.get(ATTRIBUTES)
    if facts is None:
        raise ValueError(f"this is not a dataset of open_cube: it has no '{ATTRIBUTES}' attribute")
    return BlockGrid(facts["block_px"])


def window_of(dataset: xr.Dataset) -> PixelWindow:
    """Pixels of the lattice that a dataset covers, read from its coordinates, so it is right after a selection too."""
    grid = grid_of(dataset)
    row, col = grid.pixel_at(float(dataset.x[0]), float(dataset.y[0]))
    last_row, last_col = grid.pixel_at(float(dataset.x[-1]), float(dataset.y[-1]))
    window = PixelWindow(row, col, dataset.sizes["y"], dataset.sizes["x"])
    if (window.row_stop, window.col_stop) != (last_row + 1, last_col + 1):
        raise ValueError("the dataset skips rows or columns; select a contiguous window")
    return window


def map_lattice(
    dataset: xr.Dataset, kernel: Callable[..., np.ndarray], *arrays: xr.DataArray, dtype: Any, name: str
) -> xr.DataArray:
    """Lazy (y, x) array of ``kernel(PixelWindow, *pixels)`` for every chunk of a dataset.

    The kernel receives the window of its chunk on the lattice and must return one value per pixel.
    """
    window = window_of(dataset)
    chunks = dataset.chunksizes
    rows = np.concatenate([[0], np.cumsum(chunks["y"])])
    cols = np.concatenate([[0], np.cumsum(chunks["x"])])

    def on_chunk(*pixels: np.ndarray, block_info: Any = None) -> np.ndarray:
        i, j = block_info[None]["chunk-location"]
        height, width = int(rows[i + 1] - rows[i]), int(cols[j + 1] - cols[j])
        place = PixelWindow(int(window.row + rows[i]), int(window.col + cols[j]), height, width)
        return kernel(place, *pixels)

    lazy = da.map_blocks(
        on_chunk,
        *(a.data for a in arrays),
        chunks=(chunks["y"], chunks["x"]),
        dtype=dtype,
        meta=np.empty((0, 0), dtype),
        name=None,
    )
    return xr.DataArray(lazy, dims=("y", "x"), coords={"y": dataset.y, "x": dataset.x}, name=name)


def inside(dataset: xr.Dataset, geometry: BaseGeometry) -> xr.DataArray:
    """Whether each pixel centre lies in a polygon: lazy (y, x) bool."""
    from croplayer.vector.zones import pixels_inside

    grid = grid_of(dataset)
    units = gpd.GeoDataFrame(geometry=[geometry], crs=CRS)
    return map_lattice(dataset, lambda place: pixels_inside(units, place, grid), dtype=bool, name="in_region")


def area_by_unit(dataset: xr.Dataset, mask: xr.DataArray, units: gpd.GeoDataFrame) -> pd.Series:
    """Cropland area of a (y, x) mask of flags in each admin unit, pixel by pixel, in km2.

    Returns a Series by adcode. Pixels without imagery count as no area; check the share of missing
    pixels separately.
    """
    from croplayer.vector.zones import UnitRings

    grid = grid_of(dataset)
    rings = UnitRings.of(units.to_crs(CRS).reset_index(drop=True))
    window = window_of(dataset)
    chunks = dataset.chunksizes
    rows, cols = (np.concatenate([[0], np.cumsum(chunks[d])[:-1]]) for d in ("y", "x"))

    def on_chunk(pixels: np.ndarray, block_info: Any = None) -> np.ndarray:
        i, j = block_info[0]["chunk-location"]
        place = PixelWindow(int(window.row + rows[i]), int(window.col + cols[j]), *pixels.shape)
        sums = np.zeros((1, 1, len(units)))
        for unit, area in rings.areas_km2((pixels == CROPLAND) * np.uint8(100), place, grid).items():
            sums[0, 0, unit] = area
        return sums

    parts = da.map_blocks(
        on_chunk,
        mask.data,
        chunks=((1,) * len(chunks["y"]), (1,) * len(chunks["x"]), (len(units),)),
        new_axis=2,
        dtype=np.float64,
        meta=np.empty((0, 0, 0)),
    )
    return pd.Series(parts.sum(axis=(0, 1)).compute(), index=pd.Index(units.adcode, name="adcode"), name=AREA_KM2)


def region_properties(dataset: xr.Dataset, mask: xr.DataArray) -> xr.Dataset:
    """Lazy shape of the cropland in every chunk of a (y, x) mask of flags, dims block_row and block_col.

    Variables regions, area_px, solidity_mean, solidity_total, euler_mean, euler_total, float64; means of a
    chunk without cropland are NaN.
    """
    from croplayer.kernels.regions import RegionSummary, summarise
    from croplayer.kernels.regions import region_properties as of_pixels

    chunks = dataset.chunksizes
    count = len(RegionSummary._fields)

    def on_chunk(pixels: np.ndarray) -> np.ndarray:
        return np.array(summarise(of_pixels(pixels == CROPLAND)), np.float64)[None, None]

    lazy = da.map_blocks(
        on_chunk,
        mask.data,
        chunks=((1,) * len(chunks["y"]), (1,) * len(chunks["x"]), (count,)),
        new_axis=2,
        dtype=np.float64,
        meta=np.empty((0, 0, 0)),
    )
    names = ["regions" if f == "count" else f for f in RegionSummary._fields]
    return xr.Dataset({name: (("block_row", "block_col"), lazy[..., i]) for i, name in enumerate(names)})


def segment(
    dataset: xr.Dataset,
    source: str,
    model: str | Path = "default",
    *,
    cell_px: int = 512,
    blend_px: int = 32,
    batch_cells: int = 1,
    runtime: str = "torch",
) -> xr.DataArray:
    """Lazy probability of cropland of one source of a cube, each chunk predicted when it is computed.

    A pixel has the value that a run with the same settings writes, provided that its context lies in the
    dataset; a run reads imagery beyond the dataset's edge from the source, and here there is none.

    Parameters
    ----------
    dataset : of ``open_cube``, cut along cells; its chunks are multiples of a cell
    source : name of the imagery source
    model : name of an included model, or the folder of a bundle
    cell_px, blend_px, batch_cells, runtime : as in a recipe's ``grid`` and ``segmentation``

    Returns
    -------
    (y, x) uint8: 0..250 = probability 0..1, 254 where there is no imagery

    Raises
    ------
    ValueError when the dataset is not cut along cells; what ``models.load`` raises for a wrong model.
    """
    from croplayer.models.bundles.catalogue import find_bundle
    from croplayer.models.networks.inference import blended_halo_px
    from croplayer.models.networks.manifest import bundle_digest

    window = window_of(dataset)
    cell_px = min(cell_px, grid_of(dataset).block_px)
    lengths = [length for dim in ("y", "x") for length in dataset.chunksizes[dim]]
    if any(n % cell_px for n in (window.row, window.col, *lengths)):
        raise ValueError(f"the dataset is not cut along cells of {cell_px} px; open it by blocks, not by pixels")
    folder = find_bundle(model)
    digest = bundle_digest(folder)
    halo_px = blended_halo_px(cell_px, blend_px)
    if min(lengths) < halo_px:
        raise ValueError(f"chunks of {min(lengths)} px are smaller than the context of {halo_px} px that cells need")

    imagery = dataset.sel(source=source)
    around = {0: halo_px, 1: halo_px}
    rgb = da.overlap.overlap(imagery.rgb.data, {**around, 2: 0}, {0: 0, 1: 0, 2: "none"}, allow_rechunk=False)
    valid = da.overlap.overlap(imagery.imagery_valid.data, around, {0: False, 1: False}, allow_rechunk=False)
    lazy = da.map_blocks(
        _Prediction(str(folder), digest, runtime, cell_px, blend_px, batch_cells),
        rgb,
        valid[..., None],
        chunks=(dataset.chunksizes["y"], dataset.chunksizes["x"]),
        drop_axis=2,
        dtype=np.uint8,
        meta=np.empty((0, 0), np.uint8),
    )
    return xr.DataArray(lazy, dims=("y", "x"), coords={"y": dataset.y, "x": dataset.x}, name=CROPLAND_PROBABILITY)


@dataclass(frozen=True)
class _Prediction:
    """Predicts one chunk with its context; each process loads the model once."""

    folder: str
    digest: str
    runtime: str
    cell_px: int
    blend_px: int
    batch_cells: int

    def __call__(self, rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
        from croplayer.models.bundles.kinds import load_segmenter
        from croplayer.models.networks.inference import blended_halo_px, predict_block

        return predict_block(
            load_segmenter(self.folder, self.digest, self.runtime),
            rgb,
            valid[..., 0],
            cell_px=self.cell_px,
            halo_px=blended_halo_px(self.cell_px, self.blend_px),
            batch_cells=self.batch_cells,
            blend_px=self.blend_px,
        )
