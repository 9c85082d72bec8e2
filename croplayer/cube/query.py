"""Cut a region out of an opened cube: flags with everything outside the region never processed."""

from __future__ import annotations

import numpy as np
import xarray as xr

from croplayer.cube.cuts import Cut, check_size
from croplayer.cube.lazy import grid_of, window_of
from stores.columns import CROPLAND_MASK
from stores.legends import INTEGRATED, NEVER_PROCESSED


def cut_region(cube: xr.Dataset, source: str | None = None) -> Cut:
    """Load the map of a dataset of ``open_cube``; pixels outside its polygon become 255.

    Raises ValueError for a region of more pixels than MOST_PX.
    """
    array = cube[INTEGRATED] if source is None else cube[CROPLAND_MASK].sel(source=source)
    check_size(*array.shape)
    mask = array.compute(scheduler="threads").to_numpy()
    if "in_region" in cube.coords:
        inside = cube.in_region.compute(scheduler="threads").to_numpy()
        mask = np.where(inside, mask, np.uint8(NEVER_PROCESSED))
    return Cut(mask, window_of(cube), grid_of(cube))
