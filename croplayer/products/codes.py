"""Class codes of existing maps in a window of the lattice, from files in any CRS and tiling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, Protocol

import numpy as np
import pyproj
from affine import Affine
from rasterio.crs import CRS as RasterCrs
from rasterio.windows import Window

from croplayer.files.file_cache import cached_file_reads
from croplayer.kernels.lookup import MESH_PX, nearest_codes
from croplayer.products.strips import repeated_edges
from croplayer.sources.access import NO_ACCESS, Access
from croplayer.sources.addresses import http_address
from croplayer.sources.box_index import BoxIndex
from croplayer.sources.raster_bands import Band, code_band
from croplayer.sources.raster_file import (
    MINIMUM_OVERLAP,
    RasterFile,
    RasterPlace,
    boxes_of,
    common_share,
    files_of_raster,
    open_file,
    turns,
)
from stores.durable import digest_text
from stores.grid import CRS, BlockGrid, BlockIndex, Bounds, PixelWindow

FIRST = "first"
"""Where files overlap, the first one with a known code counts."""
UTM = "utm"
"""Where UTM files overlap, the one in whose zone the longitude of the pixel lies counts."""


class Mesh(NamedTuple):
    """Where the pixels of a window lie in a file of another CRS."""

    cols: np.ndarray
    """(m, n) float64, column coordinates of every MESH_PX-th pixel, as ``kernels.lookup.nearest_codes`` takes them."""
    rows: np.ndarray
    shape: tuple[int, int]
    """Rows and columns of the window."""
    own: np.ndarray | None = None
    """(w,) bool, the columns of the window for which the file counts; None if it counts for all."""


class CodePart(NamedTuple):
    """The codes of one file in a window of the lattice, at the file's own pixels."""

    file: str
    """The file's name, for messages."""
    codes: np.ndarray
    """(H, W) integers."""
    reached: np.ndarray
    """(H, W) bool, False where the file has no pixel, or one that a mask hides."""
    declared: float | None
    """The nodata code that the file declares; None if it declares none."""
    under: tuple[np.ndarray, np.ndarray] | Mesh
    """The part's row under each row of the window, (h,) int64, and its column under each column, (w,) int64; or a mesh."""

    def on_pixels(self, values: np.ndarray, beyond: int) -> np.ndarray:
        """Values (H, W) of the part at every pixel of the window: (h, w), ``beyond`` where the part does not reach."""
        values = np.where(self.reached, values, values.dtype.type(beyond))
        if not isinstance(self.under, Mesh):
            return on_pixels(values, *self.under)
        out = np.full(self.under.shape, beyond, values.dtype)
        nearest_codes(self.under.cols, self.under.rows, values, out)
        if self.under.own is not None:
            out[:, ~self.under.own] = beyond
        return out


def on_pixels(values: np.ndarray, index_y: np.ndarray, index_x: np.ndarray) -> np.ndarray:
    """Values (H, W) at rows (h,) and columns (w,): (h, w)."""
    # Rows over one row of the values are equal, so each is spread along its columns once.
    rows, place = np.unique(index_y, return_inverse=True)
    spread: np.ndarray = values[rows].take(index_x, axis=1)
    return spread if len(rows) == len(index_y) else spread.take(place, axis=0)


class CodeSource(Protocol):
    """A source of the codes of a product."""

    def parts(self, window: PixelWindow, grid: BlockGrid) -> Iterator[CodePart]:
        """Codes of each file in a window, in order of priority; files that do not meet the window are left out.

        Every pixel of the window takes the pixel of the file that contains its centre.
        """
        ...

    @property
    def is_remote(self) -> bool:
        """Whether a file lies on a server."""
        ...

    def settings(self) -> str:
        """Text that changes with the way files are read; not with their content, names and times."""
        ...

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of what the codes of a block are read from; that of a file that is copied or renamed is the same."""
        ...

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> tuple[str, ...]:
        """Files that are looked at for a block, and addresses of those on servers."""
        ...

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if a file cannot be read, or none overlaps the region (degrees)."""
        ...


class CodeRules(NamedTuple):
    """How files of codes are read, whether a folder or STAC items list them."""

    band: int | None = None
    """One-based band; None for the only one, or the one of the year."""
    year: int | None = None
    """Year whose band is read, of files with one band for each of several years."""
    overlap: str = FIRST
    """Which file counts where several overlap: ``first``, or ``utm`` for the one of the pixel's UTM zone."""
    cut_repeated_strips: bool = False
    """Whether to leave out rows and columns at the lower and right edge that repeat the ones before them."""

    def check(self, file: RasterFile) -> None:
        """Raise ValueError if a file cannot be read as codes."""
        code_band(file.bands, file.name, self.band, self.year)
        if self.overlap == UTM and _zone(file.crs) is None:
            raise ValueError(f"raster {file.name} is in {file.crs}; a product tiled by UTM zone needs EPSG:326zz")


@dataclass(frozen=True)
class RasterCodes:
    """Codes from GeoTIFFs, which may overlap."""

    paths: tuple[str, ...]
    """Files or addresses of the GeoTIFFs, in order of priority."""
    assume_crs: str | None = None
    """CRS of files that have none."""
    overlap: str = FIRST
    """Which file counts where several overlap: ``first``, or ``utm`` for the one of the pixel's UTM zone."""
    cut_repeated_strips: bool = False
    """Whether to leave out rows and columns at the lower and right edge that repeat the ones before them."""
    band: int | None = None
    """One-based band of files with several."""
    year: int | None = None
    """Year whose band is read, of files with one band for each of several years."""
    access: Access = NO_ACCESS
    """What may be fetched, for addresses."""

    def __post_init__(self) -> None:
        self.access.for_recipe(self.paths)

    @property
    def rules(self) -> CodeRules:
        """How the files are read."""
        return CodeRules(self.band, self.year, self.overlap, self.cut_repeated_strips)

    def parts(self, window: PixelWindow, grid: BlockGrid) -> Iterator[CodePart]:
        """Codes of each file in a window, in order of priority.

        Every pixel of the window takes the pixel of the file that contains its centre.

        Raises FileNotFoundError or ValueError if a file cannot be opened, has no usable georeference or several bands
        of which none is named; PermissionError or ConnectionError if it may not or cannot be fetched.
        """
        return code_parts(self.near(grid.window_bounds(window)), self.rules, window, grid)

    @property
    def is_remote(self) -> bool:
        """Whether a file lies on a server."""
        return any(http_address(path) for path in self.paths)

    def settings(self) -> str:
        """Text that changes when the assumed CRS or the rules of reading change; not with the files."""
        return digest_text(f"codes {self.assume_crs} {tuple(self.rules)}")

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of what the codes of a block are read from; that of a file that is copied or renamed is the same."""
        return codes_content(self.near(grid.bounds(block)), self.rules, block, grid)

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> tuple[str, ...]:
        """Files that are looked at for a block, and addresses of those on servers."""
        return tuple(f for place in self.near(grid.bounds(block)) for f in files_of_raster(place))

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if a file cannot be read as codes, or none overlaps the region."""
        shares = []
        for place in _places(self):
            file = open_file(place)
            self.rules.check(file)
            if self.year is not None and self.band is None and len(file.bands) == 1:
                raise ValueError(
                    f"raster {file.name} has one band, so year = {self.year} chooses nothing; leave year out"
                )
            shares.append(common_share(boxes_of(place), bounds))
        if not shares or max(shares) < MINIMUM_OVERLAP:
            names = ", ".join(self.paths[:3]) + (f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else "")
            raise ValueError(f"{names or 'no file'} does not overlap the region {tuple(bounds)}")

    def near(self, box: Bounds) -> list[RasterPlace]:
        """The files that meet a box, in order of priority."""
        places = _places(self)
        return [places[number] for number in _boxes(self).near(box)]


@lru_cache(maxsize=16)
def _places(source: RasterCodes) -> tuple[RasterPlace, ...]:
    access = source.access.for_recipe(source.paths)
    return tuple(RasterPlace(path, source.assume_crs, access) for path in source.paths)


@cached_file_reads(16)
def _boxes(source: RasterCodes) -> BoxIndex:
    return BoxIndex.of(boxes_of(place) for place in _places(source))


def code_parts(
    places: Iterable[RasterPlace], rules: CodeRules, window: PixelWindow, grid: BlockGrid
) -> Iterator[CodePart]:
    """Codes of each file in a window, in the order of the files."""
    for place in places:
        file = _open_codes(place, rules)
        for read in _readings(file, window, grid):
            own = None
            if rules.overlap == UTM:
                own = _in_zone(file.zone, grid.longitudes(window.col, window.width))
                if not own.any():
                    continue
            yield _part(file, _pixels(place, rules, _corners(read.area)), read, window, own)


def codes_content(places: Iterable[RasterPlace], rules: CodeRules, block: BlockIndex, grid: BlockGrid) -> str:
    """Digest of the codes, masks, places and rules that a block is read from, in the order of the files."""
    digest = sha256(f"{rules.overlap}".encode())
    for place in places:
        file = _open_codes(place, rules)
        for read in _readings(file, grid.window(block), grid):
            values, known = _pixels(place, rules, _corners(read.area))
            facts = file.raster.facts([file.band.number], read.area, read.turn)
            digest.update(f"{facts} {file.height} {file.width} {values.dtype}".encode())
            digest.update(np.ascontiguousarray(values).data)
            digest.update(np.packbits(known).data)
    return digest.hexdigest()


class _CodeFile(NamedTuple):
    """An open file of codes."""

    raster: RasterFile
    band: Band
    zone: int | None
    """UTM zone, 1 to 60; None if the file is in another CRS."""
    height: int
    """Number of rows that count: those that repeat others are left out."""
    width: int
    """Number of columns that count."""


@cached_file_reads(64)
def _open_codes(place: RasterPlace, rules: CodeRules) -> _CodeFile:
    file = open_file(place)
    rules.check(file)
    band = code_band(file.bands, file.name, rules.band, rules.year)
    rows, cols = repeated_edges(file, band.number) if rules.cut_repeated_strips else (0, 0)
    height, width = file.shape
    return _CodeFile(file, band, _zone(file.crs), height - rows, width - cols)


def _zone(crs: RasterCrs) -> int | None:
    """UTM zone of a CRS, 1 to 60, or None if it is not a UTM zone of WGS 84."""
    epsg = crs.to_epsg()
    is_utm = epsg is not None and epsg // 100 in (326, 327) and 1 <= epsg % 100 <= 60
    return epsg % 100 if is_utm and epsg is not None else None


def _in_zone(zone: int | None, longitudes: np.ndarray) -> np.ndarray:
    """Which longitudes lie in the nominal 6 degrees of a zone: (n,) bool."""
    return np.asarray(np.floor((longitudes + 180) / 6) + 1 == zone)


class _Reading(NamedTuple):
    """Which pixels of a file a window needs."""

    area: Window
    turn: int
    cols: np.ndarray
    """(w,) columns, or (H, W) for a mesh of projected points, counted from those of the area."""
    rows: np.ndarray
    is_mesh: bool


def _readings(file: _CodeFile, window: PixelWindow, grid: BlockGrid) -> Iterator[_Reading]:
    """The parts of a file under a window: one, or two where longitudes of the file begin anew."""
    is_lonlat = file.raster.crs.to_epsg() == 4326
    for turn in turns(file.raster, grid.window_bounds(window)):
        found = (_lonlat if is_lonlat else _projected)(file, file.raster.transform(turn), window, grid)
        if found is not None:
            yield found._replace(turn=turn)


def _lonlat(file: _CodeFile, t: Affine, window: PixelWindow, grid: BlockGrid) -> _Reading | None:
    cols = np.floor((grid.longitudes(window.col, window.width) - t.c) / t.a).astype(np.int64)
    rows = np.floor((grid.latitudes(window.row, window.height) - t.f) / t.e).astype(np.int64)
    row_in, col_in = (rows >= 0) & (rows < file.height), (cols >= 0) & (cols < file.width)
    if not (row_in.any() and col_in.any()):
        return None
    top, left = int(rows[row_in].min()), int(cols[col_in].min())
    height, width = int(rows[row_in].max()) - top + 1, int(cols[col_in].max()) - left + 1
    # One extra row and column stand for pixels of the window outside of the file.
    rows, cols = np.where(row_in, rows - top, height), np.where(col_in, cols - left, width)
    return _Reading(Window(left, top, width, height), 0, cols, rows, False)


def _projected(file: _CodeFile, t: Affine, window: PixelWindow, grid: BlockGrid) -> _Reading | None:
    lon = grid.longitudes(window.col, 1)[0] + grid.px_deg * np.arange(0, window.width + MESH_PX, MESH_PX)
    lat = grid.latitudes(window.row, 1)[0] - grid.px_deg * np.arange(0, window.height + MESH_PX, MESH_PX)
    x, y = _to_projected(file.raster.wkt).transform(*np.meshgrid(lon, lat))
    cols, rows = (x - t.c) / t.a, (y - t.f) / t.e
    row, col = max(int(rows.min()) - 1, 0), max(int(cols.min()) - 1, 0)
    row_stop, col_stop = min(int(rows.max()) + 2, file.height), min(int(cols.max()) + 2, file.width)
    if row >= row_stop or col >= col_stop:
        return None
    return _Reading(Window(col, row, col_stop - col, row_stop - row), 0, cols - col, rows - row, True)


def _part(
    file: _CodeFile, pixels: tuple[np.ndarray, np.ndarray], read: _Reading, window: PixelWindow, own: np.ndarray | None
) -> CodePart:
    """The codes of a part of a file."""
    name, declared = file.raster.name, file.band.nodata
    if read.is_mesh:
        return CodePart(name, *pixels, declared, Mesh(read.cols, read.rows, (window.height, window.width), own))
    codes, reached = (np.pad(values, ((0, 1), (0, 1))) for values in pixels)
    return CodePart(name, codes, reached, declared, (read.rows, read.cols))


def _corners(area: Window) -> tuple[int, int, int, int]:
    return int(area.col_off), int(area.row_off), int(area.width), int(area.height)


@cached_file_reads(32)
def _pixels(place: RasterPlace, rules: CodeRules, area: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Codes (H, W) of an area of a file, and where no mask of the file hides them: (H, W) bool.

    A declared nodata code is not a mask. A block's digest and its values come from one reading.
    """
    file, window = _open_codes(place, rules), Window(*area)
    return file.raster.read([file.band.number], window)[0], file.raster.unmasked(window)


@lru_cache(maxsize=64)
def _to_projected(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(CRS, crs, always_xy=True)
