"""A run as a folder of files that show its map without a server of ours: the same page, its tiles, units and blocks.

Everything is a script or a picture, because a page that is opened from a disk may load these and nothing else. Tiles are plain
files: one archive of all of them, such as PMTiles, is read in parts, which neither a disk nor the simplest servers can give.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from croplayer.viewer.layers import ImageryLayer, Layer
from croplayer.viewer.leaflet import LIBRARY_FILES, library
from croplayer.viewer.mercator import Tile, tiles_over
from croplayer.viewer.run_view import CLOSER, RunView, png
from stores.grid import LATTICE_COLS, BlockIndex
from stores.levels import SQUARE_BLOCKS

PAGE, PAGE_FILES = "index.html", ("page.js", "panel.js", "layers.js", "still.js", "page.css")
PNG, WEBP = "png", "webp"
WEBP_QUALITY, PNG_LEVEL = 80, 6
TILES_LOOKED_AT = 8
"""Tiles of a layer and zoom whose sizes tell that of all of them."""
FILE_BYTES = 4096
"""Bytes that a file takes at least on a disk."""
TILES_AT_ONCE = 4
_Answer = dict[str, Any]


class TooLargeError(ValueError):
    """A folder of the map would be larger than what was allowed."""


@dataclass(frozen=True)
class Plan:
    """What a folder of the map will hold."""

    zoom: int
    """The closest zoom whose tiles are made; closer, they are enlarged."""
    tiles: int
    """Tiles at most; those on which nothing is to be seen are left out."""
    nbytes: int
    """Bytes on disk, estimated from some tiles of each layer and zoom."""


def plan_of(view: RunView, most_bytes: int, zoom: int | None = None) -> Plan:
    """The closest zoom at which the folder of a map stays within some bytes on disk.

    Parameters
    ----------
    zoom : the zoom that must be reached; None takes the closest that fits

    Raises
    ------
    ValueError
        for a zoom that the map does not have
    TooLargeError
        if the folder would be larger at that zoom, or at the least one
    """
    if zoom is not None and not view.least_zoom <= zoom <= view.own_zoom:
        raise ValueError(f"the tiles of this map have the zooms {view.least_zoom} to {view.own_zoom}, not {zoom}")
    last = view.own_zoom if zoom is None else zoom
    found, tiles, nbytes = None, 0, _bytes_of_facts(view)
    for closer in range(view.least_zoom, last + 1):
        for key, (_, layer) in view.layers.items():
            if closer <= view.zoom_of(layer):
                count, size = _expected(view, key, layer, closer)
                tiles, nbytes = tiles + count, nbytes + size
        if nbytes > most_bytes:
            break
        found = Plan(closer, tiles, nbytes)
    if found is None or (zoom is not None and found.zoom < zoom):
        raise TooLargeError(
            f"tiles up to zoom {closer} would take about {nbytes / 1e6:,.0f} MB, more than the {most_bytes / 1e6:,.0f} MB that "
            "are allowed"
        )
    return found


def write_still(view: RunView, out: Path, plan: Plan, say: Callable[[int], None] = lambda tiles: None) -> None:
    """Write the folder of a map.

    Parameters
    ----------
    out : a folder that is empty or not there yet
    say : is given the number of tiles that were looked at, now and then

    Raises
    ------
    FileExistsError
        if there is something in the folder
    """
    library()
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    _write_facts(view, out, plan)
    with ThreadPoolExecutor(TILES_AT_ONCE) as threads:
        for done, _ in enumerate(threads.map(lambda one: _write_tile(view, out, *one), _tiles_of(view, plan)), 1):
            if done % 1000 == 0:
                say(done)
    # The page comes last: a folder without it was never finished.
    for name in LIBRARY_FILES:
        (out / name).write_bytes((library() / name).read_bytes())
    own = files("croplayer.viewer")
    for name in PAGE_FILES:
        (out / name).write_bytes((own / name).read_bytes())
    page = (own / "page.html").read_text(encoding="utf-8")
    (out / PAGE).write_text(page.replace("live.js", "still.js"), encoding="utf-8")


def check_folder(out: Path) -> None:
    """Raise FileExistsError unless a folder is empty or not there yet."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} is not an empty folder; give another one")


def _tiles_of(view: RunView, plan: Plan) -> Iterator[tuple[str, Layer, Tile]]:
    for key, (_, layer) in view.layers.items():
        for zoom in range(view.least_zoom, min(plan.zoom, view.zoom_of(layer)) + 1):
            xs, ys = tiles_over(view.bounds, zoom)
            yield from ((key, layer, Tile(zoom, x, y)) for x in xs for y in ys)


def _write_tile(view: RunView, out: Path, key: str, layer: Layer, tile: Tile) -> None:
    picture = _picture(view, key, layer, tile)
    if picture is not None:
        path = out / f"tiles/{key}/{tile.zoom}/{tile.x}/{tile.y}.{_kind(layer)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)


def _picture(view: RunView, key: str, layer: Layer, tile: Tile) -> bytes | None:
    """A tile as a file; None where nothing of the layer is to be seen."""
    rgba = view.rgba(key, tile)
    return None if rgba is None else (_webp(rgba) if _kind(layer) == WEBP else png(rgba, PNG_LEVEL))


def _kind(layer: Layer) -> str:
    return WEBP if isinstance(layer, ImageryLayer) else PNG


def _webp(rgba: np.ndarray) -> bytes:
    out = BytesIO()
    Image.fromarray(rgba).save(out, "WEBP", quality=WEBP_QUALITY)
    return out.getvalue()


def _expected(view: RunView, key: str, layer: Layer, zoom: int) -> tuple[int, int]:
    """Number of the tiles of a layer at a zoom, and about how many bytes they take."""
    xs, ys = tiles_over(view.bounds, zoom)
    count = len(xs) * len(ys)
    places = np.unique(np.linspace(0, count - 1, TILES_LOOKED_AT + 2).round().astype(int))
    looked = [_picture(view, key, layer, Tile(zoom, xs[i // len(ys)], ys[i % len(ys)])) for i in places.tolist()]
    sizes = [0 if picture is None else _on_disk(len(picture)) for picture in looked]
    return count, math.ceil(count * sum(sizes) / len(sizes))


def _on_disk(nbytes: int) -> int:
    return -(-nbytes // FILE_BYTES) * FILE_BYTES


def _bytes_of_facts(view: RunView) -> int:
    """About how many bytes the texts of units and blocks take."""
    return sum(_on_disk(len(_script(name, answer))) for name, answer in _facts(view))


def _write_facts(view: RunView, out: Path, plan: Plan) -> None:
    about = view.about()
    about["most_zoom"] = min(about["most_zoom"], plan.zoom + CLOSER)
    for layer in about["layers"]:
        layer["own_zoom"] = min(layer["own_zoom"], plan.zoom)
        layer["kind"] = _kind(view.layers[layer["key"]][1])
    about["block_deg"] = 360 / LATTICE_COLS
    about["square_blocks"] = SQUARE_BLOCKS
    for name, answer in itertools.chain([("about", about)], _facts(view)):
        path = out / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_script(name, answer))


def _facts(view: RunView) -> Iterator[tuple[str, Any]]:
    """Name and content of each file that tells of units and blocks: units one by one, blocks in squares."""
    units = view.units.listed()
    yield "units", [{**unit, "file": f"units/{i}"} for i, unit in enumerate(units)]
    for i, unit in enumerate(units):
        yield f"units/{i}", view.units.about(unit["level"], unit["adcode"])
    for level in view.units.levels:
        yield f"outlines/{level}", view.units.outlines(level)
    blocks = view.edition.blocks
    if blocks is None:
        return
    # The blocks of a band of squares are neighbours in the list, those of a square are not.
    every = blocks.each(view.edition.pixels.cube.grid)
    for row, band in itertools.groupby(every, lambda one: one[0].row // SQUARE_BLOCKS):
        squares: dict[int, dict[str, _Answer]] = {}
        for block, facts in band:
            squares.setdefault(block.col // SQUARE_BLOCKS, {})[block.name] = facts
        for col, square in squares.items():
            yield f"blocks/{BlockIndex(row * SQUARE_BLOCKS, col * SQUARE_BLOCKS).name}", square


def _script(name: str, answer: Any) -> bytes:
    """A file that gives the page an answer when it is loaded as a script."""
    text = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"given({json.dumps(name)},{text});\n".encode()
