"""``cube.crop``: area, comparison, polygons and a plot of an opened cube."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from stores.columns import AREA_FRACTION, map_column
from stores.legends import CROPLAND, FLAG_COLOURS, FLAG_LABELS, NO_IMAGERY

if TYPE_CHECKING:
    from collections.abc import Collection

    from croplayer.cube.pictures import QuickLook, Shares
    from croplayer.products.product import Product


class MapInBrowser(Protocol):
    """A map that this process serves; as the last line of a cell, a notebook shows it."""

    @property
    def address(self) -> str:
        """Of the page; any browser of this machine opens it while the process lives."""

    def _repr_html_(self) -> str: ...


@xr.register_dataset_accessor("crop")
class CropAccessor:
    """Area, comparison, polygons and a picture of the cropland in a dataset of ``open_cube``."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def flags(self, source: str | None = None) -> xr.DataArray:
        """The map of the region, lazy (y, x) uint8: 0, 1, 254 no imagery, 255 never processed or outside the region.

        Parameters
        ----------
        source : a source's own mask; None is the integrated map
        """
        from croplayer.cube.lattice import flags_of

        return flags_of(self._dataset, source)

    def area(self, by: gpd.GeoDataFrame | None = None, source: str | None = None) -> pd.DataFrame:
        """Cropland area of the region, or of the admin units in it, to the pixel.

        Parameters
        ----------
        by : units with a column adcode, any CRS; None measures the region as one
        source : a source's own mask; None is the integrated map

        Returns
        -------
        Table with adcode and the units' names, if there are units, area_km2 and known_share. area_km2 is the cropland
        that is known inside the region on the ellipsoid, NaN where nothing is known. known_share is the share (0..1) of
        the land that is known, which is the whole land of each unit, also beyond the region.
        """
        from croplayer.cube.lattice import IN_REGION
        from croplayer.cube.unit_areas import area_of_region, areas_of_units

        flags = self.flags(source)
        if by is None:
            return area_of_region(self._dataset, flags, self._dataset.coords.get(IN_REGION))
        if "adcode" not in by.columns:
            raise ValueError(f"the units have no column 'adcode'; they have {', '.join(map(str, by.columns))}")
        names = [c for c in ("name_en", "name_zh") if c in by.columns]
        table = pd.DataFrame(by[["adcode", *names]]).reset_index(drop=True)
        return table.join(areas_of_units(self._dataset, flags, by))

    def compare(self, product: Product | str, path: str = "", source: str | None = None, **how: Any) -> pd.Series:
        """Agreement with an existing map in the region: counts of pixels, IoU, F1 and both area fractions.

        Pixels that one of the maps does not know are in no count but ``unknown``.

        Parameters
        ----------
        product : a map by its legend (ESA, ESRI, ... or a legend file) with ``path`` and the arguments of
            ``croplayer.products.open.open_product``, or a product that is open already
        path : its GeoTIFFs or STAC items
        source : a source's own mask; None is the integrated map
        """
        from croplayer.cube.lattice import IN_REGION, grid_of, map_lattice
        from croplayer.measures.agreement import Agreement
        from croplayer.products.open import open_product

        opened = open_product(product, path, **how) if isinstance(product, str) else product
        grid = grid_of(self._dataset)
        flags = map_lattice(
            self._dataset, lambda place: opened.read(place, grid).flags(), dtype=np.uint8, name=opened.name
        )
        mask = self.flags(source)
        counted = self._dataset.coords.get(IN_REGION, xr.ones_like(mask, bool))
        known = (mask < NO_IMAGERY) & (flags < NO_IMAGERY)
        crop, other = mask == CROPLAND, flags == CROPLAND
        sums = xr.Dataset(
            {
                "tp": (crop & other & known).sum(),
                "fp": (crop & ~other & known).sum(),
                "fn": (~crop & other & known).sum(),
                "tn": (~crop & ~other & known).sum(),
                "unknown": (~known & counted).sum(),
            }
        ).compute()
        counts = Agreement(*(int(sums[f]) for f in Agreement._fields))
        return pd.Series(
            {
                **counts._asdict(),
                "unknown": int(sums["unknown"]),
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
        """Cropland of the region as polygons with their area in hectares; loads the map of the region."""
        from croplayer.cube.lattice import grid_of, window_of
        from croplayer.vector.regions import regions_of_mask

        window = window_of(self._dataset)
        return regions_of_mask(self.flags(source).to_numpy() == CROPLAND, window, grid_of(self._dataset))

    def fields(self) -> gpd.GeoDataFrame:
        """Single fields whose inner point lies in the region, whole, with id, area, confidence and other attributes.

        The columns are those of `stores.field_columns.FIELD_COLUMNS`. Raises FileNotFoundError when the run has no fields.
        """
        from croplayer.cube.field_query import region_fields

        return region_fields(self._dataset)

    def plot(self, source: str | None = None, ax: Any = None, most_px: int = 1024) -> Any:
        """Draw the map of the region, thinned to at most about ``most_px`` pixels along an edge; returns the axes.

        Where the run has overviews and they have enough pixels for that, each pixel has the mean of the colours below it.
        Otherwise the map's own pixels are thinned.
        """
        import matplotlib.pyplot as plt
        from matplotlib.patches import Patch

        from croplayer.cube.pictures import shares_of

        flags = self.flags(source)
        shares = shares_of(self._dataset, source, most_px)
        ax = ax or plt.subplots(figsize=(7, 5), layout="constrained")[1]
        present: Collection[int]
        if shares is None:
            present = self._draw_flags(ax, flags, most_px)
        else:
            present = shares.flags
            self._draw_coarse(ax, shares)
        ax.set(xlabel="longitude", ylabel="latitude")
        handles = [
            Patch(facecolor=colour, edgecolor="0.7", label=FLAG_LABELS[flag])
            for flag, colour in FLAG_COLOURS.items()
            if flag in present
        ]
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
        return ax

    def explore(self, height_px: int = 600) -> MapInBrowser:
        """A map to zoom in, for notebooks: the page of ``croplayer view`` where this region lies, without other maps' pixels.

        The page reads the level that it needs, from what was finished when an edition was first explored. It is served to
        this machine alone, by a thread of this process. Needs the extra ``page``. Raises ValueError when neither imagery nor
        map are a cube's own.
        """
        # The page lies on a floor above the cube, and is reached by its name as the public face reaches it.
        explored: MapInBrowser = import_module("croplayer.viewer.notebook").explore(self._dataset, height_px)
        return explored

    def quick_look(self, source: str, ax: Any = None, most_px: int = 1024) -> Any:
        """Draw the imagery of a source, with at most about ``most_px`` pixels along an edge; returns the axes.

        Pixels are means where the run has overviews with enough of them, else those of the imagery are thinned. What has no
        imagery, or lies outside of the region, is clear. Raises ValueError for an unknown source.
        """
        import matplotlib.pyplot as plt

        from croplayer.cube.pictures import quick_look_of, thinned_imagery

        look = quick_look_of(self._dataset, source, most_px)
        ax = ax or plt.subplots(figsize=(7, 5), layout="constrained")[1]
        if look is None:
            (west, east), (north, south) = self._edges("x"), self._edges("y")
            ax.imshow(
                thinned_imagery(self._dataset, source, most_px), extent=(west, east, south, north),
                interpolation="nearest", aspect=1 / np.cos(np.deg2rad((south + north) / 2)),
            )  # fmt: skip
        else:
            self._draw_coarse(ax, look)
        ax.set(xlabel="longitude", ylabel="latitude", title=source)
        return ax

    def _draw_coarse(self, ax: Any, shares: Shares | QuickLook) -> None:
        """Draw the colours of coarse pixels."""
        box = shares.grid.window_bounds(shares.window)
        (west, east), (north, south) = self._edges("x"), self._edges("y")
        ax.imshow(
            shares.colours, extent=(box.west, box.east, box.south, box.north), interpolation="nearest",
            aspect=1 / np.cos(np.deg2rad((south + north) / 2)),
        )  # fmt: skip
        # Coarse pixels at the edge of a selection reach beyond it.
        ax.set(xlim=(west, east), ylim=(south, north))

    def _draw_flags(self, ax: Any, mask: xr.DataArray, most_px: int) -> Collection[int]:
        """Draw every so many pixels of a mask; returns the flags that are there."""
        from matplotlib.colors import BoundaryNorm, ListedColormap

        step = max(1, max(mask.sizes["y"], mask.sizes["x"]) // most_px)
        thin = mask[::step, ::step].compute()
        inside = self._dataset.coords.get("in_region")
        drawn = np.ma.masked_array(
            thin, np.zeros(thin.shape, bool) if inside is None else ~inside[::step, ::step].to_numpy()
        )
        colours = ListedColormap(list(FLAG_COLOURS.values()))
        norm = BoundaryNorm([-0.5, 0.5, 1.5, 254.5, 255.5], 4)
        (west, east), (north, south) = self._edges("x"), self._edges("y")
        ax.imshow(
            drawn, cmap=colours, norm=norm, extent=(west, east, south, north), interpolation="nearest",
            aspect=1 / np.cos(np.deg2rad((south + north) / 2)),
        )  # fmt: skip
        present: list[int] = np.unique(drawn.compressed()).tolist()
        return present

    def _edges(self, dim: str) -> tuple[float, float]:
        """First and last edge of the pixels along a dimension, in degrees."""
        from croplayer.cube.lattice import grid_of

        centres = self._dataset[dim].to_numpy()
        one = grid_of(self._dataset).px_deg * (1 if dim == "x" else -1)
        half = (centres[1] - centres[0] if len(centres) > 1 else one) / 2
        return float(centres[0] - half), float(centres[-1] + half)
