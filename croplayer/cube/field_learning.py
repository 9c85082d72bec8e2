"""Ground of a cube whose fields were drawn, to learn field rules from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import geopandas as gpd
import numpy as np

from croplayer.cube.field_layers import FieldLayers
from croplayer.fields.learning import DrawnGround
from croplayer.vector.zones import zones_of_pixels
from stores.grid import Bounds


def drawn_ground(layers: FieldLayers, parcels: gpd.GeoDataFrame) -> Iterator[DrawnGround]:
    """The blocks of a map that hold drawn fields, each with the drawn fields in it.

    All ground of these blocks counts as looked at: what lies in no drawn field is taken for no field.

    Parameters
    ----------
    parcels : polygons in EPSG:4326
    """
    grid = layers.cube.grid
    for block in grid.blocks_in(Bounds(*parcels.total_bounds)):
        if not layers.taken.of(block):
            continue
        window = grid.window(block)
        drawn = (zones_of_pixels(parcels, window, grid) + 1).astype(np.int32)
        if not drawn.any():
            continue
        ground = layers.ground(block)
        area = window.slices_in(ground.window)
        parts = {name: getattr(ground, name)[area] for name in ("inside", "cropland", "boundary", "rgb")}
        pixel_m = float(np.sqrt(grid.pixel_area_m2(window.row + window.height // 2, 1)[0]))
        yield DrawnGround(block.name, replace(ground, window=window, **parts), drawn, pixel_m)
