"""The block table of a run in spatial partitions, and sums of it over any polygons, on whatever cluster there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from stores.columns import BLOCK_KM2, known_share_column
from stores.run_folder import edition_at

if TYPE_CHECKING:
    import dask_geopandas

PARTITION_BLOCKS = 8192
"""Blocks of a partition: a square of some 90 blocks, and 48 partitions of a nation."""


def open_blocks(
    run: str | Path, columns: Sequence[str] | None = None, partition_blocks: int = PARTITION_BLOCKS
) -> dask_geopandas.GeoDataFrame:
    """The block table of a run as a lazy GeoDataFrame whose partitions are compact pieces of land.

    Work on it runs on the Dask client that there is, or in threads. `dask_geopandas.sjoin`, `clip` and `.cx` pass over the
    partitions that are elsewhere.

    Parameters
    ----------
    run : folder of a run; ``FOLDER@EDITION`` names an edition
    columns : columns to read beside block, row, col, block_km2 and the geometry; None reads all
    partition_blocks : blocks of a partition at most

    Returns
    -------
    one row per block along a Hilbert curve; geometry is the block's box in EPSG:4326, columns as in ``blocks.parquet``
    (docs/formats.md), missing values are null

    Raises
    ------
    FileNotFoundError
        if there is no run, or it has no block table yet
    ValueError
        if the table has no such column

    Examples
    --------
    >>> blocks = croplayer.open_blocks("runs/demo", ["area_km2_croplayer"])  # doctest: +SKIP
    >>> blocks.cx[115.1:115.2, 35.0:35.1].area_km2_croplayer.sum().compute()  # doctest: +SKIP
    """
    import dask_geopandas
    import pyarrow.parquet

    folder = edition_at(run)
    if not folder.blocks.is_file():
        raise FileNotFoundError(
            f"{run} has no {folder.blocks.name}; expected the folder of a run that came to its block table"
        )
    there = pyarrow.parquet.read_schema(folder.blocks).names
    absent = sorted(set(columns or ()) - set(there))
    if absent:
        raise ValueError(
            f"{folder.blocks} has no column {', '.join(absent)}; `croplayer query` and docs/formats.md name them"
        )
    read = None if columns is None else list(dict.fromkeys(["block", "row", "col", BLOCK_KM2, *columns, "geometry"]))
    table = gpd.read_parquet(folder.blocks, columns=read)
    order = np.argsort(table.hilbert_distance().to_numpy(), kind="stable")
    blocks = dask_geopandas.from_geopandas(table.iloc[order].reset_index(drop=True), chunksize=partition_blocks)
    blocks.calculate_spatial_partitions()
    return blocks


def sums_over(
    blocks: dask_geopandas.GeoDataFrame, polygons: gpd.GeoDataFrame, key: str, columns: Sequence[str]
) -> pd.DataFrame:
    """Sums of columns of the block table over polygons of any kind: catchments, map sheets, zones of soil.

    A block that reaches over the edge of a polygon counts by the share of its box that lies inside, as if its values were spread
    evenly. The areas of ``[[admin]]`` units in a recipe are sums of pixels instead.

    Parameters
    ----------
    blocks : as `open_blocks` gives them
    polygons : in any CRS; they may overlap, and each is summed alone; invalid ones are made valid
    key : column of the polygons with the name or code of each
    columns : columns that may be summed, such as ``area_km2_croplayer``

    Returns
    -------
    one row per polygon in their order, indexed by the key: the sum of each column over the blocks where it is known, and for
    each column ``COLUMN_known``, the share of the polygon's blocks (0 to 1, by area) where it is. A sum of nothing known is
    null, not 0. A polygon without blocks has nulls.

    Raises
    ------
    ValueError
        if polygons have no CRS or no such column, or one key twice
    """
    if polygons.crs is None:
        raise ValueError("the polygons have no CRS; set it with set_crs")
    if key not in polygons:
        raise ValueError(f"the polygons have no column '{key}'; they have {', '.join(map(str, polygons.columns))}")
    if polygons[key].duplicated().any():
        raise ValueError(
            f"'{key}' holds {polygons[key][polygons[key].duplicated()].iloc[0]} twice; dissolve the polygons by it first"
        )
    shapes = gpd.GeoDataFrame(
        {key: polygons[key].to_numpy()}, geometry=shapely.make_valid(polygons.geometry.to_crs(blocks.crs).to_numpy())
    )
    needed = blocks[[BLOCK_KM2, *(c for c in columns if c != BLOCK_KM2), "geometry"]]
    meta = _weighted(needed._meta, shapes.iloc[:0], key, columns)
    parts = needed.map_partitions(_weighted, shapes, key, columns, meta=meta)
    sums = pd.DataFrame(parts.groupby(key).sum().compute()).reindex(polygons[key])
    total = sums["_land"].where(sums["_land"] > 0)
    out = pd.DataFrame(index=sums.index)
    for column in columns:
        share = sums[known_share_column(column)] / total
        out[column] = sums[column].where(share > 0)
        out[known_share_column(column)] = share
    return out


def _weighted(blocks: gpd.GeoDataFrame, polygons: gpd.GeoDataFrame, key: str, columns: Sequence[str]) -> pd.DataFrame:
    """The values of each pair of a block and a polygon that meet, times the share of the block inside, and its land where known."""
    boxes, shapes = blocks.geometry.to_numpy(), shapely.from_wkb(shapely.to_wkb(polygons.geometry.to_numpy()))
    polygon, block = np.zeros((2, 0), np.int64)
    if len(boxes) and len(shapes):
        # Copies are prepared: predicates on geometries that threads share and one prepares would crash.
        tree = shapely.STRtree(boxes)
        pairs = [tree.query(shape, predicate="intersects") for shape in shapes]
        polygon, block = np.repeat(np.arange(len(shapes)), [len(p) for p in pairs]), np.concatenate(pairs)
    share = np.ones(len(block))
    for row in np.unique(polygon):
        mine = polygon == row
        shapely.prepare(shapes[row])
        partly = np.flatnonzero(mine)[~shapely.covers(shapes[row], boxes[block[mine]])]
        inside = shapely.intersection(shapes[row], boxes[block[partly]])
        share[partly] = shapely.area(inside) / shapely.area(boxes[block[partly]])
    own = blocks.iloc[block]
    out = pd.DataFrame({key: polygons[key].to_numpy()[polygon], "_land": share * own[BLOCK_KM2].to_numpy(float)})
    for column in columns:
        values = own[column].to_numpy(float, na_value=np.nan)
        out[known_share_column(column)] = np.where(np.isnan(values), 0.0, out["_land"])
        out[column] = np.where(np.isnan(values), 0.0, share * values)
    return out
