"""Class codes of maps listed by STAC items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from croplayer.files.file_cache import cached_file_reads
from croplayer.products.codes import FIRST, CodePart, CodeRules, code_parts, codes_content
from croplayer.sources.access import NO_ACCESS, Access
from croplayer.sources.raster_file import RasterPlace, boxes_of, files_of_raster, meets, open_file
from croplayer.sources.stac_items import ItemIndex, check_items, is_remote, parsed_items, read_items
from stores.durable import digest_text
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow


@dataclass(frozen=True)
class StacCodes:
    """Codes from one asset of the items of an ItemCollection on disk; the latest item comes first."""

    items: str
    """Path of a GeoJSON FeatureCollection of STAC items, such as a saved search."""
    asset: str
    """Key of the asset."""
    year: int | None = None
    """Only items whose time lies in this year or spans it, and of assets with a band a year its band; None for all."""
    overlap: str = FIRST
    """Which item counts where several overlap: ``first``, or ``utm`` for the one of the pixel's UTM zone."""
    cut_repeated_strips: bool = False
    """Whether to leave out rows and columns at the lower and right edge that repeat the ones before them."""
    band: int | None = None
    """One-based band of assets with several."""
    assume_crs: str | None = None
    """CRS of assets that have none."""
    access: Access = NO_ACCESS
    """Which hosts and folders the items may refer to."""

    @property
    def rules(self) -> CodeRules:
        """How the assets are read."""
        return CodeRules(self.band, self.year, self.overlap, self.cut_repeated_strips)

    def parts(self, window: PixelWindow, grid: BlockGrid) -> Iterator[CodePart]:
        """Codes of each item in a window, the latest item first, as ``RasterCodes`` reads the same files.

        Raises FileNotFoundError or ValueError if the items or an asset cannot be read as codes, PermissionError or
        ConnectionError if an asset may not or cannot be fetched.
        """
        return code_parts(self.near(grid.window_bounds(window)), self.rules, window, grid)

    @property
    def is_remote(self) -> bool:
        """Whether a file lies on a server."""
        return is_remote(parsed_items(self.items), [self.asset])

    def settings(self) -> str:
        """Text that changes when the asset, its year, the assumed CRS or the rules of reading change."""
        return digest_text(f"stac codes {self.asset} {self.year} {self.assume_crs} {tuple(self.rules)}")

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of what the codes of a block are read from; that of an asset that is copied or renamed is the same."""
        return codes_content(self.near(grid.bounds(block)), self.rules, block, grid)

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> tuple[str, ...]:
        """Files that are looked at for a block, and addresses of assets on servers."""
        return (self.items, *(f for place in self.near(grid.bounds(block)) for f in files_of_raster(place)))

    def check(self, bounds: Bounds) -> None:
        """Raise unless there are such items, they may refer to their assets, and those in the region hold codes."""
        chosen = _index(self.items, self.year).items
        if not chosen:
            raise ValueError(f"{self.items} has no item" + (f" of {self.year}" if self.year else ""))
        for (place,) in check_items(chosen, [self.asset], self.items, self.access, bounds, self.assume_crs):
            self.rules.check(open_file(place))

    def near(self, box: Bounds) -> list[RasterPlace]:
        """The assets that meet a box, the latest first."""
        items = _index(self.items, self.year).near(box)
        places = [item.place(self.asset, self.items, self.access, self.assume_crs) for item in items]
        return [place for place in places if meets(boxes_of(place), box)]


@cached_file_reads(16)
def _index(path: str, year: int | None) -> ItemIndex:
    """The items whose time lies in a year or spans it; all without one."""
    return ItemIndex.of(item for item in read_items(path) if year is None or item.is_of(year))
