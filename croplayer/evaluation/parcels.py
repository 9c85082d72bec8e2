"""Comparison of mapped regions with reference parcels, one by one.

Over- and under-segmentation as in Clinton et al. 2010, Accuracy assessment measures for object-based
image segmentation goodness, Photogrammetric Engineering and Remote Sensing 76, 289-299: for parcel x
and mapped region y, over = 1 - |x ∩ y| / |x|, under = 1 - |x ∩ y| / |y|, and their distance from 0 is
D = sqrt((over² + under²) / 2). The region taken for a parcel is the one that overlaps it most, as in
Persello and Bruzzone 2010, doi 10.1109/TGRS.2009.2029570. Regions are 4-connected, like the exported
polygons. A mask has no instances, so touching fields are one region and count as under-segmented.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.kernels.overlaps import overlaps
from croplayer.vector.zones import zones_of_pixels
from stores.grid import BlockGrid, PixelWindow
from stores.legends import CROPLAND, NO_IMAGERY

UNKNOWN = -1
"""Number of pixels where the map is not known."""


def parcel_numbers(parcels: gpd.GeoDataFrame, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Number of the parcel that contains the centre of each pixel of a window: (h, w) int32, rows counted from 1.

    0 means no parcel, or a parcel that extends beyond the window, of which only a part could be compared.
    """
    box, bounds = grid.window_bounds(window), parcels.bounds
    whole = (
        (bounds.minx >= box.west) & (bounds.miny >= box.south) & (bounds.maxx <= box.east) & (bounds.maxy <= box.north)
    )
    numbers = zones_of_pixels(parcels, window, grid) + 1
    return np.where(np.concatenate([[False], whole])[numbers], numbers, 0)


def parcel_scores(parcels: np.ndarray, mask: np.ndarray, row_km2: np.ndarray) -> pd.DataFrame:
    """One row per reference parcel that the map covers completely.

    Parameters
    ----------
    parcels : (h, w) int32, number of the parcel from 1, 0 for none
    mask : (h, w) uint8 flags of the map
    row_km2 : (h,) area of a pixel in each row, km2

    Returns
    -------
    DataFrame with columns parcel (number), area_ha, over, under, distance (all 0..1) and missed. A parcel that no region
    overlaps is missed; its over is 1, its under and distance are NaN. Parcels with pixels without data are left out.
    """
    from scipy import ndimage

    regions, _ = ndimage.label(mask == CROPLAND)
    return segmentation_scores(parcels, np.where(mask >= NO_IMAGERY, UNKNOWN, regions), row_km2)


def segmentation_scores(parcels: np.ndarray, regions: np.ndarray, row_km2: np.ndarray) -> pd.DataFrame:
    """`parcel_scores` of regions that have numbers already.

    Parameters
    ----------
    parcels : (h, w) integers, number of the parcel from 1, 0 for none
    regions : (h, w) integers, number of the mapped region from 1, 0 for none, -1 where the map is not known
    row_km2 : (h,) area of a pixel in each row, km2
    """
    row_ha = row_km2 * 100
    given, mapped = overlaps(parcels, parcels, row_ha), overlaps(regions, regions, row_ha)
    pairs = overlaps(parcels, regions, row_ha)
    both = (pairs.first > 0) & (pairs.second > 0)
    parcel_of, region_of, overlap = pairs.first[both], pairs.second[both], pairs.area[both]
    order = np.lexsort((region_of, -overlap, parcel_of))
    first = order[np.unique(parcel_of[order], return_index=True)[1]]
    whole = (given.first > 0) & ~np.isin(given.first, pairs.first[pairs.second == UNKNOWN])
    number, area = given.first[whole], given.area[whole]
    best, best_overlap = np.zeros(len(number), np.int64), np.zeros(len(number))
    place = np.searchsorted(number, parcel_of[first])
    found = np.isin(parcel_of[first], number)
    best[place[found]], best_overlap[place[found]] = region_of[first][found], overlap[first][found]
    region_area = mapped.area[np.searchsorted(mapped.first, best).clip(max=len(mapped.first) - 1)]
    missed = best == 0
    over = 1 - best_overlap / area
    under = np.where(missed, np.nan, 1 - best_overlap / region_area)
    return pd.DataFrame(
        {
            "parcel": number,
            "area_ha": area,
            "over": over,
            "under": under,
            "distance": np.sqrt((over**2 + under**2) / 2),
            "missed": missed,
        }
    )


def parcel_summary(scores: pd.DataFrame, given: int) -> dict[str, float]:
    """Number of parcels, number left out of ``given``, share missed, and area-weighted means over the others.

    Shares and means are NaN without parcels.
    """
    found = scores[~scores.missed]
    total = found.area_ha.sum()
    means = {
        name: float((found[name] * found.area_ha).sum() / total) if total else np.nan
        for name in ("over", "under", "distance")
    }
    missed = float(scores.missed.mean()) if len(scores) else np.nan
    return {"parcels": len(scores), "left_out": given - len(scores), "missed_share": missed} | means
