"""The one door through which rasters are opened: imagery, class codes, elevation and labelled scenes.

A raster is a GeoTIFF of this machine or of a server. It is opened with the GeoTIFF driver alone, because files of
others, such as VRT, refer to any other file. What it says of its place is asked here, what it says of its bands in
``raster_bands``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyproj
import rasterio
from affine import Affine
from rasterio.crs import CRS as RasterCrs
from rasterio.enums import MaskFlags
from rasterio.env import set_gdal_config
from rasterio.errors import CRSError, RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rasterio.windows import Window, from_bounds
from rasterio.windows import transform as window_transform

from croplayer.files.file_cache import cached_file_reads
from croplayer.sources.access import NO_ACCESS, Access
from croplayer.sources.addresses import http_address, local_path, shown
from croplayer.sources.raster_bands import ALPHA, NO_WORDS, AssetWords, Band, bands_of
from stores.grid import BLOCKS_PER_DEGREE, CRS, BlockGrid, BlockIndex, Bounds

DRIVER = "GTiff"
"""Only plain GeoTIFF is opened: a file of another driver, such as VRT, can refer to any other file."""

MINIMUM_OVERLAP = 0.01
"""Least overlap of a region and a raster, as a share of the smaller of the two."""

LARGEST_PART_BYTES = 512 * 1024**2
"""Largest decoded tile or strip of a raster: a small compressed file can expand to more than the memory."""
MOST_PIXELS = 20_000**2
"""Largest number of pixels of one raster under one block."""

MARGIN_PX = 8
"""Source pixels read around a block for the resampling kernel."""

GDAL_CACHE_MB = 64
"""Size of GDAL's cache of decoded pixels in a process; its default is 5 % of the machine's memory."""

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF and of a BigTIFF."""

_reading = threading.Lock()
"""An open dataset may be read by one thread at a time only, and notebooks read in several."""


class RasterPlace(NamedTuple):
    """Where a raster lies, and what is said of it elsewhere."""

    path: str
    """Path, ``file://``, http, https or s3 address."""
    assume_crs: str | None = None
    """CRS of a raster that has none."""
    access: Access = NO_ACCESS
    words: AssetWords = NO_WORDS

    @property
    def name(self) -> str:
        """The path or address as messages show it."""
        return shown(self.path)

    @property
    def file(self) -> Path | None:
        """The file, None if the raster lies on a server."""
        return None if http_address(self.path) else local_path(self.path)


@dataclass(frozen=True, eq=False)
class RasterFile:
    """An open raster and what it says of itself."""

    place: RasterPlace
    dataset: DatasetReader
    crs: RasterCrs
    bands: tuple[Band, ...]
    _remote: Any = None

    @property
    def name(self) -> str:
        """The path or address as messages show it."""
        return self.place.name

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.dataset.height, self.dataset.width

    @property
    def is_lonlat(self) -> bool:
        """Whether the raster is in longitude and latitude in degrees from Greenwich, on any datum."""
        return _is_lonlat(self.wkt)

    @cached_property
    def wkt(self) -> str:
        """The CRS as WKT; kept, because it is asked for with every window and PROJ takes as long as to read a small one."""
        return str(self.crs.to_wkt())

    def transform(self, turn: int = 0) -> Affine:
        """The transform, moved by whole turns of 360 degrees if the raster is in longitude and latitude."""
        return Affine.translation(360.0 * turn, 0) * self.dataset.transform

    def read(self, numbers: Sequence[int], window: Window) -> np.ndarray:
        """Pixels of some bands: (n, h, w) of the file's dtype.

        Raises ValueError if they are damaged, ConnectionError if they cannot be fetched.
        """
        return self._asked(lambda: np.asarray(self.dataset.read(list(numbers), window=window)))

    def unmasked(self, window: Window) -> np.ndarray:
        """Where no mask of the file and no alpha band, wherever it lies, hides the pixels: (h, w) bool."""
        shown_px = np.ones((int(window.height), int(window.width)), bool)
        for band, flags in zip(self.bands, self.dataset.mask_flag_enums, strict=True):
            is_own = not flags  # a mask of this band alone
            is_shared = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
            if band.colour == ALPHA:
                shown_px &= self.read([band.number], window)[0] > 0
            elif is_own or (is_shared and band.number == self._first):
                shown_px &= self._mask(band.number, window)
        return shown_px

    @property
    def _first(self) -> int:
        """The first band that is no alpha band."""
        return next((band.number for band in self.bands if band.colour != ALPHA), 1)

    def _mask(self, number: int, window: Window) -> np.ndarray:
        return self._asked(lambda: np.asarray(self.dataset.read_masks(number, window=window) > 0))

    def not_nodata(self, numbers: Sequence[int], pixels: np.ndarray, window: Window) -> np.ndarray:
        """Where colours (n, h, w) are no nodata: (h, w) bool.

        A pixel is missing if one of its colours is no number, or if every band that declares nodata has it there.
        """
        known = np.isfinite(pixels).all(axis=0) if pixels.dtype.kind == "f" else np.ones(pixels.shape[1:], bool)
        declared = [b for b in self.bands if b.nodata is not None and b.colour != ALPHA and not np.isnan(b.nodata)]
        if not {*numbers} <= {b.number for b in declared}:
            return known
        missing = np.ones(known.shape, bool)
        for band in declared:
            here = pixels[numbers.index(band.number)] if band.number in numbers else self.read([band.number], window)[0]
            missing &= here == np.array(band.nodata).astype(here.dtype) if _fits(band.nodata, here.dtype) else False
        return known & ~missing

    def facts(self, numbers: Sequence[int], window: Window, turn: int = 0) -> str:
        """What decides the meaning of the pixels of a window, without paths and times."""
        said = [self.bands[n - 1]._replace(text="") for n in numbers]
        place = [float(v) for v in window_transform(window, self.transform(turn))[:6]]
        return f"{[tuple(s) for s in said]} {place} {self.wkt} {tuple(map(int, window.flatten()))}"

    def _asked(self, ask: Any) -> np.ndarray:
        try:
            with _reading:
                found = np.asarray(ask())
        except RasterioIOError as error:
            _raise_problem(self._remote)
            raise ValueError(f"raster {self.name} cannot be read: {_without_address(error)}") from None
        _raise_problem(self._remote)
        return found


def _fits(value: float | None, dtype: np.dtype[Any]) -> bool:
    """Whether a dtype can hold a nodata value at all."""
    if dtype.kind == "f" or value is None:
        return value is not None
    return float(value).is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def open_raster(path: Path | str, driver: str = DRIVER, access: Access = NO_ACCESS) -> DatasetReader:
    """Open a raster with one driver.

    Raises FileNotFoundError if it does not exist, ValueError if it is damaged or of another format, PermissionError
    or ConnectionError if it may not or cannot be fetched.
    """
    return _opened(str(path), driver, access)[0]


def _opened(path: str, driver: str, access: Access) -> tuple[DatasetReader, Any]:
    address, name, remote = http_address(path), shown(path), None
    with ExitStack() as stack:
        # stackstac leaves GDAL set to ignore the files beside a raster, such as its mask and CRS.
        stack.enter_context(rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"))
        try:
            if address is not None:
                from croplayer.sources.remote_raster import RemoteRaster

                remote = RemoteRaster(address, access)
                return rasterio.open(remote.path, driver=driver, opener=remote), remote
            file = local_path(path)
            if not file.is_file():
                raise FileNotFoundError(f"raster {name} does not exist")
            _check_files_beside(file)
            return rasterio.open(file, driver=driver), None
        except RasterioError as error:
            _raise_problem(remote)
            kind = "GeoTIFF" if driver == DRIVER else driver
            raise ValueError(f"raster {name} cannot be opened as {kind}: {_without_address(error)}") from None


def _check_files_beside(file: Path) -> None:
    """Raise ValueError if a mask or overviews beside a raster are no TIFF: GDAL would open any format."""
    for ending in (".msk", ".ovr", ".MSK", ".OVR"):
        beside = file.with_name(file.name + ending)
        if beside.is_file():
            with beside.open("rb") as opened:
                if opened.read(4) not in TIFF_STARTS:
                    raise ValueError(f"{beside} is no TIFF; remove it, or write it again")


def _raise_problem(remote: Any) -> None:
    """Raise what a reader of a server met while GDAL asked it, once."""
    if remote is not None and remote.problem is not None:
        problem, remote.problem = remote.problem, None
        raise problem from None


def _without_address(error: Exception) -> str:
    text = str(error)
    return text if "vsiriopener" not in text else "its bytes are no readable GeoTIFF"


@cached_file_reads(64)
def open_file(place: RasterPlace) -> RasterFile:
    """Open a raster and check what it says of its place and bands.

    Raises
    ------
    FileNotFoundError
        if it does not exist
    ValueError
        if it is no GeoTIFF, has no CRS, is not north-up, holds several images, or contradicts its item
    PermissionError, ConnectionError
        if it may not or cannot be fetched
    """
    # Set once for the process: leaving a rasterio.Env around each read would empty the cache.
    set_gdal_config("GDAL_CACHEMAX", GDAL_CACHE_MB)
    dataset, remote = _opened(place.path, DRIVER, place.access)
    try:
        return _checked(place, dataset, remote)
    except BaseException:
        # Not by the garbage collector, perhaps in another thread: rasterio forgets in which it opened a file of a server.
        dataset.close()
        raise


def _checked(place: RasterPlace, dataset: DatasetReader, remote: Any) -> RasterFile:
    """An open raster whose mask, place and bands are known."""
    # GDAL looks for a mask once. If its server fails at that moment the file must not count as one without a mask.
    _ = dataset.mask_flag_enums
    _raise_problem(remote)
    check_georeference(dataset, place.assume_crs, place.name)
    if len(dataset.subdatasets) > 1:
        raise ValueError(
            f"raster {place.name} holds {len(dataset.subdatasets)} images; write the one that is meant into a file of its "
            "own, for example with gdal_translate GTIFF_DIR:1:FILE"
        )
    crs = crs_of(dataset, place.assume_crs, place.name)
    return RasterFile(place, dataset, crs, bands_of(dataset, place.name, place.words), remote)


def crs_of(dataset: DatasetReader, assume_crs: str | None, name: str | None = None) -> RasterCrs:
    """CRS of a raster, or the assumed CRS if it has none; raises ValueError if there is neither."""
    name = name or dataset.name
    if dataset.crs is not None:
        return dataset.crs
    if assume_crs is None:
        raise ValueError(f"raster {name} has no CRS; add it to the file or set assume_crs in the recipe")
    try:
        return RasterCrs.from_user_input(assume_crs)
    except CRSError:
        raise ValueError(
            f"raster {name} has no CRS and assume_crs is '{assume_crs}'; expected a form like 'EPSG:32650'"
        ) from None


def check_georeference(dataset: DatasetReader, assume_crs: str | None, name: str | None = None) -> str:
    """CRS of a raster as WKT.

    Raises ValueError if the raster has no CRS, is not north-up or is stored in tiles or strips too large to read.
    """
    name = name or dataset.name
    crs = crs_of(dataset, assume_crs, name)
    t = dataset.transform
    if not np.isfinite(t[:6]).all():
        raise ValueError(f"raster {name} has a transform that is not finite; georeference it again")
    if t.b or t.d:
        raise ValueError(f"raster {name} is rotated; warp it to a north-up raster first")
    if t.a <= 0 or t.e >= 0:
        raise ValueError(f"raster {name} is not north-up or has no georeference; warp it to a north-up raster")
    for height, width in dataset.block_shapes:
        if height * width * np.dtype(dataset.dtypes[0]).itemsize * dataset.count > LARGEST_PART_BYTES:
            raise ValueError(
                f"raster {name} is stored in parts of {height} x {width} px, too large to read; tile it first"
            )
    return str(crs.to_wkt())


def lonlat_boxes(file: RasterFile) -> tuple[Bounds, ...]:
    """Bounding box of a raster in degrees from -180 to 180, in two or more parts if it crosses that meridian.

    Longitudes of the file may also run from 0 to 360. Raises ValueError if it does not lie within the domain of its CRS.
    """
    if file.is_lonlat:
        bounds = file.dataset.bounds
        if not (bounds.left >= -361 and bounds.right <= 541 and bounds.right - bounds.left <= 361):
            raise ValueError(f"raster {file.name} has longitudes {bounds.left:g} to {bounds.right:g}; check the CRS")
        # Shifts between datums are far smaller than a pixel of the search.
        box = Bounds(bounds.left, max(bounds.bottom, -90.0), bounds.right, min(bounds.top, 90.0))
        return _within_one_turn(box)
    try:
        box = Bounds(*transform_bounds(file.wkt, CRS, *file.dataset.bounds, densify_pts=21))
    except Exception as error:  # the errors of GDAL and PROJ have no public base class
        raise ValueError(f"raster {file.name} does not lie where its CRS says; check the CRS") from error
    if not np.isfinite(box).all():
        raise ValueError(f"raster {file.name} does not lie where its CRS says; check the CRS")
    return split_at_antimeridian(box)


@lru_cache(maxsize=64)
def _is_lonlat(wkt: str) -> bool:
    crs = pyproj.CRS(wkt)
    if not crs.is_geographic or crs.is_derived or crs.prime_meridian is None or crs.prime_meridian.longitude != 0:
        return False
    return all(np.isclose(axis.unit_conversion_factor, np.pi / 180) for axis in crs.axis_info[:2])


def _within_one_turn(box: Bounds) -> tuple[Bounds, ...]:
    """A box whose longitudes may exceed 180 degrees, as boxes that do not."""
    parts = [Bounds(max(box.west + t, -180.0), box.south, min(box.east + t, 180.0), box.north) for t in (-360, 0, 360)]
    return tuple(part for part in parts if part.west < part.east)


def split_at_antimeridian(box: Bounds) -> tuple[Bounds, ...]:
    """A box in degrees as one box, or as two if it crosses 180 degrees, so that west > east."""
    if box.west <= box.east:
        return _within_one_turn(box)
    return box._replace(east=180.0), box._replace(west=-180.0)


def common_share(boxes: Sequence[Bounds], region: Bounds) -> float:
    """Common area of boxes and a region (degrees) over the smaller of the two, 0 to 1."""
    common = sum(
        max(min(b.east, region.east) - max(b.west, region.west), 0)
        * max(min(b.north, region.north) - max(b.south, region.south), 0)
        for b in boxes
    )
    of_boxes, of_region = (sum((b.east - b.west) * (b.north - b.south) for b in bs) for bs in (boxes, (region,)))
    return common / min(of_boxes, of_region) if common > 0 else 0.0


def meets(boxes: Sequence[Bounds], box: Bounds, pad: float = 0.0) -> bool:
    """Whether boxes in degrees, widened by ``pad``, share ground with a box."""
    return any(
        b.west - pad < box.east and box.west < b.east + pad and b.south - pad < box.north and box.south < b.north + pad
        for b in boxes
    )


BESIDE = (".msk", ".aux.xml", ".ovr")
"""Endings of the files that GDAL reads with a GeoTIFF, after its whole name."""
WORLD_FILES = (".tfw", ".TFW", ".tifw", ".wld", ".WLD", ".aux")
"""Endings of those that take the place of its own."""


@cached_file_reads(65536)
def boxes_of(place: RasterPlace) -> tuple[Bounds, ...]:
    """Where a raster lies, in degrees."""
    return lonlat_boxes(open_file(place))


@cached_file_reads(65536)
def files_of_raster(place: RasterPlace) -> tuple[str, ...]:
    """The files that a raster is read from, and those that GDAL would read if they were there; its address on a server."""
    file = place.file
    if file is None:
        return (str(http_address(place.path)),)
    beside = [f"{file}{ending}" for ending in BESIDE] + [str(file.with_suffix(ending)) for ending in WORLD_FILES]
    return tuple(dict.fromkeys([str(file), *map(str, open_file(place).dataset.files), *beside]))


def turns(file: RasterFile, box: Bounds) -> tuple[int, ...]:
    """By how many turns of 360 degrees a raster must be moved so that it meets a box (degrees); (0,) in most cases.

    Only rasters in longitude and latitude are moved, whose longitudes may run from 0 to 360 or across 180 degrees.
    """
    if not file.is_lonlat:
        return (0,)
    left, right = file.dataset.bounds.left, file.dataset.bounds.right
    pad = 0.02 / BLOCKS_PER_DEGREE
    found = tuple(t for t in (0, -1, 1) if left + 360 * t < box.east + pad and box.west - pad < right + 360 * t)
    return found or (0,)


def source_window(file: RasterFile, block: BlockIndex, turn: int = 0) -> Window | None:
    """Window of a raster under a block, with a margin, or None if they do not meet.

    Raises ValueError if the raster has more than ``MOST_PIXELS`` pixels there.
    """
    box = BlockGrid().bounds(block)
    pad = 0.02 / BLOCKS_PER_DEGREE
    bounds = transform_bounds(
        CRS, file.wkt, box.west - pad, box.south - pad, box.east + pad, box.north + pad, densify_pts=21
    )
    height, width = file.shape
    wanted = from_bounds(*bounds, transform=file.transform(turn))
    row = max(int(np.floor(wanted.row_off)) - MARGIN_PX, 0)
    col = max(int(np.floor(wanted.col_off)) - MARGIN_PX, 0)
    row_stop = min(int(np.ceil(wanted.row_off + wanted.height)) + MARGIN_PX, height)
    col_stop = min(int(np.ceil(wanted.col_off + wanted.width)) + MARGIN_PX, width)
    if row >= row_stop or col >= col_stop:
        return None
    if (row_stop - row) * (col_stop - col) > MOST_PIXELS:
        raise ValueError(
            f"raster {file.name} has {row_stop - row} x {col_stop - col} px under block {block.name}; "
            "average it to about the map's pixel size first"
        )
    return Window(col, row, col_stop - col, row_stop - row)
