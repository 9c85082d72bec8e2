"""The fields of a region, from the files that a run wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr

from croplayer.cube.behind import cube_behind
from croplayer.cube.lattice import IN_REGION, grid_of, window_of
from croplayer.fields.fiboa import DATETIME
from croplayer.fields.files import GEOMETRY, read_fields
from stores.grid import BlockGrid, Bounds, PixelWindow
from stores.run_folder import RunFolder
from stores.step_memory import FIELD_FILES, FIELD_OUTLINES, FIELDS


def region_fields(dataset: xr.Dataset) -> gpd.GeoDataFrame:
    """Whole fields whose inner point lies in a dataset of ``open_cube``, with `FIELD_COLUMNS` and their outlines.

    So each field is in one of the regions that a country is cut into along sides of pixels. The column ``determination:datetime`` (datetime64[ms, UTC],
    null where nothing tells) is there where a file of the fields has it. Raises FileNotFoundError where no run with fields
    lies behind the dataset.
    """
    behind = cube_behind(dataset)
    if behind is None or behind.run is None:
        raise FileNotFoundError("the dataset is not of a run's cube, so no fields lie beside it; open the run's folder")
    window, grid = window_of(dataset), grid_of(dataset)
    in_region = dataset.coords.get(IN_REGION)
    frames = [
        frame[_holds(frame, window, grid, in_region)]
        for frame in fields_in(RunFolder(Path(behind.run)), grid.window_bounds(window))
    ]
    if any(DATETIME in frame for frame in frames):
        for frame in frames:
            if DATETIME not in frame:
                frame.insert(frame.columns.get_loc(GEOMETRY), DATETIME, pd.Series(dtype="datetime64[ms, UTC]"))
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=frames[0].crs)


def field_files(folder: RunFolder) -> list[Path]:
    """The files of a run's fields; raises FileNotFoundError when there are none, ValueError when they are not finished."""
    if not folder.root.is_dir():
        raise FileNotFoundError(f"there is no run at {folder.root}; check the path")
    steps = folder.memory.entries()
    entries = {name: entry for name, entry in steps.items() if name.startswith(FIELD_FILES)}
    made_of = [steps[name] for name in (FIELDS, FIELD_OUTLINES) if name in steps]
    if made_of and any(entry.is_open for entry in (*made_of, *entries.values())):
        raise ValueError(f"the fields of {folder.root} are not finished; finish the run first")
    paths = sorted(
        folder.root / name for entry in entries.values() for name in entry.files if name.endswith(".parquet")
    )
    if not paths:
        raise FileNotFoundError(
            f"{folder.root} has no fields; add the table [fields] to its recipe and run it again, which only adds them"
        )
    return paths


def fields_in(folder: RunFolder, bounds: Bounds | None) -> Iterator[gpd.GeoDataFrame]:
    """Fields of a run whose boxes touch some bounds, or all, file by file.

    Raises FileNotFoundError when the run has none.
    """
    for path in field_files(folder):
        yield from read_fields(path, bounds)


def _holds(
    fields: gpd.GeoDataFrame, window: PixelWindow, grid: BlockGrid, in_region: xr.DataArray | None
) -> np.ndarray:
    """Whether the inner point of each field lies in a window, and in its region."""
    points = shapely.point_on_surface(fields.geometry.to_numpy())
    x, y = shapely.get_x(points), shapely.get_y(points)
    col = np.floor((x + 180) * grid.px_per_degree).astype(np.int64) - window.col
    row = np.floor((90 - y) * grid.px_per_degree).astype(np.int64) - window.row
    inside = (row >= 0) & (row < window.height) & (col >= 0) & (col < window.width)
    if in_region is not None and inside.any():
        at = (xr.DataArray(place[inside], dims="point") for place in (row, col))
        inside[inside] = in_region.isel(dict(zip(("y", "x"), at, strict=True))).to_numpy()
    return np.asarray(inside)
