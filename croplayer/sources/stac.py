"""Imagery listed by STAC items: stackstac lays the items over each other, and the door of rasters reads them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from rasterio.windows import Window

from croplayer.files.file_cache import cached_file_reads
from croplayer.sources.access import NO_ACCESS, Access
from croplayer.sources.imagery import Imagery, empty_imagery
from croplayer.sources.raster import (
    NEAR_DEG,
    Colours,
    Layer,
    block_parts,
    check_scale,
    first_valid,
    layer_files,
    layer_imagery,
    layers_content,
)
from croplayer.sources.stac_items import ItemIndex, check_items, is_remote, parsed_items, read_items
from stores.durable import digest_text
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow

CHANNELS = ("red", "green", "blue", "valid")


@dataclass(frozen=True)
class StacSource:
    """Imagery of an ItemCollection on disk; where several items cover a pixel, the latest valid one counts."""

    name: str
    items: str
    """Path of a GeoJSON FeatureCollection of STAC items."""
    assets: tuple[str, ...] = ("red", "green", "blue")
    """Keys of three one-band assets, or of one asset that holds red, green and blue."""
    bands: tuple[int, int, int] | None = None
    """One-based bands of a single asset, as for ``RasterSource``."""
    scale: tuple[float, float] | None = None
    """Values that become 0 and 255, after the bands' own scale and offset; None for assets of 8 bits."""
    assume_crs: str | None = None
    """CRS of assets that have none."""
    access: Access = NO_ACCESS
    """Which hosts and folders the items may refer to."""

    def __post_init__(self) -> None:
        check_scale(self.scale, self.name)
        if len(self.assets) not in (1, 3):
            raise ValueError(
                f"source '{self.name}' names {len(self.assets)} assets; expected one, or red, green and blue"
            )
        if self.bands is not None and len(self.assets) == 3:
            raise ValueError(
                f"source '{self.name}': bands choose the bands of a single asset; name one asset, or no bands"
            )

    @property
    def colours(self) -> Colours:
        """How the assets are read."""
        return Colours(self.name, self.bands, self.scale)

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        """Pixels of a window of the lattice, bilinear between the assets' valid pixels.

        Obeys the contract of ``ImagerySource.read``: whole blocks are resampled, so a pixel does not
        depend on the window. One asset gives the pixels that ``RasterSource`` gives of the same file.

        Returns
        -------
        Imagery with rgb (h, w, 3) uint8 and valid (h, w) bool; False where no item has a valid pixel in every asset
        (nodata, masks inside or beside the file, and alpha bands count; black alone does not)

        Raises
        ------
        FileNotFoundError, ValueError
            if the items or an asset do not exist, are not STAC items, or not such rasters
        PermissionError, ConnectionError
            if an asset may not or cannot be read, also if its server says that it does not exist
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
        return is_remote(parsed_items(self.items), self.assets)

    def settings(self) -> str:
        """Text that changes when the assets, the chosen bands, their scale or the assumed CRS change; not with the items."""
        return digest_text(f"stac {self.assets} {self.bands} {self.scale} {self.assume_crs}")

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of what the pixels of a block are read from; that of an asset that is copied or renamed is the same."""
        return layers_content(self.layers(grid.bounds(block)), self.colours, block)

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> tuple[str, ...]:
        """Files that are looked at for a block, and addresses of assets on servers."""
        return (self.items, *layer_files(self.layers(grid.bounds(block))))

    def check(self, bounds: Bounds) -> None:
        """Raise unless the items can be read, may refer to their assets, and give RGB imagery in the region."""
        try:
            near = check_items(read_items(self.items), self.assets, self.items, self.access, bounds, self.assume_crs)
        except ValueError as error:
            raise ValueError(f"source '{self.name}': {error}") from error
        for places in near:
            Layer(places).check(self.colours)

    def layers(self, box: Bounds) -> tuple[Layer, ...]:
        """The items that meet the box of a block, the latest first."""
        found = []
        for item in _index(self.items).near(box, NEAR_DEG):
            layer = Layer(tuple(item.place(key, self.items, self.access, self.assume_crs) for key in self.assets))
            if item.boxes or layer.is_near(box):
                found.append(layer)
        return tuple(found)

    def times_near(self, box: Bounds) -> list[tuple[datetime | None, datetime | None]]:
        """Start and end of what each item under a box shows; None where the item does not tell."""
        return [(item.start, item.end) for item in _index(self.items).near(box)]


@cached_file_reads(8)
def _index(path: str) -> ItemIndex:
    return ItemIndex.of(read_items(path))


@cached_file_reads(6)
def _read_block(source: StacSource, block: BlockIndex, block_px: int) -> Imagery:
    """Imagery of a whole block, from the latest item to the oldest."""
    grid = BlockGrid(block_px)
    layers = source.layers(grid.bounds(block))
    return first_valid(_stacked(layers, source.colours, block, grid), grid.window(block))


def _stacked(layers: Sequence[Layer], colours: Colours, block: BlockIndex, grid: BlockGrid) -> Iterator[Imagery]:
    """The imagery of each layer, read when it is asked for, by a lazy stack whose reader is the door of rasters."""
    if not layers:
        return
    import stackstac

    box = [*grid.bounds(block)]
    # The reader knows where each layer lies, so here all lie at the block.
    items = [
        {
            "id": str(i), "bbox": box, "properties": {"datetime": "2000-01-01T00:00:00Z"}, "type": "Feature", "geometry": None,
            "links": [], "assets": {channel: {"href": f"{i}/{channel}"} for channel in CHANNELS},
        }
        for i in range(len(layers))
    ]  # fmt: skip
    with warnings.catch_warnings():
        # stackstac multiplies affine transforms in an order that affine 3 will reject.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        stack = stackstac.stack(
            items,
            assets=list(CHANNELS),
            epsg=4326,
            resolution=grid.px_deg,
            bounds=tuple(box),
            snap_bounds=False,
            sortby_date=False,
            dtype="uint8",
            fill_value=np.uint8(0),
            rescale=False,
            chunksize=grid.block_px + 1,
            reader=partial(_LayerReader, layers=layers, colours=colours, block=block, grid=grid),
        )
    n = grid.block_px
    for item in range(len(layers)):
        # Rounding in stackstac may add a row or column at the end.
        pixels = stack[item, :, :n, :n].compute(scheduler="synchronous").to_numpy()
        yield Imagery(np.ascontiguousarray(pixels[:3].transpose(1, 2, 0)), pixels[3] > 0)


class _LayerReader:
    """Reads one channel of one layer for stackstac (``stackstac.reader_protocol.Reader``)."""

    def __init__(
        self, *, url: str, layers: Sequence[Layer], colours: Colours, block: BlockIndex, grid: BlockGrid, **_: Any
    ) -> None:
        number, channel = url.rsplit("/", 2)[-2:]
        self._layer, self._channel = layers[int(number)], CHANNELS.index(channel)
        self._how = colours, block, grid.block_px

    def read(self, window: Window) -> np.ndarray:
        """(h, w) uint8 of a window of the block; 0 beyond it."""
        imagery = _layer_of_block(self._layer, *self._how)
        channel = imagery.valid.astype(np.uint8) if self._channel == 3 else imagery.rgb[..., self._channel]
        rows, cols = (
            slice(int(a), int(a) + int(n)) for a, n in ((window.row_off, window.height), (window.col_off, window.width))
        )
        out = np.zeros((int(window.height), int(window.width)), np.uint8)
        part = channel[rows, cols]
        out[: part.shape[0], : part.shape[1]] = part
        return out

    def close(self) -> None:
        """Nothing: the door keeps its files open."""


@cached_file_reads(1)
def _layer_of_block(layer: Layer, colours: Colours, block: BlockIndex, block_px: int) -> Imagery:
    return layer_imagery(layer, colours, block, BlockGrid(block_px))
