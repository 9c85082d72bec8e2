"""The map of a province as cloud-optimised GeoTIFFs with colours and words, in tiles where one file would be too large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from pyproj import CRS as Crs
from shapely.geometry.base import BaseGeometry

from croplayer.cube.cuts import pieces_of_polygon, window_of_polygon
from croplayer.cube.whole_blocks import Cube
from croplayer.vector.files import write_cog
from stores.block_list import BlockList
from stores.durable import write_durable
from stores.grid import CRS, BlockGrid, PixelWindow
from stores.legends import FLAG_COLOURS, FLAG_LABELS, NEVER_PROCESSED

TILE_BLOCKS = 10
"""Edge of a tile of a mosaic in blocks: half a degree, 25,600 px of about 2 m."""
MOST_PX = (TILE_BLOCKS * 2560) ** 2
"""A map of more pixels is written in tiles."""
SIDECAR = ".aux.xml"
"""Ending that GDAL adds to the name of a raster for what the raster's format has no place for: the names of the values."""
_ROOM = 256
"""Values of a raster of bytes."""


class Tile(NamedTuple):
    """A part of a map that gets a file of its own."""

    name: str
    """Part of the file's name: the latitude and longitude of its north-west corner; empty for the only one."""
    window: PixelWindow


def tiles_of(cube: Cube, polygon: BaseGeometry, finished: BlockList, most_px: int = MOST_PX) -> list[Tile]:
    """The files that a polygon's map is written to; only tiles with finished blocks of the polygon are among them."""
    window = window_of_polygon(cube, polygon)
    if window.is_empty:
        return []
    blocks = BlockList.of(cube.grid.blocks_in(polygon)).both(finished)
    if not blocks:
        return []
    if window.height * window.width <= most_px:
        return [Tile("", window)]
    places = sorted({(block.row // TILE_BLOCKS, block.col // TILE_BLOCKS) for block in blocks})
    n = TILE_BLOCKS * cube.grid.block_px
    return [_tile(window.common(PixelWindow(row * n, col * n, n, n)), cube.grid) for row, col in places]


def _tile(window: PixelWindow, grid: BlockGrid) -> Tile:
    west, _, _, north = grid.window_bounds(window)
    return Tile(f"_{abs(north):05.2f}{'NS'[north < 0]}_{abs(west):06.2f}{'EW'[west < 0]}", window)


def write_map(cube: Cube, polygon: BaseGeometry, finished: BlockList, path: Path, most_px: int = MOST_PX) -> list[Path]:
    """Write the map of a polygon, which shares pixels with the cube, as a GeoTIFF or as tiles with a virtual mosaic.

    Pixels of blocks that are not finished, and those outside the polygon, are 255, the nodata value. Each file has colours,
    overviews, and the names of its values in a file beside it (``.aux.xml``), from where GDAL reads them.

    Parameters
    ----------
    path : ``NAME.tif``; tiles are ``NAME_LATITUDE_LONGITUDE.tif`` beside it, and ``NAME.vrt`` shows them as one

    Returns
    -------
    Paths of all files; empty where no block of the polygon is finished
    """
    tiles = tiles_of(cube, polygon, finished, most_px)
    written = []
    for tile in tiles:
        own = path.with_name(f"{path.stem}{tile.name}{path.suffix}")
        pieces = pieces_of_polygon(cube, polygon, finished, tile.window)
        write_cog(own, pieces, tile.window, cube.grid, colours=FLAG_COLOURS)
        written += [own, _write_words(own)]
    if len(tiles) > 1 or (tiles and tiles[0].name):
        mosaic = path.with_suffix(".vrt")
        whole = window_of_polygon(cube, polygon)
        places = {f"{path.stem}{tile.name}{path.suffix}": tile.window for tile in tiles}
        write_durable(mosaic, virtual_mosaic(places, whole, cube.grid))
        written.append(mosaic)
    return written


def _write_words(path: Path) -> Path:
    """Write the names of the values of a raster where GDAL looks for them."""
    root = Element("PAMDataset")
    _add_words(SubElement(root, "PAMRasterBand", band="1"), FLAG_LABELS)
    sidecar = path.with_name(path.name + SIDECAR)
    write_durable(sidecar, _xml(root))
    return sidecar


def virtual_mosaic(tiles: Mapping[str, PixelWindow], whole: PixelWindow, grid: BlockGrid) -> bytes:
    """The bytes of a virtual raster of GDAL (VRT) that shows tiles, by the names of their files, as one map."""
    root = Element("VRTDataset", rasterXSize=str(whole.width), rasterYSize=str(whole.height))
    SubElement(root, "SRS", dataAxisToSRSAxisMapping="2,1").text = Crs(CRS).to_wkt()
    SubElement(root, "GeoTransform").text = ", ".join(repr(float(v)) for v in grid.transform(whole).to_gdal())
    band = SubElement(root, "VRTRasterBand", dataType="Byte", band="1")
    SubElement(band, "NoDataValue").text = str(NEVER_PROCESSED)
    SubElement(band, "ColorInterp").text = "Palette"
    table = SubElement(band, "ColorTable")
    for red, green, blue, alpha in _colours():
        SubElement(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4=str(alpha))
    _add_words(band, FLAG_LABELS)
    for name, window in tiles.items():
        source = SubElement(band, "SimpleSource")
        SubElement(source, "SourceFilename", relativeToVRT="1").text = name
        SubElement(source, "SourceBand").text = "1"
        size = {"xSize": str(window.width), "ySize": str(window.height)}
        place = {"xOff": str(window.col - whole.col), "yOff": str(window.row - whole.row)}
        SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0"} | size)
        SubElement(source, "DstRect", place | size)
    return _xml(root)


def _add_words(parent: Element, words: Mapping[int, str]) -> None:
    names = SubElement(parent, "CategoryNames")
    for value in range(_ROOM):
        SubElement(names, "Category").text = words.get(value, "")


def _colours() -> Iterator[tuple[int, int, int, int]]:
    for value in range(_ROOM):
        text = FLAG_COLOURS.get(value)
        red, green, blue = bytes.fromhex(text[1:]) if text else (0, 0, 0)
        yield red, green, blue, 0 if value == NEVER_PROCESSED else 255


def _xml(root: Element) -> bytes:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"
