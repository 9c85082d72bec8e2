"""``cube.crop``: area, comparison, polygons and a plot of an opened cube."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from stores.columns import AREA_FRACTION, AREA_KM2, CROPLAND_MASK, map_column
from stores.legends import CROPLAND, FLAG_COLOURS, FLAG_LABELS, INTEGRATED, NO_IMAGERY

if TYPE_CHECKING:
    from croplayer.products.product import Product


@xr.register_dataset_accessor("crop")
class CropAccessor:
    """Area, comparison, polygons and a picture of the cropland in a dataset of ``open_cube``."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def area(self, by: gpd.GeoDataFrame, source: str | None = None) -> pd.DataFrame:
        """Cropland area by admin unit to the pixel.

        Parameters
        ----------
        by : units with a column adcode, any CRS
        source : a source's own mask; None is the integrated map

        Returns
        -------
        Table with adcode, the units' names and area_km2 on the ellipsoid.
        """
        from croplayer.cube.lazy import area_by_unit

        areas = area_by_unit(self._dataset, self._mask(source), by)
        names = [c for c in ("name_en", "name_zh") if c in by.columns]
        table = pd.DataFrame(by[["adcode", *names]]).reset_index(drop=True)
        table[AREA_KM2] = areas.to_numpy()
        return table

    def compare(self, product: Product | str, path: str = "", source: str | None = None, **how: Any) -> pd.Series:
        """Agreement with an existing map: counts of pixels, IoU, F1 and both area fractions.

        Parameters
        ----------
        product : a map by its legend (ESA, ESRI, ... or a legend file) with ``path`` and the arguments of
            ``croplayer.products.open.open_product``, or a product that is open already
        path : its GeoTIFFs or STAC items
        source : a source's own mask; None is the integrated map
        """
        from croplayer.cube.lazy import grid_of, map_lattice
        from croplayer.measures.agreement import Agreement
        from croplayer.products.open import open_product

        opened = open_product(product, path, **how) if isinstance(product, str) else product
        grid = grid_of(self._dataset)
        flags = map_lattice(
            self._dataset, lambda place: opened.read(place, grid).flags(), dtype=np.uint8, name=opened.name
        )
        mask = self._mask(source)
        known = (mask < NO_IMAGERY) & (flags < NO_IMAGERY)
        crop, other = mask == CROPLAND, flags == CROPLAND
        sums = xr.Dataset(
            {
                "tp": (crop & other & known).sum(),
                "fp": (crop & ~other & known).sum(),
                "fn": (~crop & other & known).sum(),
                "tn": (~crop & ~other & known).sum(),
            }
        ).compute()
        counts = Agreement(*(int(sums[f]) for f in Agreement._fields))
        return pd.Series(
            {
                **counts._asdict(),
                "iou": counts.iou,
                "f1": counts.f1,
                AREA_FRACTION: (counts.tp + counts.fp) / counts.pixels if counts.pixels else np.nan,
                map_column(AREA_FRACTION, opened.name): (counts.tp + counts.fn) / counts.pixels
                if counts.pixels
                else np.nan,
            },
            name=opened.name,
        )

    def polygons(self, source: str | None = None) -> gpd.GeoDataFrame:
        """Cropland regions as polygons with their area in hectares; loads the selected region."""
        from croplayer.cube.lazy import grid_of, window_of
        from croplayer.vector.parcels import parcels_of_mask

        mask = self._mask(source).to_numpy() == CROPLAND
        return parcels_of_mask(mask, window_of(self._dataset), grid_of(self._dataset))

    def plot(self, source: str | None = None, ax: Any = None, most_px: int = 1024) -> Any:
        """Draw the map, thinned to at most ``most_px`` pixels along an edge; returns the axes."""
        import matplotlib.pyplot as plt
        from matplotlib.colors import BoundaryNorm, ListedColormap
        from matplotlib.patches import Patch

        mask = self._mask(source)
        step = max(1, max(mask.sizes["y"], mask.sizes["x"]) // most_px)
        mask = mask[::step, ::step].compute()
        ax = ax or plt.subplots(figsize=(7, 5), layout="constrained")[1]
        colours = ListedColormap(list(FLAG_COLOURS.values()))
        norm = BoundaryNorm([-0.5, 0.5, 1.5, 254.5, 255.5], 4)
        west, east = float(self._dataset.x[0]), float(self._dataset.x[-1])
        south, north = float(self._dataset.y[-1]), float(self._dataset.y[0])
        ax.imshow(
            mask, cmap=colours, norm=norm, extent=(west, east, south, north), interpolation="nearest",
            aspect=1 / np.cos(np.deg2rad((south + north) / 2)),
        )  # fmt: skip
        ax.set(xlabel="longitude", ylabel="latitude")
        present = np.unique(mask)
        handles = [
            Patch(color=colour, label=FLAG_LABELS[flag]) for flag, colour in FLAG_COLOURS.items() if flag in present
        ]
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
        return ax

    def _mask(self, source: str | None) -> xr.DataArray:
        if source is None:
            return self._dataset[INTEGRATED]
        known = [str(s) for s in self._dataset.source.to_numpy()]
        if source not in known:
            raise ValueError(f"source '{source}' is not in the cube; it has {', '.join(known)}")
        return self._dataset[CROPLAND_MASK].isel(source=known.index(source))
