"""The benchmark's cases: what each kernel is timed on and against."""

from __future__ import annotations

import importlib.util
import io
import math
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from PIL import Image
from rasterio.features import rasterize, shapes
from rasterio.warp import Resampling, reproject
from shapely.geometry import shape
from skimage.filters import sobel
from skimage.measure import label, regionprops_table

from benchmarks import scenes
from benchmarks.case import Case, Yardstick
from benchmarks.field_cases import field_cases
from benchmarks.gdal_terrain import find_gdaldem, write_dem
from croplayer.kernels.agreement import Reference, agreements
from croplayer.kernels.haze import haze
from croplayer.kernels.image import image_quality
from croplayer.kernels.outlines import OutlineTracer, outlines, polygons
from croplayer.kernels.regions import region_properties
from croplayer.kernels.stitch import strongest_seam
from croplayer.kernels.terrain import roughness_m, ruggedness_m, slope_deg, terrain_medians
from croplayer.kernels.warp import mercator_to_lonlat, mercator_window
from croplayer.kernels.zones import zone_areas
from croplayer.sources.tile_image import decode_image

SIZE = scenes.BLOCK_PX
PX_PER_DEGREE = 20 * SIZE
PIXELS = Affine.identity()


def opencv() -> Any | None:
    """OpenCV on one thread, where it is installed."""
    if importlib.util.find_spec("cv2") is None:
        return None
    import cv2

    cv2.setNumThreads(1)
    return cv2


def all_cases(only: str | None = None) -> Iterator[Case]:
    """Cases in order, scenes made when they are reached."""
    makers: dict[str, Callable[[], Iterator[Case]]] = {
        "regions": region_cases,
        "image": image_cases,
        "quality": quality_cases,
        "warp": warp_cases,
        "terrain": terrain_cases,
        "agreement": agreement_cases,
        "outlines": outline_cases,
        "zones": zone_cases,
        "fields": field_cases,
    }
    for name, make in makers.items():
        if only in (None, name):
            yield from make()


def region_cases() -> Iterator[Case]:
    """Regions of masks from empty to dense."""
    cv2 = opencv()
    masks = {
        "parcels with specks": (scenes.parcel_mask(), 250.0),
        "dense specks": (scenes.speckled_mask(), 180.0),
        "empty": (np.zeros((SIZE, SIZE), bool), 45.0),
    }
    for scene, (mask, goal) in masks.items():

        def skimage_regions(mask: np.ndarray = mask) -> object:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return regionprops_table(label(mask), properties=("area", "area_convex", "solidity", "euler_number"))

        yardsticks = [Yardstick("skimage label + regionprops", skimage_regions, goal)]
        if cv2 is not None:
            pixels = mask.view(np.uint8)
            run = lambda pixels=pixels: cv2.connectedComponentsWithStats(pixels)  # noqa: E731
            yardsticks.append(Yardstick("cv2 connectedComponentsWithStats", run, 5.0))
        yield Case("regions", scene, lambda mask=mask: region_properties(mask), yardsticks)


def image_cases() -> Iterator[Case]:
    """Sharpness, hue, saturation and lightness of a block."""
    rgb = scenes.farmland_rgb()
    cv2 = opencv()

    def with_skimage() -> object:
        gradient = sum(sobel(rgb[..., band] / 255) for band in range(3)) / 3
        return [float(np.median(values)) for values in (gradient, *numpy_hsl(rgb))]

    def with_opencv() -> object:
        assert cv2 is not None
        values = rgb.astype(np.float32) / 255
        across, along = cv2.Sobel(values, cv2.CV_32F, 1, 0), cv2.Sobel(values, cv2.CV_32F, 0, 1)
        gradient = cv2.magnitude(across.reshape(SIZE, -1), along.reshape(SIZE, -1)).reshape(SIZE, SIZE, 3).mean(axis=2)
        hls = cv2.cvtColor(values, cv2.COLOR_RGB2HLS)
        return [float(np.median(band)) for band in (gradient, *cv2.split(hls))]

    yardsticks = [Yardstick("skimage sobel + numpy HSL", with_skimage, 40.0)]
    if cv2 is not None:
        yardsticks.append(Yardstick("cv2 Sobel + HLS + numpy median", with_opencv, 10.0))
    yield Case("image", "farmland", lambda: image_quality(rgb), yardsticks)


def numpy_hsl(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue, saturation and lightness by the formulas of colorsys in numpy."""
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    top, bottom = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    spread, lightness = top - bottom, (top + bottom) / 2
    grey = spread == 0
    safe = np.where(grey, 1, spread)
    saturation = np.where(
        grey, 0, spread / np.where(lightness <= 0.5, np.maximum(top + bottom, 1e-9), 2 - top - bottom)
    )
    rc, gc, bc = (top - r) / safe, (top - g) / safe, (top - b) / safe
    hue = np.where(r == top, bc - gc, np.where(g == top, 2 + rc - bc, 4 + gc - rc)) / 6 % 1
    return hue, saturation, lightness


def quality_cases() -> Iterator[Case]:
    """Thin-cloud features and the strongest seam of a block."""
    rgb = scenes.farmland_rgb()
    side = SIZE // 16

    def numpy_haze() -> object:
        patches = rgb.reshape(side, 16, side, 16, 3)
        steps = np.abs(np.diff(patches.astype(np.int16), axis=1)).sum(axis=(1, 3, 4))
        return np.median(patches.min(axis=(1, 3, 4))), patches.sum(axis=(1, 3), dtype=np.int32), steps

    def numpy_seam() -> object:
        found = []
        for image in (rgb, rgb.swapaxes(0, 1)):
            cells = image.reshape(side, 16, SIZE // 4, 4, 3).sum(axis=(1, 3), dtype=np.int32)
            found.append(np.abs(np.median(cells[:, 2:] - cells[:, :-2], axis=0)).mean(axis=-1).max())
        return max(found)

    yield Case("haze", "farmland", lambda: haze(rgb), [Yardstick("numpy", numpy_haze)])
    yield Case("stitch", "farmland", lambda: strongest_seam(rgb), [Yardstick("numpy, without neighbours", numpy_seam)])


def warp_cases() -> Iterator[Case]:
    """JPEG tiles of zoom 16 to a block at 35 N."""
    zoom, tile_px = 16, 256
    place = {"row": 55 * PX_PER_DEGREE, "col": 293 * PX_PER_DEGREE, "height": SIZE, "width": SIZE}
    scale = {"px_per_degree": PX_PER_DEGREE, "zoom": zoom, "tile_px": tile_px}
    need = mercator_window(**place, **scale, resampling="bilinear")
    top, left = need.row // tile_px, need.col // tile_px
    tiles_down = (need.row + need.height - 1) // tile_px + 1 - top
    tiles_across = (need.col + need.width - 1) // tile_px + 1 - left
    imagery = scenes.farmland_rgb(tile_px * max(tiles_down, tiles_across))
    mosaic = np.ascontiguousarray(imagery[: tiles_down * tile_px, : tiles_across * tile_px])
    known = np.ones(mosaic.shape[:2], bool)
    corner = {"mosaic_row": top * tile_px, "mosaic_col": left * tile_px}
    pixel_m = 2 * math.pi * 6378137 / (tile_px << zoom)
    west, north = corner["mosaic_col"] * pixel_m - math.pi * 6378137, math.pi * 6378137 - corner["mosaic_row"] * pixel_m
    bands = np.ascontiguousarray(np.moveaxis(mosaic, -1, 0))

    def with_rasterio(resampling: str) -> object:
        out = np.zeros((3, SIZE, SIZE), np.uint8)
        reproject(
            bands,
            out,
            src_transform=Affine(pixel_m, 0, west, 0, -pixel_m, north),
            src_crs="EPSG:3857",
            dst_transform=Affine(1 / PX_PER_DEGREE, 0, 113, 0, -1 / PX_PER_DEGREE, 35),
            dst_crs="EPSG:4326",
            resampling=Resampling[resampling],
        )
        return out

    def with_kernel(resampling: str) -> object:
        return mercator_to_lonlat(mosaic, known, **corner, **place, **scale, resampling=resampling)

    for resampling, goal in (("bilinear", 35.0), ("nearest", 12.0)):
        run = lambda resampling=resampling: with_kernel(resampling)  # noqa: E731
        reference = lambda resampling=resampling: with_rasterio(resampling)  # noqa: E731
        yield Case("warp", resampling, run, [Yardstick(f"rasterio reproject {resampling}", reference, goal)])

    parts = [
        np.s_[y : y + tile_px, x : x + tile_px]
        for y in range(0, mosaic.shape[0], tile_px)
        for x in range(0, mosaic.shape[1], tile_px)
    ]
    jpegs = [encode_jpeg(mosaic[part]) for part in parts]

    def decode_and_warp() -> object:
        target, target_known = np.empty_like(mosaic), np.zeros_like(known)
        for part, jpeg in zip(parts, jpegs, strict=True):
            tile = decode_image(jpeg, tile_px, "tile")
            target[part], target_known[part] = tile.rgb, tile.valid
        return mercator_to_lonlat(target, target_known, **corner, **place, **scale, resampling="bilinear")

    bare = [Yardstick("bare JPEG decode, Pillow", lambda: [np.asarray(Image.open(io.BytesIO(j))) for j in jpegs])]
    if (cv2 := opencv()) is not None:
        files = [np.frombuffer(jpeg, np.uint8) for jpeg in jpegs]
        decode = lambda: [cv2.imdecode(file, cv2.IMREAD_COLOR_RGB) for file in files]  # noqa: E731
        bare.append(Yardstick("bare JPEG decode, cv2", decode, 1 / 1.35))
    yield Case("warp", f"decode {len(jpegs)} tiles + bilinear", decode_and_warp, bare)


def encode_jpeg(tile: np.ndarray) -> bytes:
    """A tile of about a quarter of a byte per pixel, as farmland has."""
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def terrain_cases() -> Iterator[Case]:
    """A degree of one-arc-second elevation."""
    found = find_gdaldem()
    if found is None:
        return
    name, run_gdal = found
    dem = scenes.mountain_dem()
    folder = Path(tempfile.mkdtemp())
    write_dem(folder / "dem.tif", dem, 30.0)

    def with_gdal() -> list[Path]:
        made = [folder / f"{mode}_{threading.get_ident()}.tif" for mode in ("slope", "TRI", "roughness")]
        for mode, target in zip(("slope", "TRI", "roughness"), made, strict=True):
            run_gdal(mode, folder / "dem.tif", target, [])
        return made

    def with_gdal_and_medians() -> object:
        medians = []
        for path in with_gdal():
            with rasterio.open(path) as made:
                medians.append(np.median(made.read(1)[1:-1, 1:-1]))
        return medians

    rasters = lambda: (slope_deg(dem, 30.0, 30.0), ruggedness_m(dem), roughness_m(dem))  # noqa: E731
    inner = (slice(1, -1), slice(1, -1))
    yield Case("terrain", "rasters 3601 x 3601", rasters, [Yardstick(f"three runs of {name}", with_gdal, 5.0)])
    yardsticks = [
        Yardstick(f"three runs of {name}", with_gdal, 40.0),
        Yardstick("the same + numpy medians", with_gdal_and_medians),
    ]
    yield Case("terrain", "medians 3601 x 3601", lambda: terrain_medians(dem, 30.0, 30.0, inner), yardsticks, rounds=3)


def agreement_cases() -> Iterator[Case]:
    """A block's mask against coarser maps."""
    mask = scenes.parcel_mask()
    rng = np.random.default_rng(6)

    def reference(cells: int) -> Reference:
        coarse = rng.random((cells // 4 + 1, cells // 4 + 1)) < 0.5
        index = np.minimum((np.arange(SIZE) + 0.3) * cells / SIZE, cells - 1).astype(np.int64)
        return Reference(coarse.repeat(4, axis=0).repeat(4, axis=1)[:cells, :cells], index, index)

    def naive(references: list[Reference]) -> object:
        return [naive_agreement(mask, *r) for r in references]

    sets = {
        "30 m reference": ([reference(186)], 15.0, None),
        "10 m reference": ([reference(557)], 8.0, None),
        "eight products": (
            [*(reference(186) for _ in range(5)), *(reference(557) for _ in range(2)), reference(SIZE)],
            12.0,
            45.0,
        ),
    }
    for scene, (references, goal, goal_ms) in sets.items():
        run = lambda references=references: agreements(mask, references)  # noqa: E731
        slow = lambda references=references: naive(references)  # noqa: E731
        yield Case("agreement", scene, run, [Yardstick("nearest upsampling + numpy", slow, goal)], goal_ms)


def naive_agreement(mask: np.ndarray, values: np.ndarray, index_y: np.ndarray, index_x: np.ndarray) -> object:
    """Counts of both masks after upsampling."""
    other = values[index_y][:, index_x]
    both, inside, covered = (int(np.count_nonzero(m)) for m in (mask & other, mask, other))
    edges = []
    for m in (mask, other):
        core = m.copy()
        core[1:] &= m[:-1]
        core[:-1] &= m[1:]
        core[:, 1:] &= m[:, :-1]
        core[:, :-1] &= m[:, 1:]
        edges.append(int(np.count_nonzero(m & ~core)))
    return both, inside, covered, edges


def outline_cases() -> Iterator[Case]:
    """Polygons of a block and of sixteen blocks."""

    def with_rasterio(mask: np.ndarray) -> object:
        pixels = mask.view(np.uint8)
        return np.array([shape(geometry) for geometry, _ in shapes(pixels, mask=mask, transform=PIXELS)])

    for scene, mask, goal in (
        ("parcels with specks", scenes.parcel_mask(), 35.0),
        ("dense specks", scenes.speckled_mask(), 12.0),
    ):
        run = lambda mask=mask: polygons(outlines(mask), PIXELS)  # noqa: E731
        slow = lambda mask=mask: with_rasterio(mask)  # noqa: E731
        yield Case("outlines", scene, run, [Yardstick("rasterio shapes + shapely", slow, goal)])
    county = scenes.parcel_mask(SIZE, seed=9)
    step = SIZE // 4
    corners = [(y, x) for y in range(0, SIZE, step) for x in range(0, SIZE, step)]
    pieces = np.concatenate(
        [polygons(outlines(county[y : y + step, x : x + step]), Affine.translation(x, y)) for y, x in corners]
    )

    def streamed() -> object:
        tracer = OutlineTracer(SIZE)
        parts = [tracer.add(county[y : y + step]) for y in range(0, SIZE, step)]
        return [polygons(part, PIXELS) for part in (*parts, tracer.finish())]

    union = Yardstick("shapely union_all of blocks", lambda: shapely.get_parts(shapely.union_all(pieces)), 100.0)
    yield Case("outlines", f"16 blocks of {step} px", streamed, [union], rounds=2)


def zone_cases() -> Iterator[Case]:
    """A block on the border of two provinces."""
    mask = scenes.parcel_mask()
    areas = np.linspace(3.87, 3.86, SIZE)
    rings = scenes.province_rings()
    zones = [shapely.Polygon(ring) for ring in rings]
    coordinates = np.concatenate(rings)
    offsets = np.cumsum([0, *(len(ring) for ring in rings)])

    def with_rasterio() -> object:
        burnt = rasterize([(zone, k + 1) for k, zone in enumerate(zones)], mask.shape, transform=PIXELS)
        weights = np.where(mask, areas[:, None], 0.0)
        return np.bincount(burnt.ravel(), weights.ravel())

    run = lambda: zone_areas(mask, areas, coordinates, offsets, np.arange(2), 2)  # noqa: E731
    yield Case("zones", "block on a border", run, [Yardstick("rasterio rasterize + bincount", with_rasterio, 20.0)])
