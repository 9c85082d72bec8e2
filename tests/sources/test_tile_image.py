"""What a tile is by its picture: imagery, a placeholder, blank or blown up."""

from __future__ import annotations

import io
from pathlib import Path

import morecantile
import numpy as np
import rasterio
from PIL import Image
from shared.tile_server import GRID, ZOOM, blocks_of, source_of

from croplayer.landscape.server import placeholder_tile
from croplayer.sources.tile_image import TileKind, decode_tile
from croplayer.sources.tiles import FolderTiles
from stores.grid import PixelWindow


def test_what_the_tiles_were_is_counted(tile_country: Path, tmp_path: Path) -> None:
    source = source_of(FolderTiles(f"{tmp_path}/{{z}}/{{x}}/{{y}}.png"))
    window = PixelWindow(*GRID.window(blocks_of(tile_country)[0]))
    rng = np.random.default_rng(0)
    wide = morecantile.tms.get("WebMercatorQuad").tiles(*GRID.window_bounds(window), zooms=[ZOOM])
    kinds = []
    for i, tile in enumerate(wide):
        path = tmp_path / f"{ZOOM}/{tile.x}/{tile.y}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(rng.integers(0, 256, (256, 256, 3)).astype(np.uint8))
        if i == 0:
            path.write_bytes(placeholder_tile())
        elif i == 1:
            Image.new("RGB", (256, 256), (9, 9, 9)).save(path)
        elif i == 2:
            image.resize((128, 128)).resize((256, 256)).save(path)
        else:
            image.save(path)
        kinds.append(i)
    notes = source.read(window, GRID).notes
    assert notes["tiles_placeholder"] == 1 and notes["tiles_blank"] == 1 and notes["tiles_overzoomed"] == 1
    assert notes["tiles"] == len(kinds) + notes["tiles_missing"]


def test_real_imagery_is_told_from_imagery_blown_up(data: Path) -> None:
    """Native aerial imagery and the same at twice the size, both after JPEG."""
    wrong = {"native": 0, "blown up": 0}
    count = 0
    rng = np.random.default_rng(0)
    for path in sorted((data / "naip_dates").glob("*.tif")):
        with rasterio.open(path) as file:
            for _ in range(8):
                row, col = rng.integers(0, file.height - 255), rng.integers(0, file.width - 255)
                pixels = file.read([1, 2, 3], window=((row, row + 256), (col, col + 256))).transpose(1, 2, 0)
                if (pixels == 0).all(axis=2).mean() > 0.01:
                    continue
                count += 1
                native = Image.fromarray(np.ascontiguousarray(pixels))
                for name, image in (
                    ("native", native),
                    ("blown up", native.resize((128, 128), Image.Resampling.BOX).resize((256, 256))),
                ):
                    buffer = io.BytesIO()
                    image.save(buffer, "JPEG", quality=85)
                    kind = decode_tile(buffer.getvalue(), 256, frozenset(), "tile").kind
                    wrong[name] += kind is not (TileKind.IMAGE if name == "native" else TileKind.OVERZOOMED)
    assert count > 10
    assert wrong["native"] <= 0.05 * count and wrong["blown up"] <= 0.05 * count, (wrong, count)
