"""What a skilled user would write for the work of a run with the usual libraries: the yardstick of whole runs.

    python -m benchmarks.plain_script JOB.json OUT [--workers 2] [--json FILE]

JOB.json is a `Job`, made from a recipe by `benchmarks.pipeline_inputs.plain_job`, so that both ways read the same files. Two
processes take a block each: Pillow tiles or rasters by rasterio onto the block's pixels, sobel and HSL medians with
scikit-image, sliding windows of 512 px with half overlap through the same network in torch, regionprops, terrain with
numpy and scipy (gdaldem is not everywhere), products resampled by rasterio, units rasterized, polygons to a GeoPackage,
and GeoTIFFs with deflate. Prints CPU and wall seconds by step as JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypedDict

import geopandas as gpd
import numpy as np
import rasterio
import torch
from affine import Affine
from PIL import Image
from rasterio import features, warp
from rasterio.enums import Resampling
from rasterio.transform import from_bounds
from rasterio.vrt import WarpedVRT
from rasterio.windows import from_bounds as window_of
from scipy import ndimage
from shapely.geometry import shape
from skimage import color, filters, measure

import croplayer.models

LONLAT, MERCATOR = "EPSG:4326", "EPSG:3857"
HALF_WORLD_M = math.pi * 6378137
TILE_PX, WINDOW_PX = 256, 512
DEM_MARGIN_DEG = 0.002


class Job(TypedDict):
    """What is to be done; paths are absolute."""

    block_px: int
    blocks: dict[str, list[float]]
    """West, south, east and north of each block in degrees, by its name"""
    sources: list[dict[str, Any]]
    """name, and template and zoom of tiles or paths of rasters"""
    dem: str | None
    model: str
    threshold: float
    products: list[dict[str, Any]]
    """name, files and crop_codes; no codes for a map of per cent"""
    units: str | None


class Steps:
    """CPU and wall seconds of this process by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def end(self, step: str) -> None:
        """Count the time since the last end for a step."""
        cpu, wall = time.process_time(), time.perf_counter()
        taken = self.seconds.setdefault(step, [0.0, 0.0])
        taken[0], taken[1] = taken[0] + cpu - self._cpu, taken[1] + wall - self._wall
        self._cpu, self._wall = cpu, wall


def do_block(job: Job, out: Path, name: str) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """The values of a block, and what its steps took; its rasters and polygons are written."""
    torch.set_num_threads(1)
    steps, n = Steps(), job["block_px"]
    box = job["blocks"][name]
    to = from_bounds(*box, n, n)
    network = loaded(job["model"])
    values: dict[str, Any] = {}
    masks = []
    steps.end("start")
    for source in job["sources"]:
        rgb, seen = from_tiles(source, box, to, n) if "template" in source else from_rasters(source, to, n)
        write_tif(out / f"{name}_{source['name']}.tif", rgb, to)
        steps.end("mosaic")
        values[source["name"]] = image_values(rgb)
        steps.end("assess")
        mask = segmented(network, rgb, seen, job["threshold"])
        write_tif(out / f"{name}_{source['name']}_mask.tif", mask.astype(np.uint8)[..., None], to)
        masks.append(mask)
        steps.end("segment")
        values[source["name"]] |= shape_values(mask)
        steps.end("describe")
    if job["dem"]:
        values["terrain"] = terrain_values(job["dem"], box)
        steps.end("assess")
    merged = np.logical_or.reduce(masks)
    values["iou_of_sources"] = iou(masks[0], masks[-1])
    steps.end("describe")
    write_tif(out / f"{name}_cropland.tif", merged.astype(np.uint8)[..., None], to)
    steps.end("integrate")
    for product in job["products"]:
        values[product["name"]] = product_values(product, merged, box, to)
        steps.end("compare")
    if job["units"]:
        values["unit_km2"] = unit_areas(job["units"], merged, box, to)
        steps.end("aggregate")
    found = [shape(g) for g, _ in features.shapes(merged.astype(np.uint8), mask=merged, transform=to)]
    gpd.GeoDataFrame(geometry=found, crs=LONLAT).to_file(out / f"{name}.gpkg")
    steps.end("export")
    return values, steps.seconds


@lru_cache(maxsize=1)
def loaded(model: str) -> Any:
    """The network, once for each process."""
    return croplayer.models.load(model)


def from_tiles(source: dict[str, Any], box: Sequence[float], to: Affine, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of a block from Mercator tiles, (n, n, 3) uint8, and where there are any, (n, n) bool."""
    across = 2 ** source["zoom"]
    west, south, east, north = box
    left, right = (int((lon + 180) / 360 * across) for lon in (west, east))
    top, bottom = (int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * across) for lat in (north, south))
    mosaic = np.zeros(((bottom - top + 1) * TILE_PX, (right - left + 1) * TILE_PX, 3), np.uint8)
    for x in range(left, right + 1):
        for y in range(top, bottom + 1):
            path = Path(source["template"].format(z=source["zoom"], x=x, y=y))
            if path.exists():
                at = (y - top) * TILE_PX, (x - left) * TILE_PX
                with Image.open(path) as tile:
                    mosaic[at[0] : at[0] + TILE_PX, at[1] : at[1] + TILE_PX] = np.asarray(tile.convert("RGB"))
    tile_m = 2 * HALF_WORLD_M / across
    corner = Affine.translation(left * tile_m - HALF_WORLD_M, HALF_WORLD_M - top * tile_m)
    rgb = np.zeros((3, n, n), np.uint8)
    warp.reproject(
        mosaic.transpose(2, 0, 1), rgb, src_transform=corner * Affine.scale(tile_m / TILE_PX, -tile_m / TILE_PX),
        src_crs=MERCATOR, dst_transform=to, dst_crs=LONLAT, resampling=Resampling.bilinear,
    )  # fmt: skip
    return rgb.transpose(1, 2, 0), np.asarray(rgb.any(axis=0))


def from_rasters(source: dict[str, Any], to: Affine, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The same from GeoTIFFs in any CRS; where several cover a pixel the first counts."""
    out = np.zeros((n, n, 3), np.uint8)
    seen: np.ndarray = np.zeros((n, n), bool)
    for path in source["paths"]:
        with (
            rasterio.open(path) as file,
            WarpedVRT(file, crs=LONLAT, transform=to, width=n, height=n, resampling=Resampling.bilinear) as view,
        ):
            new = (view.dataset_mask() > 0) & ~seen
            if new.any():
                out[new] = view.read([1, 2, 3]).transpose(1, 2, 0)[new]
                seen |= new
    return out, seen


def image_values(rgb: np.ndarray) -> dict[str, float]:
    """Median gradient, hue, saturation and lightness."""
    values = rgb / 255.0
    gradient = np.mean([filters.sobel(values[..., band]) for band in range(3)], axis=0)
    top, bottom = values.max(axis=-1), values.min(axis=-1)
    lightness, spread = (top + bottom) / 2, top - bottom
    saturation = np.divide(spread, 1 - np.abs(2 * lightness - 1), out=np.zeros_like(spread), where=spread > 0)
    bands = {"sharpness": gradient, "hue": color.rgb2hsv(rgb)[..., 0], "saturation": saturation, "lightness": lightness}
    return {name: float(np.median(band)) for name, band in bands.items()}


def segmented(network: Any, rgb: np.ndarray, seen: np.ndarray, threshold: float) -> np.ndarray:
    """Cropland (n, n) bool by the mean of windows that overlap by half; windows without imagery are left out."""
    n = len(rgb)
    total, count = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    places = sorted({min(at, n - WINDOW_PX) for at in range(0, n, WINDOW_PX // 2)})
    with torch.inference_mode():
        for y in places:
            for x in places:
                window = np.s_[y : y + WINDOW_PX, x : x + WINDOW_PX]
                if seen[window].any():
                    pixels, valid = (torch.from_numpy(np.ascontiguousarray(a[window]))[None] for a in (rgb, seen))
                    total[window] += network(network.normalise(pixels, valid)).sigmoid()[0].numpy()
                    count[window] += 1
    return (total >= threshold * np.maximum(count, 1)) & seen


def shape_values(mask: np.ndarray) -> dict[str, float]:
    """Area fraction, mean solidity and Euler number of the regions of a mask."""
    table = measure.regionprops_table(measure.label(mask), properties=("area", "solidity", "euler_number"))
    solidity = table["solidity"].mean() if len(table["solidity"]) else math.nan
    return {"area": float(mask.mean()), "solidity": float(solidity), "euler": float(table["euler_number"].sum())}


def terrain_values(path: str, box: Sequence[float]) -> dict[str, float]:
    """Median elevation, slope, ruggedness (TRI) and roughness of a block."""
    west, south, east, north = box
    with rasterio.open(path) as file:
        area = (west - DEM_MARGIN_DEG, south - DEM_MARGIN_DEG, east + DEM_MARGIN_DEG, north + DEM_MARGIN_DEG)
        dem = file.read(1, window=window_of(*area, file.transform), masked=True).astype(float).filled(np.nan)
        step_y = abs(file.transform.e) * 111120
    step_x = step_y * math.cos(math.radians((south + north) / 2))
    rise_x, rise_y = ndimage.sobel(dem, axis=1) / (8 * step_x), ndimage.sobel(dem, axis=0) / (8 * step_y)
    around = [np.roll(dem, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    rasters = {
        "elevation": dem,
        "slope": np.degrees(np.arctan(np.hypot(rise_x, rise_y))),
        "ruggedness": np.mean([np.abs(dem - other) for other in around], axis=0),
        "roughness": ndimage.maximum_filter(dem, 3) - ndimage.minimum_filter(dem, 3),
    }
    return {name: float(np.nanmedian(raster[1:-1, 1:-1])) for name, raster in rasters.items()}


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def product_values(product: dict[str, Any], mask: np.ndarray, box: Sequence[float], to: Affine) -> dict[str, float]:
    """Area fraction of a product in a block, and of classes IoU with the map and edge density."""
    codes, known = np.zeros(mask.shape, np.uint8), np.zeros(mask.shape, bool)
    west, south, east, north = box
    for path in product["files"]:
        with rasterio.open(path) as file:
            w, s, e, n = warp.transform_bounds(file.crs, LONLAT, *file.bounds)
            if w > east or e < west or s > north or n < south:
                continue
            read = np.zeros(mask.shape, np.float32 if not product["crop_codes"] else np.uint8)
            warp.reproject(
                rasterio.band(file, 1), read, dst_transform=to, dst_crs=LONLAT, resampling=Resampling.nearest
            )
            new = (read > 0) & ~known
            codes[new] = read[new]
            known |= new
    if not product["crop_codes"]:
        return {"area": float(codes.mean() / 100)}
    crop = np.isin(codes, product["crop_codes"])
    return {"area": float(crop.mean()), "iou": iou(mask, crop), "edges": edge_density(crop)}


def edge_density(mask: np.ndarray) -> float:
    """Share of pixels that are in the mask and have a neighbour outside it."""
    core = mask.copy()
    core[1:] &= mask[:-1]
    core[:-1] &= mask[1:]
    core[:, 1:] &= mask[:, :-1]
    core[:, :-1] &= mask[:, 1:]
    return float((mask & ~core).mean())


def unit_areas(path: str, mask: np.ndarray, box: Sequence[float], to: Affine) -> list[float]:
    """Area of the map in each admin unit, in km2."""
    units = gpd.read_file(path).to_crs(LONLAT)
    zones = features.rasterize(
        list(zip(units.geometry, range(1, len(units) + 1), strict=True)), mask.shape, transform=to
    )
    latitude = math.radians((box[1] + box[3]) / 2)
    pixel_km2 = to.a * -to.e * 111.32 * 111.32 * math.cos(latitude)
    return (np.bincount(zones.ravel(), mask.ravel(), len(units) + 1) * pixel_km2).tolist()


def write_tif(path: Path, pixels: np.ndarray, to: Affine) -> None:
    """A (h, w, bands) uint8 GeoTIFF."""
    height, width, count = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype="uint8", crs=LONLAT, transform=to,
        compress="deflate", tiled=True,
    ) as file:  # fmt: skip
        file.write(pixels.transpose(2, 0, 1))


def main() -> None:
    """Work on all blocks, write their values, and print what the steps took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for what the steps took")
    arguments = parser.parse_args()
    job: Job = json.loads(arguments.job.read_text())
    arguments.out.mkdir(parents=True, exist_ok=True)
    imported_s = time.process_time()
    with ProcessPoolExecutor(arguments.workers) as pool:
        done = list(pool.map(partial(do_block, job, arguments.out), job["blocks"]))
    values = dict(zip(job["blocks"], (found for found, _ in done), strict=True))
    (arguments.out / "values.json").write_text(json.dumps(values, indent=1))
    cpu, wall = {"start": imported_s}, {"start": 0.0}
    for _, seconds in done:
        for step, (of_cpu, of_wall) in seconds.items():
            cpu[step], wall[step] = cpu.get(step, 0.0) + of_cpu, wall.get(step, 0.0) + of_wall / arguments.workers
    took = json.dumps({"step_cpu_s": cpu, "step_wall_s": wall})
    print(took)
    if arguments.json:
        arguments.json.write_text(took)


if __name__ == "__main__":
    main()
