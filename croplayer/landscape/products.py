"""Write the eight comparison maps of a piece of the country in their own legends, grids and file names."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pyproj
import rasterio
from affine import Affine

from croplayer.landscape.country import Country
from croplayer.landscape.kernel_cache import inlined_kernel, kernel
from croplayer.landscape.noise import hash2, mix, unit
from croplayer.landscape.product_definitions import PRODUCTS, ProductDefinition
from stores.grid import CRS, Bounds

TRUTH_STEP_DEG = 1 / 12000
MARGIN_DEG = 0.01
ZONE_OVERLAP_DEG = 0.5
"""UTM files reach this far beyond their zone, so neighbours overlap."""

REPEATED_STRIP_PX = 16
"""Columns and rows at the right and lower edge of a SinoLC file that repeat the ones before them."""

MESH = 32
"""Pixels between the points of a mesh that is transformed exactly; between them coordinates are interpolated."""

PATCH_PX = 24
"""Errors outside parcels come in patches of this many truth pixels."""


class Grid(NamedTuple):
    """A raster to be filled."""

    name: str
    """File name without suffix."""

    crs: str
    """EPSG code or PROJ string."""

    west: float
    """Western edge, in units of the CRS."""

    north: float
    """Northern edge, in units of the CRS."""

    pixel: float
    """Pixel size, in units of the CRS."""

    width: int
    """Pixels in a row."""

    height: int
    """Rows."""


def write_products(
    country: Country,
    folder: Path,
    bounds: Bounds,
    cities: gpd.GeoDataFrame,
    *,
    fine_px_deg: float = 8e-5,
    products: Sequence[ProductDefinition] = PRODUCTS,
) -> list[Path]:
    """Write ``{key}/*.tif`` and ``{key}/legend.csv`` (code, name, is_cropland) of every product.

    Files carry the names of the published tiles; each holds the part of its tile that ``bounds`` touch.

    Parameters
    ----------
    cities : provinces whose extents the SinoLC files have, column ``name_en``, EPSG:4326
    fine_px_deg : pixel of SinoLC in degrees; published is 1e-5, which is slow for more than a few blocks
    """
    outer = Bounds(
        bounds.west - MARGIN_DEG, bounds.south - MARGIN_DEG, bounds.east + MARGIN_DEG, bounds.north + MARGIN_DEG
    )
    lon = np.arange(np.floor(outer.west / TRUTH_STEP_DEG), np.ceil(outer.east / TRUTH_STEP_DEG)) + 0.5
    lat = np.arange(np.ceil(outer.north / TRUTH_STEP_DEG), np.floor(outer.south / TRUTH_STEP_DEG), -1.0) - 0.5
    truth = country.survey(lon * TRUTH_STEP_DEG, lat * TRUTH_STEP_DEG)
    corner = (float(lon[0] - 0.5) * TRUTH_STEP_DEG, float(lat[0] + 0.5) * TRUTH_STEP_DEG)

    def write(job: tuple[int, ProductDefinition, Grid]) -> Path:
        number, product, grid = job
        values = _fill(country.seed, number, product, grid, truth.cover, truth.parcel, corner)
        if product.key == "SinoLC":
            values = _with_repeated_strips(values)
        path = folder / product.key / f"{grid.name}.tif"
        _write(path, values, grid, product.nodata)
        return path

    jobs = []
    written = []
    for number, product in enumerate(products):
        (folder / product.key).mkdir(parents=True, exist_ok=True)
        written.append(_write_legend(folder / product.key / "legend.csv", product))
        jobs += [(number, product, grid) for grid in _grids(product, bounds, cities, fine_px_deg)]
    with ThreadPoolExecutor(max_workers=2) as pool:
        return sorted(written + list(pool.map(write, jobs)))


def _grids(product: ProductDefinition, bounds: Bounds, cities: gpd.GeoDataFrame, fine_px_deg: float) -> Iterator[Grid]:
    """The files a product has for a box."""
    if product.key == "SinoLC":
        for city in cities.itertuples():
            yield _lattice(f"East_{city.name_en}_{city.name_en}", fine_px_deg, Bounds(*city.geometry.bounds))
    elif product.crs == "UTM":
        yield from _utm_grids(product, bounds)
    elif product.tile_deg is not None:
        yield from _tiled_grids(product, bounds)
    elif product.crs == CRS:
        yield _lattice(f"{product.key}-{product.year}", product.pixel, bounds)
    else:
        yield _projected(f"CLCD_v01_{product.year}_albert", product.crs, product.pixel, bounds)


def _lattice(name: str, pixel: float, box: Bounds) -> Grid:
    """A grid of multiples of a pixel in degrees around a box."""
    col, row = round(np.floor(box.west / pixel + 1e-9)), round(np.ceil(box.north / pixel - 1e-9))
    width = round(np.ceil(box.east / pixel - 1e-9)) - col
    height = row - round(np.floor(box.south / pixel + 1e-9))
    return Grid(name, CRS, col * pixel, row * pixel, pixel, width, height)


def _projected(name: str, crs: str, pixel: float, box: Bounds) -> Grid:
    transformer = pyproj.Transformer.from_crs(CRS, crs, always_xy=True)
    west, south, east, north = transformer.transform_bounds(*box, densify_pts=21)
    col, row = int(np.floor(west / pixel)), int(np.ceil(north / pixel))
    return Grid(
        name, crs, col * pixel, row * pixel, pixel,
        int(np.ceil(east / pixel)) - col, row - int(np.floor(south / pixel)),
    )  # fmt: skip


def _tiled_grids(product: ProductDefinition, bounds: Bounds) -> Iterator[Grid]:
    size = product.tile_deg or 1
    for south in range(int(np.floor(bounds.south / size)) * size, int(np.ceil(bounds.north)), size):
        for west in range(int(np.floor(bounds.west / size)) * size, int(np.ceil(bounds.east)), size):
            part = Bounds(
                max(bounds.west, west),
                max(bounds.south, south),
                min(bounds.east, west + size),
                min(bounds.north, south + size),
            )
            if part.west >= part.east or part.south >= part.north:
                continue
            names = {
                "ESA": f"ESA_WorldCover_10m_2020_v100_N{south:02d}E{west:03d}_Map",
                "FROM": f"fromglc10v01_{south}_{west}",
                "FCS30": f"GLC_FCS30_2020_E{west}N{south + size}",
            }
            yield _lattice(names[product.key], product.pixel, part)


def _utm_grids(product: ProductDefinition, bounds: Bounds) -> Iterator[Grid]:
    """One grid per zone that the box or its overlap touches."""
    first = int(np.floor((bounds.west - ZONE_OVERLAP_DEG + 180) / 6)) + 1
    last = int(np.floor((bounds.east + ZONE_OVERLAP_DEG + 180) / 6)) + 1
    for zone in range(first, last + 1):
        west, east = (zone - 1) * 6 - 180 - ZONE_OVERLAP_DEG, zone * 6 - 180 + ZONE_OVERLAP_DEG
        part = Bounds(max(bounds.west, west), bounds.south, min(bounds.east, east), bounds.north)
        if part.west >= part.east:
            continue
        edge = int(np.floor(bounds.south / 5)) * 5
        band = "CDEFGHJKLMNPQRSTUVWX"[int((bounds.south + 80) // 8)]
        name = f"N{zone}_{edge}_{product.year}LC030" if product.key == "GL30" else f"{zone}{band}_{product.year}"
        yield _projected(name, f"EPSG:326{zone:02d}", product.pixel, part)


def _fill(
    seed: int,
    number: int,
    product: ProductDefinition,
    grid: Grid,
    cover: np.ndarray,
    parcel: np.ndarray,
    corner: tuple[float, float],
) -> np.ndarray:
    """Vote the classes of a grid from the truth: (height, width) uint8."""
    columns = np.arange(0, grid.width + MESH, MESH, dtype=np.float64)
    rows = np.arange(0, grid.height + MESH, MESH, dtype=np.float64)
    x, y = np.meshgrid(grid.west + columns * grid.pixel, grid.north - rows * grid.pixel)
    if grid.crs != CRS:
        x, y = pyproj.Transformer.from_crs(grid.crs, CRS, always_xy=True).transform(x, y)
        # Versions of PROJ differ in the last bits; what is rounded here is the same with all of them.
        x, y = np.round(x, 10), np.round(y, 10)
    codes, wrong, share = product.table()
    out = np.empty((grid.height, grid.width), dtype=np.uint8)
    truth = _Truth(cover, parcel, *corner, TRUTH_STEP_DEG)
    errors = _Errors(
        np.uint64(seed * 64 + number + 1),
        np.array(codes, dtype=np.uint8),
        np.array(wrong, dtype=np.uint8),
        np.array(share),
        product.nodata,
    )
    _vote(x, y, product.samples, truth, errors, out)
    return out


class _Truth(NamedTuple):
    """The country's classes on a grid of degrees."""

    cover: np.ndarray
    """(h, w) uint8 `LandCover`."""

    parcel: np.ndarray
    """(h, w) int64, 0 where there is no parcel."""

    west: float
    north: float
    step: float
    """Pixel, degrees."""


class _Errors(NamedTuple):
    """What a product calls the land and how it errs; tables by `LandCover` code, (256,)."""

    seed: np.uint64
    codes: np.ndarray
    wrong: np.ndarray
    share: np.ndarray
    """Of parcels or patches that get the wrong code, 0-1."""

    nodata: int


@kernel
def _vote(
    mesh_lon: np.ndarray, mesh_lat: np.ndarray, samples: int, truth: _Truth, errors: _Errors, out: np.ndarray
) -> None:
    """Fill ``out`` with the class of most of the samples x samples points in each pixel; the first wins a tie."""
    # Loose arrays and numbers from here on: taking them out of their tuples costs a count of references at each point.
    cover, parcel, codes, wrong, share = truth.cover, truth.parcel, errors.codes, errors.wrong, errors.share
    seed, nodata = errors.seed, errors.nodata
    north, west = int(np.rint(truth.north / truth.step)), int(np.rint(truth.west / truth.step))
    # A row of samples is interpolated between mesh rows once, then along the row for each of its points.
    lon_line = np.empty((samples, mesh_lon.shape[1]))
    lat_line = np.empty((samples, mesh_lon.shape[1]))
    votes = np.zeros(256, dtype=np.int64)
    names = np.zeros(64, dtype=np.int64)
    for r in range(out.shape[0]):
        for k in range(samples):
            _mesh_line(mesh_lon, mesh_lat, (r + (k + 0.5) / samples) / MESH, truth, lon_line[k], lat_line[k])
        for c in range(out.shape[1]):
            n = 0
            for k in range(samples):
                for m in range(samples):
                    position = (c + (m + 0.5) / samples) / MESH
                    j = int(position)
                    t = position - j
                    x = lon_line[k, j] + (lon_line[k, j + 1] - lon_line[k, j]) * t
                    y = lat_line[k, j] + (lat_line[k, j + 1] - lat_line[k, j]) * t
                    code = nodata
                    if 0.0 <= x < cover.shape[1] and 0.0 <= y < cover.shape[0]:
                        row, col = int(y), int(x)
                        land = cover[row, col]
                        code = int(codes[land])
                        if share[land] > 0.0 and _is_misread(
                            seed, parcel[row, col], row - north, col + west, share[land]
                        ):
                            code = int(wrong[land])
                    if votes[code] == 0:
                        names[n] = code
                        n += 1
                    votes[code] += 1
            out[r, c] = _elected(votes, names, n)


@kernel
def _mesh_line(
    mesh_lon: np.ndarray, mesh_lat: np.ndarray, position: float, truth: _Truth, lon: np.ndarray, lat: np.ndarray
) -> None:
    """Interpolate the mesh at a row position, in truth pixels from the north-west corner of the truth."""
    i = int(position)
    t = position - i
    for j in range(len(lon)):
        lon[j] = (mesh_lon[i, j] + (mesh_lon[i + 1, j] - mesh_lon[i, j]) * t - truth.west) / truth.step
        lat[j] = (truth.north - mesh_lat[i, j] - (mesh_lat[i + 1, j] - mesh_lat[i, j]) * t) / truth.step


@inlined_kernel
def _is_misread(seed: np.uint64, parcel: int, row: int, col: int, share: float) -> bool:
    """Whether a product errs at a pixel of the truth, counted from the origin of the lattice.

    Errors hit whole parcels, as a classifier misreads a field and not its pixels, and patches where there is none.
    """
    own = np.uint64(parcel)
    if own == np.uint64(0):
        own = hash2(seed, row // PATCH_PX, col // PATCH_PX)
    return bool(unit(mix(own ^ seed)) < share)


@inlined_kernel
def _elected(votes: np.ndarray, names: np.ndarray, n: int) -> int:
    """The first name with most votes; clears the votes of all n names."""
    best = names[0]
    for k in range(n):
        if votes[names[k]] > votes[best]:
            best = names[k]
    for k in range(n):
        votes[names[k]] = 0
    return best


def _with_repeated_strips(values: np.ndarray) -> np.ndarray:
    """The raster with its right and lower edge written twice, as in some published files."""
    n = min(REPEATED_STRIP_PX, *values.shape)
    wider = np.concatenate([values, values[:, -n:]], axis=1)
    return np.concatenate([wider, wider[-n:]], axis=0)


def _write(path: Path, values: np.ndarray, grid: Grid, nodata: int) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1, dtype="uint8", crs=grid.crs,
        transform=Affine(grid.pixel, 0.0, grid.west, 0.0, -grid.pixel, grid.north), nodata=nodata,
        compress="deflate", tiled=True, blockxsize=512, blockysize=512,
    ) as sink:  # fmt: skip
        sink.write(values, 1)
        sink.update_tags(synthetic="yes: degraded from the truth of an invented country")


def _write_legend(path: Path, product: ProductDefinition) -> Path:
    with path.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["code", "name", "is_cropland"])
        writer.writerows([code, name, int(crop)] for code, (name, crop) in sorted(product.legend.items()))
    return path
