"""GeoTIFF and COG imagery in any CRS, resampled to the lattice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS as RasterCrs
from rasterio.errors import CRSError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window, from_bounds

from croplayer.files.file_cache import cached_file_reads
from croplayer.sources.imagery import Imagery, empty_imagery
from stores.durable import digest_file, digest_text
from stores.grid import BLOCKS_PER_DEGREE, CRS, BlockGrid, BlockIndex, Bounds, PixelWindow

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


def open_raster(path: Path | str, driver: str = DRIVER) -> DatasetReader:
    """Open a raster with one driver.

    Raises FileNotFoundError if it does not exist, ValueError if it is damaged or of another format.
    """
    if not str(path).startswith(("http://", "https://", "s3://")) and not Path(path).is_file():
        raise FileNotFoundError(f"raster {path} does not exist")
    try:
        # stackstac leaves GDAL set to ignore the files beside a raster, such as its mask and CRS.
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"):
            return rasterio.open(path, driver=driver)
    except RasterioIOError as error:
        name = "GeoTIFF" if driver == DRIVER else driver
        raise ValueError(f"raster {path} cannot be opened as {name}: {error}") from error


def digest_raster(path: Path | str) -> str:
    """Digest of a raster and of the files that GDAL reads with it: masks, world file, .aux.xml, overviews.

    These files are identified by their endings, so a raster that is moved or renamed keeps its digest.
    """
    with open_raster(path) as dataset:
        files = [Path(file) for file in dataset.files]
    own = Path(path).stem
    return digest_text(repr(sorted((file.name.removeprefix(own), digest_file(file).sha256) for file in files)))


def crs_of(dataset: DatasetReader, assume_crs: str | None) -> RasterCrs:
    """CRS of a raster, or the assumed CRS if it has none; raises ValueError if there is neither."""
    if dataset.crs is not None:
        return dataset.crs
    if assume_crs is None:
        raise ValueError(f"raster {dataset.name} has no CRS; add it to the file or set assume_crs in the recipe")
    try:
        return RasterCrs.from_user_input(assume_crs)
    except CRSError:
        raise ValueError(
            f"raster {dataset.name} has no CRS and assume_crs is '{assume_crs}'; expected a form like 'EPSG:32650'"
        ) from None


def check_georeference(dataset: DatasetReader, assume_crs: str | None) -> str:
    """CRS of a raster as WKT.

    Raises ValueError if the raster has no CRS, is not north-up or is stored in tiles or strips too large to read.
    """
    crs = crs_of(dataset, assume_crs)
    t = dataset.transform
    if not np.isfinite(t[:6]).all():
        raise ValueError(f"raster {dataset.name} has a transform that is not finite; georeference it again")
    if t.b or t.d:
        raise ValueError(f"raster {dataset.name} is rotated; warp it to a north-up raster first")
    if t.a <= 0 or t.e >= 0:
        raise ValueError(f"raster {dataset.name} is not north-up or has no georeference; warp it to a north-up raster")
    for height, width in dataset.block_shapes:
        if height * width * np.dtype(dataset.dtypes[0]).itemsize * dataset.count > LARGEST_PART_BYTES:
            raise ValueError(
                f"raster {dataset.name} is stored in parts of {height} x {width} px, too large to read; tile it first"
            )
    return str(crs.to_wkt())


def overlap_share(dataset: DatasetReader, crs: str, bounds: Bounds) -> float:
    """Common area of a raster and a region (degrees) over the smaller of the two, 0 to 1."""
    return common_share(lonlat_boxes(dataset, crs), bounds)


def lonlat_boxes(dataset: DatasetReader, crs: str) -> tuple[Bounds, ...]:
    """Bounding box of a raster in degrees, split in two at the antimeridian.

    Raises ValueError if the raster does not lie within the domain of its CRS.
    """
    try:
        box = Bounds(*transform_bounds(crs, CRS, *dataset.bounds, densify_pts=21))
    except Exception as error:  # the errors of GDAL and PROJ have no public base class
        raise ValueError(f"raster {dataset.name} does not lie where its CRS says; check the CRS") from error
    if not np.isfinite(box).all():
        raise ValueError(f"raster {dataset.name} does not lie where its CRS says; check the CRS")
    return split_at_antimeridian(box)


def split_at_antimeridian(box: Bounds) -> tuple[Bounds, ...]:
    """A box in degrees as one box, or as two if it crosses 180 degrees, so that west > east."""
    if box.west <= box.east:
        return (box,)
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


@dataclass(frozen=True)
class RasterSource:
    """Imagery from 8-bit RGB rasters; where several cover a pixel, the first valid one counts."""

    name: str
    paths: tuple[str, ...]
    """Files or addresses of the rasters, in order of priority."""
    bands: tuple[int, int, int] = (1, 2, 3)
    """One-based numbers of the red, green and blue band."""
    assume_crs: str | None = None
    """CRS of rasters that have none."""

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        """Pixels of a window of the lattice, bilinear between the rasters' valid pixels.

        Obeys the contract of ``ImagerySource.read``: whole blocks are resampled, so a pixel does not
        depend on the window.

        Returns
        -------
        Imagery with rgb (h, w, 3) uint8 and valid (h, w) bool; False where no raster has a valid pixel
        (nodata, mask and alpha band count)

        Raises
        ------
        FileNotFoundError
            if a raster does not exist
        ValueError
            if a raster is damaged, has no CRS, is not north-up, or is too fine or its tiles too large to read
        """
        out = empty_imagery(window)
        for block, inside, outside in block_parts(window, grid):
            whole = _read_block(self, block, grid.block_px)
            out.rgb[outside] = whole.rgb[inside]
            out.valid[outside] = whole.valid[inside]
        return out

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
        """Text that changes when the rasters, their bands or the assumed CRS change."""
        digests = [digest_raster(p) for p in self.paths]
        return digest_text(f"raster {self.bands} {self.assume_crs} {digests}")

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if a raster cannot be read as RGB, or none overlaps the region."""
        if not self.paths:
            raise ValueError(f"source '{self.name}' lists no raster")
        shares = []
        for path in self.paths:
            with open_raster(path) as dataset:
                crs = check_georeference(dataset, self.assume_crs)
                if max(self.bands) > dataset.count:
                    raise ValueError(
                        f"raster {path} has {dataset.count} bands; source '{self.name}' asks for {self.bands}"
                    )
                if min(self.bands) < 1:
                    raise ValueError(f"source '{self.name}': bands are {self.bands}; the first band is 1")
                kinds = sorted({dataset.dtypes[band - 1] for band in self.bands} - {"uint8"})
                if kinds:
                    raise ValueError(f"raster {path} has {kinds[0]} pixels; expected uint8: scale it first")
                shares.append(overlap_share(dataset, crs, bounds))
        if max(shares) < MINIMUM_OVERLAP:
            raise ValueError(
                f"source '{self.name}' does not overlap the region {tuple(bounds)}: {', '.join(self.paths)} cover "
                f"{max(shares):.1%} of it; check the region and the rasters' CRS"
            )


def block_parts(
    window: PixelWindow, grid: BlockGrid
) -> Iterator[tuple[BlockIndex, tuple[slice, slice], tuple[slice, slice]]]:
    """Blocks under a window, each as (block, (y, x) slices within the block, (y, x) slices within the window)."""
    for block in grid.blocks_under(window):
        part = window.common(grid.window(block))
        yield block, part.slices_in(grid.window(block)), part.slices_in(window)


@cached_file_reads(6)
def _read_block(source: RasterSource, block: BlockIndex, block_px: int) -> Imagery:
    """Imagery of a whole block: the warp always sees the same window, so its pixels are always the same."""
    grid = BlockGrid(block_px)
    out = empty_imagery(grid.window(block))
    for path in source.paths:
        with open_raster(path) as dataset:
            part = _warp_block(dataset, check_georeference(dataset, source.assume_crs), source.bands, block, grid)
        if part is None:
            continue
        new = part.valid & ~out.valid
        out.rgb[new] = part.rgb[new]
        out.valid[new] = True
        if out.valid.all():
            break
    return out


def _warp_block(
    dataset: DatasetReader, crs: str, bands: tuple[int, int, int], block: BlockIndex, grid: BlockGrid
) -> Imagery | None:
    """One raster resampled to one block, or None if it has no valid pixel there."""
    area = source_window(dataset, crs, block)
    if area is None:
        return None
    try:
        pixels = dataset.read(list(bands), window=area).astype(np.float32)
        known = (dataset.dataset_mask(window=area) > 0).astype(np.float32)
    except RasterioIOError as error:
        raise ValueError(f"raster {dataset.name} cannot be read at block {block.name}: {error}") from error
    if not known.any():
        return None
    n = grid.block_px
    destination = np.zeros((4, n, n), np.float32)
    nearest = np.zeros((n, n), np.float32)
    shared = {
        "src_transform": dataset.window_transform(area),
        "src_crs": crs,
        "dst_transform": grid.transform(grid.window(block)),
        "dst_crs": CRS,
        "tolerance": 0.0,
        "num_threads": 1,
    }
    reproject(np.concatenate([pixels * known, known[None]]), destination, resampling=Resampling.bilinear, **shared)
    reproject(known, nearest, resampling=Resampling.nearest, **shared)
    weight = destination[3]
    valid = (nearest > 0) & (weight > 0)
    colour = destination[:3] / np.where(weight > 0, weight, 1)
    rgb = np.clip(np.rint(colour), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return Imagery(np.ascontiguousarray(rgb * valid[..., None]), valid)


def source_window(dataset: DatasetReader, crs: str, block: BlockIndex) -> Window | None:
    """Window of a raster under a block, with a margin, or None if they do not meet.

    Raises ValueError if the raster has more than ``MOST_PIXELS`` pixels there.
    """
    box = BlockGrid().bounds(block)
    pad = 0.02 / BLOCKS_PER_DEGREE
    bounds = transform_bounds(
        CRS, crs, box.west - pad, box.south - pad, box.east + pad, box.north + pad, densify_pts=21
    )
    wanted = from_bounds(*bounds, transform=dataset.transform)
    row = max(int(np.floor(wanted.row_off)) - MARGIN_PX, 0)
    col = max(int(np.floor(wanted.col_off)) - MARGIN_PX, 0)
    row_stop = min(int(np.ceil(wanted.row_off + wanted.height)) + MARGIN_PX, dataset.height)
    col_stop = min(int(np.ceil(wanted.col_off + wanted.width)) + MARGIN_PX, dataset.width)
    if row >= row_stop or col >= col_stop:
        return None
    if (row_stop - row) * (col_stop - col) > MOST_PIXELS:
        raise ValueError(
            f"raster {dataset.name} has {row_stop - row} x {col_stop - col} px under block {block.name}; "
            "average it to about the map's pixel size first"
        )
    return Window(col, row, col_stop - col, row_stop - row)
