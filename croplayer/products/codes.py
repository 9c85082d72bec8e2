"""Class codes of existing maps in a window of the lattice, from files in any CRS and tiling."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import pyproj
from rasterio.crs import CRS as RasterCrs
from rasterio.enums import MaskFlags
from rasterio.env import set_gdal_config
from rasterio.io import DatasetReader
from rasterio.windows import Window

from croplayer.files.file_cache import cached_file_reads
from croplayer.kernels.lookup import MESH_PX, nearest_codes
from croplayer.products.strips import repeated_edges
from croplayer.sources.raster import (
    MINIMUM_OVERLAP,
    check_georeference,
    crs_of,
    digest_raster,
    lonlat_boxes,
    open_raster,
    overlap_share,
)
from stores.durable import digest_text
from stores.grid import CRS, BlockGrid, Bounds, PixelWindow

GDAL_CACHE_MB = 64
"""Size of GDAL's cache of decoded pixels in a process; its default is 5 % of the machine's memory."""

_reading = threading.Lock()
"""An open dataset may be read by one thread at a time only, and notebooks read in several."""

FIRST = "first"
"""Where files overlap, the first one with a known code counts."""
UTM = "utm"
"""Where UTM files overlap, the one in whose zone the longitude of the pixel lies counts."""


class CodePart(NamedTuple):
    """The codes of one file in a window of the lattice, at a resolution of their own."""

    file: str
    """The file's name, for messages."""
    codes: np.ndarray
    """(H, W) integers."""
    reached: np.ndarray
    """(H, W) bool, False where the file has no pixel, or one that a mask hides or that does not count."""
    declared: float | None
    """The nodata code that the file declares; None if it declares none."""
    index_y: np.ndarray
    """(h,) int64, the part's row under each row of the window."""
    index_x: np.ndarray
    """(w,) int64, the part's column under each column of the window."""

    def on_pixels(self, values: np.ndarray) -> np.ndarray:
        """Values (H, W) of the part at every pixel of the window: (h, w)."""
        return values[self.index_y[:, None], self.index_x]


class CodeSource(Protocol):
    """A source of the codes of a product."""

    def parts(self, window: PixelWindow, grid: BlockGrid) -> Iterator[CodePart]:
        """Codes of each file in a window, in order of priority; files that do not meet the window are left out.

        Every pixel of the window takes the pixel of the file that contains its centre.
        """
        ...

    @property
    def is_remote(self) -> bool:
        """Whether files come over a network."""
        ...

    def settings(self) -> str:
        """Text that changes with the way files are read; not with their content, names and times."""
        ...

    def content_of(self, window: PixelWindow, grid: BlockGrid) -> str:
        """Digest of everything that the codes of a window are read from, without names and times of files."""
        ...

    def files_of(self, window: PixelWindow, grid: BlockGrid) -> Sequence[str]:
        """The local files, there or not, that decide the codes of a window."""
        ...

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if a file cannot be read, or none overlaps the region (degrees)."""
        ...


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

    def parts(self, window: PixelWindow, grid: BlockGrid) -> Iterator[CodePart]:
        """Codes of each file in a window, in order of priority.

        Every pixel of the window takes the pixel of the file that contains its centre. A file in EPSG:4326 comes
        at its own resolution, another one at that of the window.

        Raises FileNotFoundError or ValueError if a file cannot be opened or has no usable georeference.
        """
        box = grid.window_bounds(window)
        for path in _near(self, box):
            file = _open_codes(path, self.assume_crs, self.cut_repeated_strips)
            read = _read_lonlat if file.is_lonlat else _read_projected
            part = read(file, window, grid)
            if part is None:
                continue
            if self.overlap == UTM:
                own = _in_zone(file.zone, grid.longitudes(window.col, window.width))
                if not own.any():
                    continue
                part = part._replace(reached=part.reached & own[None, :])
            yield part

    @property
    def is_remote(self) -> bool:
        return False

    def settings(self) -> str:
        return ""

    def content_of(self, window: PixelWindow, grid: BlockGrid) -> str:
        return self.fingerprint()

    def files_of(self, window: PixelWindow, grid: BlockGrid) -> Sequence[str]:
        return self.paths

    def fingerprint(self) -> str:
        """Text that changes when the files or the way they are read change."""
        digests = [digest_raster(p) for p in self.paths]
        return digest_text(f"raster codes {self.assume_crs} {self.overlap} {self.cut_repeated_strips} {digests}")

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if a file cannot be read as codes, or none overlaps the region."""
        shares = []
        for path in self.paths:
            with open_raster(path) as dataset:
                crs = check_georeference(dataset, self.assume_crs)
                if np.dtype(dataset.dtypes[0]).kind not in "iu":
                    raise ValueError(f"raster {path} has {dataset.dtypes[0]} pixels; expected integer codes")
                own = crs_of(dataset, self.assume_crs)
                if self.overlap == UTM and _zone(own) is None:
                    raise ValueError(f"raster {path} is in {own}; a product tiled by UTM zone needs EPSG:326zz")
                shares.append(overlap_share(dataset, crs, bounds))
        if not shares or max(shares) < MINIMUM_OVERLAP:
            names = ", ".join(self.paths[:3]) + (f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else "")
            raise ValueError(f"{names or 'no file'} does not overlap the region {tuple(bounds)}")


class _CodeFile(NamedTuple):
    """An open file of codes."""

    dataset: DatasetReader
    crs: str
    is_lonlat: bool
    zone: int | None
    """UTM zone, 1 to 60; None if the file is in another CRS."""
    height: int
    """Number of rows that count: those that repeat others are left out."""
    width: int
    """Number of columns that count."""


@cached_file_reads(64)
def _open_codes(path: str, assume_crs: str | None, cut_repeated_strips: bool) -> _CodeFile:
    # Set once for the process: leaving a rasterio.Env around each read would empty the cache.
    set_gdal_config("GDAL_CACHEMAX", GDAL_CACHE_MB)
    dataset = open_raster(path)
    crs = check_georeference(dataset, assume_crs)
    own = crs_of(dataset, assume_crs)
    rows, cols = repeated_edges(dataset) if cut_repeated_strips else (0, 0)
    height, width = dataset.height - rows, dataset.width - cols
    return _CodeFile(dataset, crs, own.to_epsg() == 4326, _zone(own), height, width)


def _near(source: RasterCodes, box: Bounds) -> list[str]:
    """Files whose bounding box meets a box."""
    return [
        path
        for path, b in _boxes(source.paths, source.assume_crs)
        if b.west < box.east and box.west < b.east and b.south < box.north and box.south < b.north
    ]


@cached_file_reads(16)
def _boxes(paths: tuple[str, ...], assume_crs: str | None) -> tuple[tuple[str, Bounds], ...]:
    boxes: list[tuple[str, Bounds]] = []
    for path in paths:
        with open_raster(path) as dataset:
            crs = check_georeference(dataset, assume_crs)
            boxes += [(path, box) for box in lonlat_boxes(dataset, crs)]
    return tuple(boxes)


def _zone(crs: RasterCrs) -> int | None:
    """UTM zone of a CRS, 1 to 60, or None if it is not a UTM zone of WGS 84."""
    epsg = crs.to_epsg()
    is_utm = epsg is not None and epsg // 100 in (326, 327) and 1 <= epsg % 100 <= 60
    return epsg % 100 if is_utm and epsg is not None else None


def _in_zone(zone: int | None, longitudes: np.ndarray) -> np.ndarray:
    """Which longitudes lie in the nominal 6 degrees of a zone: (n,) bool."""
    return np.asarray(np.floor((longitudes + 180) / 6) + 1 == zone)


def _read_lonlat(file: _CodeFile, window: PixelWindow, grid: BlockGrid) -> CodePart | None:
    """The file's own pixels, with one extra row and column for pixels of the window outside of the file."""
    dataset = file.dataset
    t = dataset.transform
    cols = np.floor((grid.longitudes(window.col, window.width) - t.c) / t.a).astype(np.int64)
    rows = np.floor((grid.latitudes(window.row, window.height) - t.f) / t.e).astype(np.int64)
    row_in, col_in = (rows >= 0) & (rows < file.height), (cols >= 0) & (cols < file.width)
    if not (row_in.any() and col_in.any()):
        return None
    top, left = int(rows[row_in].min()), int(cols[col_in].min())
    area = Window(left, top, int(cols[col_in].max()) - left + 1, int(rows[row_in].max()) - top + 1)
    with _reading:
        values, known = dataset.read(1, window=area), _known(dataset, area)
    codes, reached = (np.pad(pixels, ((0, 1), (0, 1))) for pixels in (values, known))
    index_y = np.where(row_in, rows - top, codes.shape[0] - 1)
    index_x = np.where(col_in, cols - left, codes.shape[1] - 1)
    return CodePart(dataset.name, codes, reached, dataset.nodata, index_y, index_x)


def _read_projected(file: _CodeFile, window: PixelWindow, grid: BlockGrid) -> CodePart | None:
    """The file's pixels at the centres of the window's own pixels."""
    dataset = file.dataset
    t = dataset.transform
    lon = grid.longitudes(window.col, 1)[0] + grid.px_deg * np.arange(0, window.width + MESH_PX, MESH_PX)
    lat = grid.latitudes(window.row, 1)[0] - grid.px_deg * np.arange(0, window.height + MESH_PX, MESH_PX)
    x, y = _to_projected(file.crs).transform(*np.meshgrid(lon, lat))
    cols, rows = (x - t.c) / t.a, (y - t.f) / t.e
    row, col = max(int(rows.min()) - 1, 0), max(int(cols.min()) - 1, 0)
    row_stop, col_stop = min(int(rows.max()) + 2, file.height), min(int(cols.max()) + 2, file.width)
    if row >= row_stop or col >= col_stop:
        return None
    area = Window(col, row, col_stop - col, row_stop - row)
    with _reading:
        values, known = dataset.read(1, window=area), _known(dataset, area)
    codes = np.zeros((window.height, window.width), values.dtype)
    reached = np.zeros((window.height, window.width), np.bool_)
    nearest_codes(cols - col, rows - row, values, codes, reached)
    if not known.all():
        shown = np.zeros_like(reached)
        nearest_codes(cols - col, rows - row, known, shown, reached)
        reached &= shown
    if not reached.any():
        return None
    return CodePart(dataset.name, codes, reached, dataset.nodata, np.arange(window.height), np.arange(window.width))


def _known(dataset: DatasetReader, area: Window) -> np.ndarray:
    """Pixels of the first band that no mask of the file hides: (H, W) bool; a declared nodata code is not a mask."""
    if MaskFlags.per_dataset in dataset.mask_flag_enums[0]:
        return np.asarray(dataset.read_masks(1, window=area) > 0)
    return np.ones((area.height, area.width), bool)


@lru_cache(maxsize=64)
def _to_projected(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(CRS, crs, always_xy=True)
