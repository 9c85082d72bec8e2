"""A run as the page sees it: layers, tiles, units and blocks, as they were when the server started."""

from __future__ import annotations

import io
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from croplayer.cube.whole_blocks import Cube
from croplayer.viewer.blocks import Blocks
from croplayer.viewer.coarse import CoarsePixels
from croplayer.viewer.finished import FinishedOfRun
from croplayer.viewer.layers import BLOCK_TILE_PX, Layer, layers_of
from croplayer.viewer.memory import RecentlyUsed, give_back
from croplayer.viewer.mercator import TILE_PX, Tile, own_zoom, pixels_of_tile, pixels_per_tile_pixel, tiles_over
from croplayer.viewer.pixels import CubePixels, most_blocks
from croplayer.viewer.units import Units
from stores.block_list import BlockList
from stores.grid import Bounds
from stores.places import has_key, is_remote
from stores.run_folder import RunFolder, cube_place, parted

if TYPE_CHECKING:
    from croplayer.products.product import Product

ProductsOf = Callable[[RunFolder], "Sequence[Product]"]
DECODED_BYTES = 32 * 2**20
"""Most bytes of decoded blocks in memory: 40 pieces of imagery of 512 px, or five blocks of a map of 2,560 px."""
PICTURES_BYTES = 8 * 2**20
"""Most bytes of finished tiles in memory."""
CLOSER = 3
"""Zooms beyond that of the lattice, at which pixels are enlarged."""
LEAST_ZOOMS = 3
"""Zooms before that of the lattice, at least."""
MOST_TILES_FAR_OUT = 4
"""Tiles that the whole cube lies on at the least zoom."""


class _Kept(bytes):
    """Bytes of a picture or an answer, which know their number."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory, without those of Python's object."""
        return len(self)


@dataclass(frozen=True)
class EditionView:
    """An edition of the map with the layers that it has."""

    pixels: CubePixels
    layers: dict[str, Layer]
    folder: RunFolder | None
    blocks: Blocks | None

    @classmethod
    def of(
        cls, run: str | Path, edition: str | None, memory: RecentlyUsed, products_of: ProductsOf | None = None
    ) -> EditionView:
        """Open an edition; of a run with ledgers only the blocks that they call finished when a layer is first drawn."""
        place = cube_place(run, edition)
        folder = place.folder
        cube = Cube.open(place.cube, edition or (folder.edition if folder else None))
        ledgers = folder if folder is not None and folder.has_ledgers else None
        finished: Mapping[str, BlockList] = {} if ledgers is None else FinishedOfRun(ledgers, cube)
        products = products_of(folder) if products_of and folder else ()
        coarse = CoarsePixels.of(cube, memory, finished)
        pixels = CubePixels(cube, memory, finished, {product.name: product for product in products}, coarse)
        blocks = None if folder is None else Blocks.of(folder, cube.sources)
        titles = folder.product_titles if folder else {}
        layers = layers_of(pixels, blocks.column if blocks else None, blocks.products if blocks else [], titles)
        return cls(pixels, layers, folder, blocks)


@dataclass(frozen=True)
class RunView:
    """What the page of a run is made of: the edition that units and blocks are told of, and those to compare it with."""

    title: str
    edition: EditionView
    others: dict[str, EditionView]
    """By the start of their layers' keys."""
    units: Units
    pictures: RecentlyUsed

    @classmethod
    def of(cls, run: str | Path, edition: str | None = None, products_of: ProductsOf | None = None) -> RunView:
        """Open a run's folder, its cube or a cube in a bucket; ``FOLDER@EDITION`` names an edition, too.

        Parameters
        ----------
        edition : the one that units and blocks are told of; None is the newest of a run's folder, or the cube's only one
        products_of : opens the other maps that a run was compared with, to be seen beside its own

        Raises FileNotFoundError and ValueError as `croplayer.open_cube` does.
        """
        memory = RecentlyUsed(DECODED_BYTES)
        if edition is None and not is_remote(run):
            run, edition = parted(run)
        there = _editions(run)
        shown = EditionView.of(run, edition or (max(there) if there else None), memory, products_of)
        name = shown.pixels.cube.edition
        others = [EditionView.of(run, other, memory) for other in there if other != name]
        units = Units.of(shown.folder or RunFolder(Path(shown.pixels.cube.path)))
        title = (shown.folder.title if shown.folder else None) or (
            str(run) if is_remote(run) else Path(run).resolve().name
        )
        return cls(title, shown, {f"e{i}-": e for i, e in enumerate(others, 1)}, units, RecentlyUsed(PICTURES_BYTES))

    @cached_property
    def layers(self) -> dict[str, tuple[EditionView, Layer]]:
        """Every layer with its edition, by a key of its own."""
        views = {"": self.edition, **self.others}
        return {start + key: (view, layer) for start, view in views.items() for key, layer in view.layers.items()}

    @property
    def bounds(self) -> Bounds:
        """Box of the cube, in degrees."""
        cube = self.edition.pixels.cube
        return cube.grid.window_bounds(cube.blocks.window(cube.grid))

    @property
    def least_zoom(self) -> int:
        """The last zoom at which the whole cube lies on few tiles; of a small cube some zooms before its own."""
        zoom = 0
        while (
            zoom < self.own_zoom - LEAST_ZOOMS
            and math.prod(map(len, tiles_over(self.bounds, zoom + 1))) <= MOST_TILES_FAR_OUT
        ):
            zoom += 1
        return zoom

    @property
    def own_zoom(self) -> int:
        """The first zoom as fine as the lattice."""
        return own_zoom(self.edition.pixels.cube.grid)

    def zoom_of(self, layer: Layer) -> int:
        """The last zoom that a layer's own tiles are made for; closer, they are enlarged."""
        cube = self.edition.pixels.cube
        if not layer.is_of_blocks:
            return self.own_zoom
        zooms = range(self.least_zoom, self.own_zoom)
        wide = (zoom for zoom in zooms if cube.grid.block_px / pixels_per_tile_pixel(zoom, cube.grid) >= BLOCK_TILE_PX)
        return next(wide, self.own_zoom)

    def about(self) -> dict[str, Any]:
        """What the page needs to know first: title, box, zooms, levels of units, licences, and layers with their legends."""
        cube = self.edition.pixels.cube
        return {
            "title": self.title,
            "edition": cube.edition,
            "bounds": list(self.bounds),
            "least_zoom": self.least_zoom,
            "most_zoom": self.own_zoom + CLOSER,
            "pixels_from_zoom": pixels_from_zoom(cube),
            "levels": self.units.levels,
            "features": self.edition.blocks.features if self.edition.blocks else [],
            "licences": _licences(self.edition.folder) if self.edition.folder else [],
            "layers": [
                {
                    "key": key,
                    "title": layer.title if view is self.edition else f"{layer.title}, {view.pixels.cube.edition}",
                    "group": layer.group if view is self.edition else f"Edition {view.pixels.cube.edition}",
                    "everywhere": layer.is_of_blocks or layer.has_overviews(view.pixels),
                    "own_zoom": self.zoom_of(layer),
                    "legend": [asdict(swatch) for swatch in layer.legend],
                }
                for key, (view, layer) in self.layers.items()
            ],
        }

    def tile(self, key: str, tile: Tile) -> bytes:
        """A tile of a layer as PNG; a single transparent pixel where nothing of it is to be seen.

        Raises KeyError for a layer that is not there, ValueError for such a tile.
        """
        return self.pictures.get((key, tile), lambda: _Kept(png(self.rgba(key, tile))))

    def rgba(self, key: str, tile: Tile) -> np.ndarray | None:
        """The pixels of a tile of a layer: (256, 256, 4) uint8; None where nothing of it is to be seen. Raises likewise."""
        view, layer = self.layers[key]
        found = layer.rgba(view.pixels, pixels_of_tile(tile, view.pixels.cube.grid))
        return found if found is not None and found[..., 3].any() else None

    def prepare(self) -> None:
        """Read what the ledgers call finished, then the coarsest overviews, so that no picture has to wait for them."""
        for view in (self.edition, *self.others.values()):
            for step in view.pixels.finished:
                _ = view.pixels.finished[step]
                give_back()  # before more is read, so that the largest need of memory stays that of a ledger
        xs, ys = tiles_over(self.bounds, self.least_zoom)
        for key, (view, layer) in self.layers.items():
            if layer.has_overviews(view.pixels):
                for x, y in itertools.product(xs, ys):
                    self.tile(key, Tile(self.least_zoom, x, y))

    def outlines(self, level: int) -> bytes:
        """The outlines of the units of a level as GeoJSON in UTF-8."""
        return self.pictures.get(("outlines", level), lambda: _Kept(json.dumps(self.units.outlines(level)).encode()))

    def at(self, lon: float, lat: float) -> dict[str, Any]:
        """The units and the block that hold a point; raises ValueError for a point that is not on Earth."""
        grid, blocks = self.edition.pixels.cube.grid, self.edition.blocks
        block = grid.block_at(lon, lat)
        known = blocks.at(grid, lon, lat) if blocks else None
        return {"units": self.units.at(lon, lat), "block": known, "block_name": block.name}


def _licences(folder: RunFolder) -> list[dict[str, str]]:
    """What is licensed, under which licence, and the address of its terms: the map, then all that it is made of."""
    own = folder.licence
    found = [] if own is None else [{"of": "this map", "licence": own[0].words, "terms": own[1]}]
    parts = folder.licensed_inputs
    return found + [{"of": f"{p.role} {p.name}", "licence": p.licence.words, "terms": p.terms} for p in parts]


def _editions(run: str | Path) -> list[str]:
    """Names of the editions in the folder of a run that have a cube yet; none for a cube alone."""
    if is_remote(run) or has_key(run, "zarr.json"):
        return []
    folders = RunFolder(Path(run)).editions()
    return [name for name, folder in folders.items() if has_key(folder.cube, "zarr.json")]


def etag_of(content: bytes) -> str:
    """A tag that changes with the content, as HTTP writes it."""
    return f'"{blake2b(content, digest_size=12).hexdigest()}"'


def pixels_from_zoom(cube: Cube) -> int:
    """The first zoom at which every tile shows few enough blocks to be drawn from pixels."""
    for zoom in range(own_zoom(cube.grid)):
        # Rows of blocks are stretched less than columns away from the equator, never more.
        across = int(pixels_per_tile_pixel(zoom, cube.grid) * TILE_PX // cube.grid.block_px) + 2
        if min(across, cube.blocks.rows) * min(across, cube.blocks.cols) <= most_blocks(cube.grid):
            return zoom
    return own_zoom(cube.grid)


def png(rgba: np.ndarray | None, level: int = 1) -> bytes:
    """A picture as PNG; None is a single clear pixel."""
    out = io.BytesIO()
    Image.fromarray(np.zeros((1, 1, 4), np.uint8) if rgba is None else rgba).save(out, "PNG", compress_level=level)
    return out.getvalue()
