"""Cut the map of an opened cube out: flags with everything outside the region never processed."""

from __future__ import annotations

import xarray as xr

from croplayer.cube.cuts import Cut, check_size
from croplayer.cube.lattice import flags_of, grid_of, window_of


def cut_region(cube: xr.Dataset, source: str | None = None) -> Cut:
    """Load the map of a dataset of ``open_cube``; pixels outside its region become 255.

    Raises ValueError for a region of more pixels than MOST_PX.
    """
    flags = flags_of(cube, source)
    check_size(*flags.shape)
    return Cut(flags.compute(scheduler="threads").to_numpy(), window_of(cube), grid_of(cube))
