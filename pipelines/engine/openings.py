"""Imagery sources and products, opened from the parts of a recipe that name them."""

from __future__ import annotations

from dataclasses import fields

from croplayer.products.codes import RasterCodes
from croplayer.products.open import open_product, product_files
from croplayer.products.product import Product
from croplayer.sources.http_tiles import HttpTiles
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.sources.tiles import FolderTiles
from croplayer.sources.xyz import XyzSource
from pipelines.recipe import FolderSource, HttpSource, ProductPart, RasterImagery, Source


def imagery_source(part: Source) -> ImagerySource:
    """The imagery source that a part of a recipe names."""
    if isinstance(part, FolderSource):
        return XyzSource(part.name, FolderTiles(part.template), part.zoom, part.tile_px, part.placeholders)
    if isinstance(part, HttpSource):
        tiles = HttpTiles(**{f.name: getattr(part, f.name) for f in fields(HttpTiles)})
        return XyzSource(part.name, tiles, part.zoom, part.tile_px, part.placeholders)
    if isinstance(part, RasterImagery):
        return RasterSource(part.name, part.paths, part.bands, part.assume_crs)
    return StacSource(part.name, part.items, part.assets)


def product(part: ProductPart) -> Product:
    """The map that a part of a recipe names, by its legend or by the codes that it gives."""
    if part.legend:
        return open_product(
            part.legend,
            part.path,
            name=part.name,
            include=part.include,
            exclude=part.exclude,
            asset=part.asset,
            year=part.year,
            assume_crs=part.assume_crs,
        )
    codes = RasterCodes(product_files(part.path), part.assume_crs)
    return Product(part.name, codes, part.crop_codes, part.known_codes, part.nodata)
