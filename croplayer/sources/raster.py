"""GeoTIFF and COG imagery in any CRS, resampled to the lattice."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from rasterio.warp import Resampling, reproject
from rasterio.windows import Window
from rasterio.windows import transform as window_transform

from croplayer.files.file_cache import cached_file_reads
from croplayer.sources.access import NO_ACCESS, Access
from croplayer.sources.addresses import http_address
from croplayer.sources.box_index import BoxIndex
from croplayer.sources.imagery import Imagery, empty_imagery
from croplayer.sources.raster_bands import ColourBands, colour_bands
from croplayer.sources.raster_file import (
    MINIMUM_OVERLAP,
    RasterFile,
    RasterPlace,
    boxes_of,
    common_share,
    files_of_raster,
    meets,
    open_file,
    source_window,
    turns,
)
from stores.durable import digest_text
from stores.grid import BLOCKS_PER_DEGREE, CRS, BlockGrid, BlockIndex, Bounds, PixelWindow

NEAR_DEG = 0.02 / BLOCKS_PER_DEGREE
"""Degrees around a block in which a raster still meets it, as for the window that is read."""


class Colours(NamedTuple):
    """How the recipe wants imagery to be read."""

    source: str
    """Name of the source, for messages."""
    bands: tuple[int, int, int] | None = None
    """One-based numbers of the red, green and blue band; None for what the files say."""
    scale: tuple[float, float] | None = None
    """Values that become 0 and 255; None for pixels of 8 bits."""

    def of(self, file: RasterFile, n: int) -> ColourBands:
        """The bands of a file that hold n = 3 colours, or one.

        Raises ValueError if they cannot be told, are not RGB of 8 bits and have no scale, or if 0 means white.
        """
        if file.dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
            raise ValueError(
                f"raster {file.name} says that 0 is white; invert it first, for example with gdal_translate -scale"
            )
        return colour_bands(file.bands, file.name, self.source, self.bands if n == 3 else None, self.scale, n)


class Layer(NamedTuple):
    """Rasters that give the imagery of one place together: one with three colours, or three with one each."""

    places: tuple[RasterPlace, ...]

    @property
    def colours_each(self) -> int:
        """Number of colours of each raster, 3 or 1."""
        return 3 // len(self.places)

    def is_near(self, box: Bounds) -> bool:
        """Whether every raster meets the box of a block."""
        return all(meets(boxes_of(place), box, NEAR_DEG) for place in self.places)

    def check(self, colours: Colours) -> None:
        """Raise if a raster cannot be read in these colours."""
        for place in self.places:
            colours.of(open_file(place), self.colours_each)


@dataclass(frozen=True)
class RasterSource:
    """Imagery from RGB rasters; where several cover a pixel, the first valid one counts."""

    name: str
    paths: tuple[str, ...]
    """Files or addresses of the rasters, in order of priority."""
    bands: tuple[int, int, int] | None = None
    """One-based numbers of the red, green and blue band, which count whatever the tags say; None for those that the
    tags or descriptions name, else the first three that are no alpha band."""
    assume_crs: str | None = None
    """CRS of rasters that have none."""
    scale: tuple[float, float] | None = None
    """Values that become 0 and 255, after the bands' own scale and offset; None for rasters of 8 bits."""
    access: Access = NO_ACCESS
    """What may be fetched, for addresses."""

    def __post_init__(self) -> None:
        check_scale(self.scale, self.name)
        self.access.for_recipe(self.paths)

    @property
    def colours(self) -> Colours:
        """How the files are read."""
        return Colours(self.name, self.bands, self.scale)

    def layers(self, box: Bounds) -> tuple[Layer, ...]:
        """The rasters that meet the box of a block, in order of priority."""
        layers = _all_layers(self)
        return tuple(layers[number] for number in _boxes(self).near(box, NEAR_DEG))

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        """Pixels of a window of the lattice, bilinear between the rasters' valid pixels.

        Obeys the contract of ``ImagerySource.read``: whole blocks are resampled, so a pixel does not
        depend on the window.

        Returns
        -------
        Imagery with rgb (h, w, 3) uint8 and valid (h, w) bool; False where no raster has a valid pixel
        (nodata, masks inside or beside the file, and alpha bands count; black alone does not)

        Raises
        ------
        FileNotFoundError
            if a raster does not exist
        ValueError
            if a raster is damaged, has no CRS, is not north-up, does not tell its colours, or is too fine or its
            tiles too large to read
        PermissionError, ConnectionError
            if a raster may not or cannot be fetched
        """
        out = empty_imagery(window)
        for block, inside, outside in block_parts(window, grid):
            whole = _read_block(self, block, grid.block_px)
            out.rgb[outside] = whole.rgb[inside]
            out.valid[outside] = whole.valid[inside]
        return out

    @property
    def is_remote(self) -> bool:
        """Whether a file lies on a server."""
        return any(http_address(path) for path in self.paths)

    def settings(self) -> str:
        """Text that changes when the chosen bands, their scale or the assumed CRS change; not with the rasters."""
        return digest_text(f"raster {self.bands} {self.scale} {self.assume_crs}")

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of what the pixels of a block are read from; that of a raster that is copied or renamed is the same."""
        return layers_content(self.layers(grid.bounds(block)), self.colours, block)

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> tuple[str, ...]:
        """Files that are looked at for a block, and addresses of rasters on servers."""
        return layer_files(self.layers(grid.bounds(block)))

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if a raster cannot be read as RGB, or none overlaps the region."""
        if not self.paths:
            raise ValueError(f"source '{self.name}' lists no raster")
        shares = []
        for layer in _all_layers(self):
            layer.check(self.colours)
            shares.append(common_share(boxes_of(layer.places[0]), bounds))
        if max(shares) < MINIMUM_OVERLAP:
            names = ", ".join(layer.places[0].name for layer in _all_layers(self))
            raise ValueError(
                f"source '{self.name}' does not overlap the region {tuple(bounds)}: {names} cover "
                f"{max(shares):.1%} of it; check the region and the rasters' CRS"
            )


def check_scale(scale: tuple[float, float] | None, name: str) -> None:
    """Raise ValueError unless a scale has two finite numbers, the first below the second."""
    if scale is not None and not (np.isfinite(scale).all() and scale[0] < scale[1]):
        raise ValueError(
            f"source '{name}': scale is {list(scale)}; expected [low, high], the values that become 0 and 255"
        )


def block_parts(
    window: PixelWindow, grid: BlockGrid
) -> Iterator[tuple[BlockIndex, tuple[slice, slice], tuple[slice, slice]]]:
    """Blocks under a window, each as (block, (y, x) slices within the block, (y, x) slices within the window)."""
    for block in grid.blocks_under(window):
        part = window.common(grid.window(block))
        yield block, part.slices_in(grid.window(block)), part.slices_in(window)


@lru_cache(maxsize=8)
def _all_layers(source: RasterSource) -> tuple[Layer, ...]:
    """A layer for each raster, in order of priority."""
    access = source.access.for_recipe(source.paths)
    return tuple(Layer((RasterPlace(path, source.assume_crs, access),)) for path in source.paths)


@cached_file_reads(8)
def _boxes(source: RasterSource) -> BoxIndex:
    return BoxIndex.of(boxes_of(layer.places[0]) for layer in _all_layers(source))


@cached_file_reads(6)
def _read_block(source: RasterSource, block: BlockIndex, block_px: int) -> Imagery:
    """Imagery of a whole block: the warp always sees the same window, so its pixels are always the same."""
    grid = BlockGrid(block_px)
    layers = source.layers(grid.bounds(block))
    return first_valid((layer_imagery(layer, source.colours, block, grid) for layer in layers), grid.window(block))


def first_valid(layers: Iterable[Imagery], window: PixelWindow) -> Imagery:
    """Imagery in which the first layer with a valid pixel counts; layers behind a full picture are not asked for.

    The first layer is written to.
    """
    left = iter(layers)
    out = next(left, None) or empty_imagery(window)
    while not out.valid.all() and (layer := next(left, None)):
        new = layer.valid & ~out.valid
        np.copyto(out.rgb, layer.rgb, where=new[..., None])
        out.valid[new] = True
    return out


def layer_imagery(layer: Layer, colours: Colours, block: BlockIndex, grid: BlockGrid) -> Imagery:
    """A layer resampled to one block; a pixel is valid where all its rasters are."""
    parts = [_warped(open_file(place), colours, layer.colours_each, block, grid) for place in layer.places]
    valid = np.logical_and.reduce([seen for _, seen in parts])
    rgb = np.empty((*valid.shape, 3), np.uint8)
    for band, values in enumerate(itertools.chain.from_iterable(c for c, _ in parts)):
        np.multiply(values, valid, out=rgb[..., band])
    return Imagery(rgb, valid)


def _warped(
    file: RasterFile, colours: Colours, n: int, block: BlockIndex, grid: BlockGrid
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (n, h, w) uint8 of a raster resampled to a block, and where they are valid: (h, w) bool."""
    size = grid.block_px
    taken = colours.of(file, n)
    found = []
    for turn in turns(file, grid.bounds(block)):
        area = source_window(file, block, turn)
        if area is None:
            continue
        pixels, known = colour_pixels(file, taken, area)
        if known.any():
            found.append(_resampled(file, pixels, known, area, turn, block, grid))
    if not found:
        return np.zeros((n, size, size), np.uint8), np.zeros((size, size), bool)
    (out, valid), *others = found
    for colour, seen in others:
        np.copyto(out, colour, where=~valid)
        valid = valid | seen
    return out, valid


def colour_pixels(file: RasterFile, taken: ColourBands, area: Window) -> tuple[np.ndarray, np.ndarray]:
    """Colours (n, h, w) from 0 to 255 as the file stores them, and where they are known: (h, w) bool.

    They are uint8, or float32 if they had to be scaled; unknown pixels have any colour.
    """
    raw = file.read(taken.numbers, area)
    known = file.unmasked(area) & file.not_nodata(taken.numbers, raw, area)
    if taken.is_palette:
        table = np.zeros((256, 4), np.uint8)
        for number, colour in file.dataset.colormap(taken.numbers[0]).items():
            table[number] = colour
        return table[raw[0], :3].transpose(2, 0, 1), known & (table[raw[0], 3] > 0)
    if raw.dtype == np.uint8 and all(f == 1 for f in taken.factors) and not any(taken.terms):
        return raw, known
    factors, terms = (np.array(v, np.float64)[:, None, None] for v in (taken.factors, taken.terms))
    scaled = np.where(known, raw, 0).astype(np.float64) * factors + terms
    return np.clip(scaled, 0, 255).astype(np.float32), known


def _resampled(
    file: RasterFile, pixels: np.ndarray, known: np.ndarray, area: Window, turn: int, block: BlockIndex, grid: BlockGrid
) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear between the known pixels: (n, h, w) uint8, and where the nearest pixel is known: (h, w) bool."""
    n, size = len(pixels), grid.block_px
    weighted = np.empty((n + 1, *known.shape), np.float32)
    np.multiply(pixels, known, out=weighted[:n])
    weighted[n] = known
    destination = np.zeros((n + 1, size, size), np.float32)
    nearest = np.zeros((size, size), np.float32)
    shared = {
        "src_transform": window_transform(area, file.transform(turn)),
        "src_crs": file.wkt,
        "dst_transform": grid.transform(grid.window(block)),
        "dst_crs": CRS,
        "tolerance": 0.0,
        "num_threads": 1,
    }
    reproject(weighted, destination, resampling=Resampling.bilinear, **shared)
    reproject(weighted[n], nearest, resampling=Resampling.nearest, **shared)
    weight, colour = destination[n], destination[:n]
    valid = (nearest > 0) & (weight > 0)
    colour /= np.where(weight > 0, weight, 1)
    np.rint(colour, out=colour)
    return np.clip(colour, 0, 255, out=colour).astype(np.uint8), valid


def layers_content(layers: Iterable[Layer], colours: Colours, block: BlockIndex) -> str:
    """Digest of the pixels, masks, places and settings that a block of these layers is read from, in their order."""
    digest = sha256()
    for layer in layers:
        for place in layer.places:
            file = open_file(place)
            taken = colours.of(file, layer.colours_each)
            for turn in turns(file, BlockGrid().bounds(block)):
                area = source_window(file, block, turn)
                if area is None:
                    continue
                pixels, known = colour_pixels(file, taken, area)
                digest.update(f"{taken} {file.facts(taken.numbers, area, turn)}".encode())
                digest.update(np.ascontiguousarray(pixels * known).data)
                digest.update(np.packbits(known).data)
        digest.update(b"layer")
    return digest.hexdigest()


def layer_files(layers: Iterable[Layer]) -> tuple[str, ...]:
    """Files and addresses that layers are read from, each once."""
    return tuple(dict.fromkeys(f for layer in layers for place in layer.places for f in files_of_raster(place)))
