"""Contact sheets: pictures of blocks of the country by region and by defect.

The sheets in the documentation are made with

    python -c "from pathlib import Path; from croplayer.landscape.contact_sheet import write_contact_sheets; \\
        write_contact_sheets(Path('docs'))"
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from croplayer.landscape import draws
from croplayer.landscape.country import Country
from croplayer.landscape.nodes import DRYNESS, ELEVATION, LAKE, RELIEF, SLOPE_X, SLOPE_Y, TOWN, WETNESS
from croplayer.landscape.samples import HOME
from croplayer.landscape.sources import SOURCES, scene_at
from croplayer.landscape.terrain import METRES_PER_LAT, METRES_PER_LON
from croplayer.landscape.truth import BlockTruth, block_truth
from stores.grid import BLOCKS_PER_DEGREE, BlockGrid, BlockIndex, block_rectangle
from stores.legends import CoverageType

COLUMNS = 8
BLOCK_PX = 150
CLOSE_COLUMNS = 6
CLOSE_PX = 200
LABEL_PX = 18
CLOSE_PX_M = 2.2
"""Ground size of a pixel of the close view, metres."""

_Means = dict[str, np.ndarray]

_REGIONS: tuple[tuple[str, Callable[[_Means], np.ndarray]], ...] = (
    ("plain, dry fields", lambda m: (m["relief"] < 0.03) & (m["dry"] < 0.25) & (m["wet"] < 0.25)),
    ("plain, paddies", lambda m: (m["relief"] < 0.03) & (m["wet"] > 0.75)),
    ("hills, terraces", lambda m: (m["slope"] > 0.05) & (m["slope"] < 0.12) & (m["dry"] < 0.4) & (m["relief"] < 0.5)),
    ("mountains", lambda m: (m["relief"] > 0.85) & (m["dry"] < 0.35)),
    ("steppe and desert", lambda m: (m["dry"] > 0.75) & (m["relief"] < 0.3)),
    ("town or lake", lambda m: (m["town"] > 0.09) & (m["dry"] < 0.6)),
)


def write_contact_sheets(folder: Path, *, seed: int = 1) -> list[Path]:
    """Write ``landscape_blocks.jpg`` (64 block pictures by region and defect) and ``landscape_close.jpg``."""
    country = Country(seed)
    folder.mkdir(parents=True, exist_ok=True)
    blocks = blocks_by_region(country)
    close = [
        (f"{title} / {source}", _close(country, source, block))
        for title, found in blocks.items()
        for block in found[:2]
        for source in SOURCES
    ]
    whole = [
        (f"{title} / {source}", _picture(country, source, block))
        for title, found in blocks.items()
        for block in found
        for source in SOURCES
    ]
    whole += [
        (f"{title} / {source}", _picture(country, source, block))
        for title, source, found in blocks_by_defect(country)
        for block in found
    ]
    paths = [folder / "landscape_blocks.jpg", folder / "landscape_close.jpg"]
    sheet(whole, COLUMNS).save(paths[0], quality=74, optimize=True)
    sheet(close, CLOSE_COLUMNS).save(paths[1], quality=74, optimize=True)
    return paths


def sheet(pictures: list[tuple[str, np.ndarray]], columns: int) -> Image.Image:
    """Labelled square pictures of one size in rows: each (n, n, 3) uint8."""
    size = pictures[0][1].shape[0] + 2
    rows = -(-len(pictures) // columns)
    paper = Image.new("RGB", (columns * size, rows * (size + LABEL_PX)), "white")
    pen = ImageDraw.Draw(paper)
    font = ImageFont.load_default(10)
    for k, (label, rgb) in enumerate(pictures):
        x, y = (k % columns) * size, (k // columns) * (size + LABEL_PX)
        pen.text((x + 3, y + 3), label, fill="black", font=font)
        paper.paste(Image.fromarray(rgb), (x + 1, y + LABEL_PX))
    return paper


def blocks_by_region(country: Country, *, each: int = 4) -> dict[str, list[BlockIndex]]:
    """Blocks of every kind of region that both sources show clearly."""
    blocks, means = _block_means(country)
    random = np.random.Generator(np.random.PCG64(country.seed))
    found: dict[str, list[BlockIndex]] = {}
    for title, belongs in _REGIONS:
        candidates = np.flatnonzero(belongs(means))
        found[title] = []
        for k in random.permutation(candidates):
            if all(_usable(country, source, blocks[k]) for source in SOURCES):
                found[title].append(blocks[k])
            if len(found[title]) == each:
                break
    return found


def blocks_by_defect(country: Country, *, each: int = 4) -> list[tuple[str, str, list[BlockIndex]]]:
    """Blocks of every defect: title, source, blocks."""
    rows, cols = block_rectangle(HOME)
    order = np.random.Generator(np.random.PCG64([country.seed, draws.DEFECT_BLOCKS])).permutation(len(rows) * len(cols))
    wanted: list[tuple[str, str, Callable[[BlockIndex, str], bool]]] = [
        ("cloud", "aster", lambda b, s: _truth(country, s, b).coverage_type is CoverageType.CLOUDY),
        ("snow", "borealis", lambda b, s: 0.4 < _truth(country, s, b).snow_fraction < 0.95),
        ("missing", "borealis", lambda b, s: 0.1 < _truth(country, s, b).nodata_fraction < 0.9),
        ("seam", "borealis", lambda b, s: _scenes(country, s, b) >= 2 and _usable(country, s, b)),
    ]
    found = []
    for title, source, has in wanted:
        hits: list[BlockIndex] = []
        for k in order:
            block = BlockIndex(rows[int(k) // len(cols)], cols[int(k) % len(cols)])
            if has(block, source):
                hits.append(block)
            if len(hits) == each:
                break
        found.append((title, source, hits))
    return found


def _block_means(country: Country) -> tuple[list[BlockIndex], _Means]:
    """Mean of the slow fields in every block at home, from a sketch of 5 x 5 nodes each."""
    rows, cols = block_rectangle(HOME)
    per_block = 5
    per_degree = per_block * BLOCKS_PER_DEGREE
    lon = np.array([HOME.west, HOME.east])
    lat = np.array([HOME.south, HOME.north])
    nodes = country.nodes(lon, lat, per_degree=per_degree)
    top = round(HOME.north * per_degree) - nodes.row
    left = round(HOME.west * per_degree) - nodes.col
    height, width = len(rows) * per_block, len(cols) * per_block

    def mean(field: np.ndarray) -> np.ndarray:
        inside = field[top - height : top][::-1][:, left : left + width]
        return np.asarray(inside.reshape(len(rows), per_block, len(cols), per_block).mean(axis=(1, 3)).ravel())

    slope = np.hypot(nodes.fields[:, SLOPE_X], nodes.fields[:, SLOPE_Y])
    means = {
        "relief": mean(nodes.fields[:, RELIEF]),
        "dry": mean(nodes.fields[:, DRYNESS]),
        "wet": mean(nodes.fields[:, WETNESS]),
        "town": mean((nodes.fields[:, TOWN] < 0.0) | (nodes.fields[:, LAKE] < 0.0)),
        "slope": mean(slope),
        "elevation": mean(nodes.fields[:, ELEVATION]),
    }
    return [BlockIndex(r, c) for r in rows for c in cols], means


def _truth(country: Country, source: str, block: BlockIndex) -> BlockTruth:
    return block_truth(country, source, block, per_degree=360)


def _usable(country: Country, source: str, block: BlockIndex) -> bool:
    truth = _truth(country, source, block)
    return truth.coverage_type.is_usable and truth.cloud_fraction < 0.02 and truth.nodata_fraction == 0.0


def _scenes(country: Country, source: str, block: BlockIndex) -> int:
    box = BlockGrid(1).bounds(block)
    seed = SOURCES[source].scene_seed(country.seed)
    return len(
        {
            scene_at(seed, lon * METRES_PER_LON, lat * METRES_PER_LAT)
            for lon in (box.west, box.east)
            for lat in (box.south, box.north)
        }
    )


def _picture(country: Country, source: str, block: BlockIndex) -> np.ndarray:
    """A whole block, area-averaged from 3 x 3 samples: (BLOCK_PX, BLOCK_PX, 3) uint8."""
    grid = BlockGrid(3 * BLOCK_PX)
    window = grid.window(block)
    rgb, _ = country.render(
        source, grid.longitudes(window.col, window.width), grid.latitudes(window.row, window.height)
    )
    return np.asarray(np.rint(rgb.reshape(BLOCK_PX, 3, BLOCK_PX, 3, 3).mean(axis=(1, 3))), dtype=np.uint8)


def _close(country: Country, source: str, block: BlockIndex) -> np.ndarray:
    """The middle of a block at the map's own scale: (CLOSE_PX, CLOSE_PX, 3) uint8."""
    box = BlockGrid(1).bounds(block)
    steps = (np.arange(CLOSE_PX) - CLOSE_PX / 2 + 0.5) * CLOSE_PX_M
    lon = 0.5 * (box.west + box.east) + steps / METRES_PER_LON
    lat = 0.5 * (box.south + box.north) - steps / METRES_PER_LAT
    return country.render(source, lon, lat)[0]
