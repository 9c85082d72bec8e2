"""Small rasters, tiles and STAC items around one block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import rasterio
import shapely
from PIL import Image
from rasterio.transform import from_origin

from stores.grid import BlockGrid, BlockIndex, Bounds

GRID = BlockGrid(128)
BLOCK = BlockIndex(1118, 5880)
BOUNDS = GRID.bounds(BLOCK)


def write_raster(path: Path, pixels: np.ndarray, *, crs: str | None = "EPSG:4326", **profile: object) -> Path:
    """A GeoTIFF of bands (n, h, w) over the block and a little around it."""
    step = 0.06 / pixels.shape[-1]
    settings = {
        "transform": from_origin(BOUNDS.west - 0.005, BOUNDS.north + 0.005, step, step),
        "crs": crs, "driver": "GTiff", "dtype": pixels.dtype, "count": len(pixels),
        "height": pixels.shape[1], "width": pixels.shape[2],
    }  # fmt: skip
    with rasterio.open(path, "w", **{**settings, **profile}) as file:
        file.write(pixels)
    return path


def write_mask_beside(path: Path, mask: np.ndarray) -> None:
    """Write a mask into a file of its own beside the raster, as GDAL does for formats that hold none."""
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(mask)


def texture(bands: int = 3, size: int = 300, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (bands, size, size)).astype(np.uint8)


def write_tiles(root: Path, zoom: int, box: Bounds) -> None:
    """JPEG tiles over a box; every fifth is left out."""
    import morecantile

    rng = np.random.default_rng(5)
    for i, tile in enumerate(morecantile.tms.get("WebMercatorQuad").tiles(*box, zooms=[zoom])):
        if i % 5 == 4:
            continue
        folder = root / str(zoom) / str(tile.x)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)).save(folder / f"{tile.y}.jpg", quality=90)


def write_items(path: Path, *hrefs: str, bbox: Sequence[float] | None = None, epsg: int = 4326) -> str:
    """STAC items that lie at the block and a little around it, each with one asset "visual"."""
    box = list(bbox or (BOUNDS.west - 0.005, BOUNDS.north - 0.055, BOUNDS.east + 0.005, BOUNDS.north + 0.005))
    features = []
    for i, href in enumerate(hrefs):
        item = pystac.Item(
            f"item{i}", geometry=shapely.geometry.mapping(shapely.box(*box)), bbox=box,
            datetime=datetime(2020, 1, 1, tzinfo=UTC), properties={"proj:epsg": epsg, "proj:code": f"EPSG:{epsg}"},
        )  # fmt: skip
        item.add_asset("visual", pystac.Asset(href))
        features.append(item.to_dict())
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return str(path)
