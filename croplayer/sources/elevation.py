"""Elevation rasters in any CRS and unit, read around a block at the raster's own resolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import numpy as np
import pyproj
from affine import Affine
from rasterio.warp import transform_bounds
from rasterio.windows import Window, from_bounds
from rasterio.windows import transform as window_transform

from croplayer.kernels.terrain import geographic_cell_size, slope_deg, terrain_medians
from croplayer.sources.access import NO_ACCESS, Access
from croplayer.sources.raster_bands import METRES, HeightBand, height_band
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
from stores.grid import CRS, BlockGrid, BlockIndex, Bounds

ELEVATION_RANGE_M = (-500.0, 9000.0)
"""Elevations outside this range count as voids, whatever the file says."""

SPHERE_M = 6378137.0
"""Radius of the sphere of Web Mercator in metres."""

LARGEST_SHEAR_DEG = 5.0
"""Largest deviation from a right angle, on the ground, between the rows and columns of an elevation model.

It makes a slope wrong by up to half of it in radians, 4 per cent. Equal-area projections of a continent stay below it."""


CELLS_AROUND_DEG = 0.01
"""Cells so far around some points are read with them; models have cells of at most about 1 km."""


class BlockTerrain(NamedTuple):
    """Terrain of a block; medians are NaN if the block has no elevation."""

    elevation_m: float
    slope_deg: float
    ruggedness_m: float
    roughness_m: float
    elevation_void_fraction: float
    """Share of the elevation model's cells under the block that are void, 0 to 1; 1 outside the model."""


UNKNOWN_TERRAIN = BlockTerrain(np.nan, np.nan, np.nan, np.nan, np.nan)
"""Terrain of a block if there is no elevation model."""
NO_CELLS = UNKNOWN_TERRAIN._replace(elevation_void_fraction=1.0)
"""Terrain of a block in which the elevation model has no cell."""


@dataclass(frozen=True)
class ElevationRaster:
    """A digital elevation model. Its unit, scale and offset are used, and cells are measured on the ground."""

    path: str
    assume_crs: str | None = None
    """CRS of a raster that has none."""
    band: int | None = None
    """One-based band of the heights; None if there is only one."""
    unit: str | None = None
    """Unit of the heights, which counts whatever the file says; None for what the file says, metres if nothing."""
    access: Access = NO_ACCESS
    """What may be fetched, for addresses."""

    def __post_init__(self) -> None:
        if self.unit is not None and self.unit.casefold() not in METRES:
            raise ValueError(f"[terrain] unit is '{self.unit}'; expected m, ft, us-ft, cm, dm, mm or km")
        self.access.for_recipe([self.path])

    @property
    def place(self) -> RasterPlace:
        """Where the raster lies."""
        return RasterPlace(self.path, self.assume_crs, self.access.for_recipe([self.path]))

    def block_terrain(self, block: BlockIndex) -> BlockTerrain:
        """Median elevation (m), slope (degrees), ruggedness (m) and roughness (m) of a block, and its share of voids.

        Raises FileNotFoundError or ValueError if the raster cannot be opened, has no usable georeference, or heights
        in a unit that is no length.
        """
        file = open_file(self.place)
        turn, area = _cells(file, BlockGrid().bounds(block))
        if area is None:
            return NO_CELLS
        dem = _heights(file, self._band(file), area)
        cells = cell_size(file, window_transform(area, file.transform(turn)), len(dem), dem.shape[1])
        inside = (slice(1, -1), slice(1, -1))
        return BlockTerrain(*terrain_medians(dem, *cells, inside), float(np.isnan(dem[inside]).mean()))

    def terrain_at(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Elevation (m) and slope (degrees) of the cells that hold some points: (n,) float64, NaN where there is none.

        Parameters
        ----------
        lon, lat : (n,) degrees, of points so near to each other that the cells between them fit into memory

        Raises
        ------
        As ``block_terrain``.
        """
        nothing = np.full(len(lon), np.nan)
        if not len(lon):
            return nothing, nothing
        file = open_file(self.place)
        box = Bounds(
            lon.min() - CELLS_AROUND_DEG,
            lat.min() - CELLS_AROUND_DEG,
            lon.max() + CELLS_AROUND_DEG,
            lat.max() + CELLS_AROUND_DEG,
        )
        turn, area = _cells(file, box)
        if area is None:
            return nothing, nothing
        dem = _heights(file, self._band(file), area)
        transform = window_transform(area, file.transform(turn))
        slope = slope_deg(dem, *cell_size(file, transform, len(dem), dem.shape[1]))
        x, y = pyproj.Transformer.from_crs(CRS, file.wkt, always_xy=True).transform(lon, lat)
        col, row = ~transform * (np.asarray(x), np.asarray(y))
        row, col = np.floor(row).astype(np.int64), np.floor(col).astype(np.int64)
        inside = (row >= 0) & (row < dem.shape[0]) & (col >= 0) & (col < dem.shape[1])
        found = nothing.copy(), nothing.copy()
        for values, raster in zip(found, (dem, slope), strict=True):
            values[inside] = raster[row[inside], col[inside]]
        return found

    @property
    def is_remote(self) -> bool:
        """Whether a file lies on a server."""
        return self.place.file is None

    def settings(self) -> str:
        """Text that changes when the assumed CRS, the chosen band or its unit changes; not with the raster."""
        return digest_text(f"elevation {self.assume_crs} {self.band} {self.unit}")

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of what the terrain of a block is computed from; that of a raster that is renamed is the same."""
        file = open_file(self.place)
        turn, area = _cells(file, BlockGrid().bounds(block))
        if area is None:
            return sha256(b"no cells").hexdigest()
        band = self._band(file)
        digest = sha256(f"{band} {file.facts([band.number], area, turn)}".encode())
        digest.update(_heights(file, band, area).data)
        return digest.hexdigest()

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> tuple[str, ...]:
        """Files that are looked at for a block; the address of a raster on a server."""
        return files_of_raster(self.place)

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if the raster is unreadable, has no CRS or misses the region."""
        file = open_file(self.place)
        self._band(file)
        if common_share(boxes_of(self.place), bounds) < MINIMUM_OVERLAP:
            raise ValueError(f"elevation {file.name} does not overlap the region {tuple(bounds)}; check its CRS")
        middle = BlockGrid().block_at((bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2)
        turn, area = _cells(file, BlockGrid().bounds(middle))
        if area is not None:
            cell_size(file, window_transform(area, file.transform(turn)), int(area.height), int(area.width))

    def _band(self, file: RasterFile) -> HeightBand:
        return height_band(file.bands, file.name, self.band, self.unit, _vertical_unit_m(file.wkt))


def _cells(file: RasterFile, box: Bounds) -> tuple[int, Window | None]:
    """Turn and window of the cells whose centre lies in a box, and one more on each side for the slope."""
    found = []
    for turn in turns(file, box):
        wanted = from_bounds(*transform_bounds(CRS, file.wkt, *box, densify_pts=21), transform=file.transform(turn))
        row, row_stop = int(np.ceil(wanted.row_off - 0.5)), int(np.ceil(wanted.row_off + wanted.height - 0.5))
        col, col_stop = int(np.ceil(wanted.col_off - 0.5)), int(np.ceil(wanted.col_off + wanted.width - 0.5))
        common = min(col_stop, file.shape[1]) - max(col, 0)
        if row_stop > row and col_stop > col:
            found.append((common, -turn, Window(col - 1, row - 1, col_stop - col + 2, row_stop - row + 2)))
    if not found:
        return 0, None
    _, turn, area = max(found, key=lambda one: one[:2])
    return -turn, area


def _heights(file: RasterFile, band: HeightBand, area: Window) -> np.ndarray:
    """Elevations of a window that may reach beyond the raster: (h, w) float64, metres; NaN for voids and beyond."""
    dem = np.full((int(area.height), int(area.width)), np.nan)
    row, col = max(int(area.row_off), 0), max(int(area.col_off), 0)
    row_stop = min(int(area.row_off + area.height), file.shape[0])
    col_stop = min(int(area.col_off + area.width), file.shape[1])
    if row >= row_stop or col >= col_stop:
        return dem
    part = Window(col, row, col_stop - col, row_stop - row)
    raw = file.read([band.number], part)
    known = file.unmasked(part) & file.not_nodata([band.number], raw, part)
    metres = raw[0].astype(np.float64) * band.factor + band.term
    low, high = ELEVATION_RANGE_M
    top, left = row - int(area.row_off), col - int(area.col_off)
    inner = np.where(known & (metres >= low) & (metres <= high), metres, np.nan)
    dem[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return dem


def cell_size(file: RasterFile, transform: Affine, rows: int, cols: int) -> tuple[float | np.ndarray, float]:
    """Width of the cells of each row, and their height, in metres on the ground.

    In longitude and latitude as GDAL takes it, on a sphere with the equatorial radius. In a projected CRS of any unit
    as geodesics on its own ellipsoid through the middle column, so that the scale of the projection does not count.

    Raises ValueError if rows and columns are too far from a right angle on the ground.
    """
    if file.is_lonlat:
        latitudes = transform.f + transform.e * (np.arange(rows) + 0.5)
        return (
            geographic_cell_size(latitudes, abs(transform.a)).x_m,
            geographic_cell_size(latitudes, abs(transform.e)).y_m,
        )
    to_lonlat, geod = _on_the_ground(file.wkt)
    x, y = np.full(rows, transform.c + transform.a * cols / 2), transform.f + transform.e * (np.arange(rows) + 0.5)
    west, east = (to_lonlat.transform(x + d * transform.a, y) for d in (-0.5, 0.5))
    north, south = (to_lonlat.transform(x, y + d * transform.e) for d in (-0.5, 0.5))
    along_row, _, width = geod.inv(*west, *east)
    along_col, _, height = geod.inv(*north, *south)
    shear = np.abs((np.asarray(along_col) - along_row) % 180 - 90).max()
    if not (np.isfinite(width).all() and np.isfinite(height).all()):
        raise ValueError(f"elevation {file.name} does not lie where its CRS says; check the CRS")
    if shear > LARGEST_SHEAR_DEG:
        raise ValueError(
            f"elevation {file.name}: rows and columns of its projection meet at {90 - shear:.0f} degrees on the ground; warp "
            "it to longitude and latitude (EPSG:4326) or to UTM first"
        )
    return np.asarray(width), float(np.mean(height))


@lru_cache(maxsize=16)
def _on_the_ground(wkt: str) -> tuple[pyproj.Transformer, pyproj.Geod]:
    """From a CRS to longitudes and latitudes in degrees, and the geodesics of its ellipsoid.

    Not to those of its own, which may be grads from Paris. Web Mercator is defined on a sphere; it is measured on that,
    as longitude and latitude are.
    """
    crs = pyproj.CRS(wkt)
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else ""
    is_sphere = "Pseudo Mercator" in method
    geod = pyproj.Geod(a=SPHERE_M, b=SPHERE_M) if is_sphere else crs.get_geod()
    return pyproj.Transformer.from_crs(crs, CRS, always_xy=True), geod or pyproj.Geod(ellps="WGS84")


@lru_cache(maxsize=16)
def _vertical_unit_m(wkt: str) -> float | None:
    """Metres of the unit of the vertical part of a compound CRS; None if it has none."""
    for part in pyproj.CRS(wkt).sub_crs_list:
        if part.is_vertical:
            return float(part.axis_info[0].unit_conversion_factor)
    return None
