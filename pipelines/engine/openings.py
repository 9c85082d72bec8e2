"""Imagery sources, products and elevation, opened from the parts of a recipe that name them."""

from __future__ import annotations

from dataclasses import fields

from croplayer.products.codes import RasterCodes
from croplayer.products.open import open_product, product_files
from croplayer.products.product import Product
from croplayer.sources.access import Access
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.sources.tiles import FolderTiles
from croplayer.sources.xyz import XyzSource
from pipelines.recipe import ProductPart
from pipelines.recipe_sources import FolderSource, HttpSource, RasterImagery, Source, StacImagery, Terrain


def imagery_source(part: Source) -> ImagerySource:
    """The imagery source that a part of a recipe names."""
    if isinstance(part, FolderSource):
        return XyzSource(part.name, FolderTiles(part.template), part.zoom, part.tile_px, part.placeholders)
    if isinstance(part, HttpSource):
        # Runs that fetch nothing need no HTTP.
        from croplayer.sources.http_tiles import HttpTiles

        tiles = HttpTiles(**{f.name: getattr(part, f.name) for f in fields(HttpTiles)})
        return XyzSource(part.name, tiles, part.zoom, part.tile_px, part.placeholders)
    if isinstance(part, RasterImagery):
        return RasterSource(part.name, part.paths, part.bands, part.assume_crs, part.scale, access(part))
    return StacSource(part.name, part.items, part.assets, part.bands, part.scale, part.assume_crs, access(part))


def elevation(part: Terrain) -> ElevationRaster:
    """The elevation model that a recipe names."""
    return ElevationRaster(part.path, part.assume_crs, part.band, part.unit, access(part))


def access(part: RasterImagery | StacImagery | Terrain | ProductPart) -> Access:
    """What a part of a recipe allows to be fetched."""
    folders = () if isinstance(part, RasterImagery | Terrain) else part.folders
    token_env = None if isinstance(part, StacImagery) else part.token_env
    return Access(part.i_have_rights, part.hosts, part.private_network, token_env, folders)


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
            band=part.band,
            assume_crs=part.assume_crs,
            access=access(part),
        )
    codes = RasterCodes(product_files(part.path), part.assume_crs, band=part.band, year=part.year, access=access(part))
    return Product(part.name, codes, part.crop_codes, part.known_codes, part.nodata)
