"""Open an existing map from its legend and its files or STAC items."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from croplayer.products.codes import RasterCodes
from croplayer.products.legend import read_legend
from croplayer.products.product import Product
from croplayer.sources.access import NO_ACCESS, Access
from croplayer.sources.addresses import http_address

if TYPE_CHECKING:
    from croplayer.products.stac_codes import StacCodes

WILDCARDS = "*?["
RASTERS = ("*.tif", "*.tiff", "*.TIF", "*.TIFF")


def product_files(path: str) -> tuple[str, ...]:
    """GeoTIFFs of a product, sorted: a file or address, all below a folder, or those that match a pattern with ``*``.

    Raises FileNotFoundError if there is none.
    """
    place = Path(path)
    if http_address(path):
        return (path,)
    if place.is_dir():
        found = sorted({str(p) for pattern in RASTERS for p in place.rglob(pattern)})
    elif any(c in path for c in WILDCARDS):
        first = next(i for i, part in enumerate(place.parts) if any(c in part for c in WILDCARDS))
        root = Path(*place.parts[:first]) if first else Path()
        found = sorted(str(p) for p in root.glob("/".join(place.parts[first:])))
    else:
        found = [path]
    if not found:
        raise FileNotFoundError(f"product {path} has no GeoTIFF")
    return tuple(found)


def open_product(
    legend: str,
    path: str,
    *,
    name: str | None = None,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    asset: str = "",
    year: int | None = None,
    band: int | None = None,
    assume_crs: str | None = None,
    access: Access = NO_ACCESS,
) -> Product:
    """A map of the paper, or one of your own, ready to be compared with.

    Parameters
    ----------
    legend : key of an included legend (CACD, CLCD, ESA, ESRI, FROM, FCS30, GL30, SinoLC, ...), or path of a legend
        file (TOML)
    path : a GeoTIFF, a folder of them, a pattern such as ``tiles/*.tif``, or with ``asset`` a GeoJSON
        FeatureCollection of STAC items
    name : name of the map in tables; the legend's key in lower case if None
    include, exclude : kinds of land (paddy, orchard, greenhouse, fallow) to count as cropland or not, where the map
        has classes for them
    asset : asset of the STAC items
    year : year of the STAC items, and of the band where files have one for each of several years
    band : one-based band of files with several
    assume_crs : CRS of files that have none
    access : what may be fetched, and which hosts and folders STAC items may refer to

    Raises
    ------
    FileNotFoundError
        if there is no such legend or no GeoTIFF
    ValueError
        if the legend is not valid, or has no class for a kind to include or exclude

    Examples
    --------
    >>> esri = open_product("ESRI", "esri/*.tif", include=["paddy"])  # doctest: +SKIP
    """
    read = read_legend(legend)
    codes: RasterCodes | StacCodes
    if asset:
        from croplayer.products.stac_codes import StacCodes  # needs packages of the extra run

        codes = StacCodes(
            path,
            asset,
            year,
            read.file.overlap,
            read.file.repeated_strips,
            band=band,
            assume_crs=assume_crs,
            access=access,
        )
    else:
        strips, overlap = read.file.repeated_strips, read.file.overlap
        codes = RasterCodes(product_files(path), assume_crs, overlap, strips, band, year, access)
    return Product(
        name or read.file.key.lower(),
        codes,
        crop_codes=read.crop_codes(tuple(include), tuple(exclude)),
        known_codes=read.known_codes,
        nodata=read.file.nodata,
    )
