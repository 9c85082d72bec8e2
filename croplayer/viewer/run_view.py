"""A run as the page sees it: layers, tiles, units and blocks, as they were when the server started."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from PIL import Image

from croplayer.cube.whole_blocks import Cube
from croplayer.viewer.blocks import Blocks
from croplayer.viewer.layers import Layer, layers_of
from croplayer.viewer.memory import RecentlyUsed
from croplayer.viewer.mercator import TILE_PX, Tile, own_zoom, pixels_per_tile_pixel
from croplayer.viewer.pixels import CubePixels, most_blocks
from croplayer.viewer.units import Units
from stores.block_list import BlockList
from stores.finished import STEP_OF_ARRAY, finished_blocks
from stores.places import has_key, is_remote
from stores.run_folder import RunFolder, cube_place
from stores.step_memory import WRITERS_OF_CUBE

if TYPE_CHECKING:
    from croplayer.products.product import Product

ProductsOf = Callable[[RunFolder], "Sequence[Product]"]
DECODED_BYTES = 48 * 2**20
"""Most bytes of decoded blocks in memory: 60 pieces of imagery of 512 px, or seven blocks of a map of 2,560 px."""
PICTURES_BYTES = 16 * 2**20
"""Most bytes of finished tiles in memory."""
LEAST_ZOOM = 2
CLOSER = 3
"""Zooms beyond that of the lattice, at which pixels are enlarged."""


class _Picture(bytes):
    """A PNG that knows its bytes in memory."""

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
        """Open an edition; of a run with ledgers only the blocks that they call finished now."""
        place = cube_place(run, edition)
        folder = place.folder
        cube = Cube.open(place.cube, edition or (folder.edition if folder else None))
        finished = {} if folder is None or not folder.has_ledgers else _finished(folder, place.cube, cube)
        products = products_of(folder) if products_of and folder else ()
        pixels = CubePixels(cube, memory, finished, {product.name: product for product in products})
        blocks = None if folder is None else Blocks.of(folder, cube.sources)
        layers = layers_of(pixels, blocks.column if blocks else None, blocks.products if blocks else [])
        # Arrow keeps what it has freed, which is as much as all that stays.
        pa.default_memory_pool().release_unused()
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
        """Open a run's folder, its cube or a cube in a bucket.

        Parameters
        ----------
        edition : the one that units and blocks are told of; None is the newest of a run's folder, or the cube's only one
        products_of : opens the other maps that a run was compared with, to be seen beside its own

        Raises FileNotFoundError and ValueError as `croplayer.open_cube` does.
        """
        memory = RecentlyUsed(DECODED_BYTES)
        there = _editions(run)
        shown = EditionView.of(run, edition or (max(there) if there else None), memory, products_of)
        name = shown.pixels.cube.edition
        others = [EditionView.of(run, other, memory) for other in there if other != name]
        units = Units.of(shown.folder or RunFolder(Path(shown.pixels.cube.path)))
        title = f"{Path(run).resolve().name if shown.folder else run}, {name}"
        return cls(title, shown, {f"e{i}-": e for i, e in enumerate(others, 1)}, units, RecentlyUsed(PICTURES_BYTES))

    @cached_property
    def layers(self) -> dict[str, tuple[EditionView, Layer]]:
        """Every layer with its edition, by a key of its own."""
        views = {"": self.edition, **self.others}
        return {start + key: (view, layer) for start, view in views.items() for key, layer in view.layers.items()}

    def about(self) -> dict[str, Any]:
        """What the page needs to know first: title, box, zooms and layers with their legends."""
        cube = self.edition.pixels.cube
        last = own_zoom(cube.grid)
        return {
            "title": self.title,
            "bounds": list(cube.grid.window_bounds(cube.blocks.window(cube.grid))),
            "own_zoom": last,
            "most_zoom": last + CLOSER,
            "least_zoom": LEAST_ZOOM,
            "pixels_from_zoom": pixels_from_zoom(cube),
            "layers": [
                {
                    "key": key,
                    "title": layer.title if view is self.edition else f"{layer.title}, {view.pixels.cube.edition}",
                    "group": layer.group if view is self.edition else f"Edition {view.pixels.cube.edition}",
                    "coarse": layer.is_coarse,
                    "legend": [asdict(swatch) for swatch in layer.legend],
                }
                for key, (view, layer) in self.layers.items()
            ],
        }

    def tile(self, key: str, tile: Tile) -> bytes:
        """A tile of a layer as PNG; a single transparent pixel where nothing of it is to be seen.

        Raises KeyError for a layer that is not there, ValueError for such a tile.
        """
        view, layer = self.layers[key]
        return self.pictures.get((key, tile), lambda: _Picture(_png(layer.rgba(view.pixels, tile))))

    def at(self, lon: float, lat: float) -> dict[str, Any]:
        """The units and the block that hold a point; raises ValueError for a point that is not on Earth."""
        grid, blocks = self.edition.pixels.cube.grid, self.edition.blocks
        block = grid.block_at(lon, lat)
        known = blocks.at(grid, lon, lat) if blocks else None
        return {"units": self.units.at(lon, lat), "block": known, "block_name": block.name}


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
    for zoom in range(LEAST_ZOOM, own_zoom(cube.grid)):
        # Rows of blocks are stretched less than columns away from the equator, never more.
        across = int(pixels_per_tile_pixel(zoom, cube.grid) * TILE_PX // cube.grid.block_px) + 2
        if min(across, cube.blocks.rows) * min(across, cube.blocks.cols) <= most_blocks(cube.grid):
            return zoom
    return own_zoom(cube.grid)


def _finished(folder: RunFolder, path: str | Path, cube: Cube) -> dict[str, BlockList]:
    """Finished blocks by the name of the array that holds them."""
    held = BlockList.under(cube.blocks.window(cube.grid), cube.grid.block_px)
    steps = {step: finished_blocks(folder, path, cube.edition, step, held) for step in WRITERS_OF_CUBE}
    return {array: steps[step] for array, step in STEP_OF_ARRAY.items()}


def _png(rgba: np.ndarray | None) -> bytes:
    if rgba is None or not rgba[..., 3].any():
        rgba = np.zeros((1, 1, 4), np.uint8)
    out = io.BytesIO()
    Image.fromarray(rgba).save(out, "PNG", compress_level=1)
    return out.getvalue()
