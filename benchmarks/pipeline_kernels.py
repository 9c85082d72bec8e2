"""What the kernels take for a block of a finished run, without everything around them.

    python -m benchmarks.pipeline_kernels RECIPE OUT

Prints CPU seconds of one thread by step, the medians of some rounds in this process, as JSON. The network stands for the
step segment: the bare passes of the cells that have imagery.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import torch

from croplayer.cube.maps import read_maps
from croplayer.cube.whole_blocks import Cube
from croplayer.kernels.agreement import Reference, agreements
from croplayer.kernels.haze import haze
from croplayer.kernels.image import image_quality
from croplayer.kernels.regions import region_properties
from croplayer.kernels.stitch import strongest_seam
from croplayer.kernels.warp import mercator_to_lonlat, mercator_window
from croplayer.kernels.zones import zone_areas
from croplayer.models import load_segmenter
from croplayer.models.bundles.catalogue import find_bundle
from croplayer.models.networks.folding import prepared
from croplayer.models.networks.inference import CPU_BATCH_CELLS, predict_cells
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.tile_image import decode_image
from croplayer.sources.tiles import TilePlace
from croplayer.sources.xyz import XyzSource
from pipelines.engine.inputs import Inputs
from pipelines.run import open_run
from stores.columns import IMAGERY_VALID, RGB
from stores.grid import BlockGrid, BlockIndex
from stores.legends import CROPLAND, INTEGRATED, MERGE_BOTH

ROUNDS = 3
PASSES = 11
MOST_BLOCKS = 8

Work = Callable[[], object]


def kernel_seconds(recipe: Path, out: Path) -> dict[str, float]:
    """CPU seconds of the kernels of each step for a block of a run, the mean of its first blocks."""
    inputs, cube = open_run(str(recipe), out).inputs, Cube.open(out / "cube.zarr")
    blocks = inputs.blocks[:MOST_BLOCKS]
    found: dict[str, float] = {}
    for block in blocks:
        for step, works in _works(inputs, cube, block).items():
            if works:
                found[step] = found.get(step, 0.0) + sum(map(median_s, works)) / len(blocks)
    cells = sum(_cells_with_imagery(inputs, cube, block) for block in blocks) / len(blocks)
    return found | {"segment": cells * _pass_s(inputs)}


def _works(inputs: Inputs, cube: Cube, block: BlockIndex) -> dict[str, list[Work]]:
    """The calls of kernels that a block needs, by step."""
    crop = {name: mask == CROPLAND for name, mask in read_maps(cube, block).items()}
    return {
        "mosaic": [work for source in inputs.sources for work in _warps(source, block, inputs.grid)],
        "assess": list(_looks(cube, block)),
        "describe": [partial(region_properties, crop[source]) for source in cube.sources],
        "integrate": [partial(region_properties, crop[INTEGRATED])],
        "compare": list(_comparisons(inputs, cube, block)),
        "aggregate": list(_sums(inputs, cube, block)),
        "evaluate": [partial(region_properties, crop[name]) for name in (MERGE_BOTH,) if name in crop],
    }


def median_s(work: Work, rounds: int = ROUNDS) -> float:
    """Median CPU seconds of some calls, after one that is not counted."""
    work()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def _warps(source: ImagerySource, block: BlockIndex, grid: BlockGrid) -> Iterator[Work]:
    """Decoding the tiles of a block and warping them; nothing for rasters, which GDAL warps."""
    if not isinstance(source, XyzSource):
        return
    place: dict[str, Any] = grid.window(block)._asdict()
    place |= {"px_per_degree": grid.px_per_degree, "resampling": "bilinear"}
    scale: dict[str, Any] = {"zoom": source.zoom, "tile_px": source.tile_px}
    need, px = mercator_window(**place, **scale), source.tile_px
    rows = range(need.row // px, (need.row + need.height - 1) // px + 1)
    cols = range(need.col // px, (need.col + need.width - 1) // px + 1)
    shape = len(rows) * px, len(cols) * px
    tiles = {(x, y): Path(source.tiles.file_of(TilePlace(x, y, source.zoom))) for y in rows for x in cols}
    encoded = {at: path.read_bytes() for at, path in tiles.items() if path.exists()}

    def decode_and_warp() -> object:
        rgb, valid = np.empty((*shape, 3), np.uint8), np.zeros(shape, bool)
        for (x, y), data in encoded.items():
            tile, top, left = decode_image(data, px, "tile"), (y - rows.start) * px, (x - cols.start) * px
            rgb[top : top + px, left : left + px], valid[top : top + px, left : left + px] = tile.rgb, tile.valid
        return mercator_to_lonlat(rgb, valid, mosaic_row=rows.start * px, mosaic_col=cols.start * px, **place, **scale)

    yield decode_and_warp


def _looks(cube: Cube, block: BlockIndex) -> Iterator[Work]:
    for source in cube.sources:
        imagery = cube.read_block(RGB, block, source), cube.read_block(IMAGERY_VALID, block, source)
        for measure in (image_quality, haze, strongest_seam):
            yield partial(measure, *imagery)


def _comparisons(inputs: Inputs, cube: Cube, block: BlockIndex) -> Iterator[Work]:
    """The integrated map against all products of classes at once."""
    crop, window = read_maps(cube, block)[INTEGRATED] == CROPLAND, inputs.grid.window(block)
    read = [product.read(window, inputs.grid) for product in inputs.products if not product.is_percent]
    references = [Reference(r.is_crop(), r.index_y, r.index_x) for r in read]
    if references:
        yield partial(agreements, crop, references)


def _sums(inputs: Inputs, cube: Cube, block: BlockIndex) -> Iterator[Work]:
    """Areas of all maps and products in the admin units of level 1."""
    if 1 not in inputs.levels:
        return
    grid, window = inputs.grid, inputs.grid.window(block)
    units = inputs.level_units(1).geometry.to_numpy()
    parts, unit_of_part = shapely.get_parts(units, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    degrees, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    west, _, _, north = grid.window_bounds(window)
    points = (degrees - (west, north)) * (grid.px_per_degree, -grid.px_per_degree)
    offsets = np.searchsorted(ring_of_point, np.arange(len(rings) + 1))
    zones = points, offsets, unit_of_part[part_of_ring], len(units)
    rows = grid.pixel_area_m2(window.row, window.height)
    layers = [*read_maps(cube, block).values(), *(p.read(window, grid).flags() for p in inputs.products)]
    for layer in layers:
        yield partial(zone_areas, layer, rows, *zones, (0, 1))


def _cells_with_imagery(inputs: Inputs, cube: Cube, block: BlockIndex) -> int:
    """Passes of the network that a block needs for all its sources."""
    n = inputs.grid.block_px
    cell = min(inputs.recipe.grid.cell_px, n)
    corners = range(-cell // 2, n, cell)
    known = [cube.read_block(IMAGERY_VALID, block, source) == 1 for source in cube.sources]
    return sum(
        bool(k[max(y, 0) : y + cell, max(x, 0) : x + cell].any()) for k in known for y in corners for x in corners
    )


def _pass_s(inputs: Inputs) -> float:
    """CPU seconds of a cell in a pass of the network as a run makes it, on one thread."""
    parts = inputs.recipe
    assert parts.segmentation is not None
    torch.set_num_threads(1)
    network = load_segmenter(find_bundle(parts.segmentation.model), runtime=parts.segmentation.runtime, device="cpu")
    side = min(parts.grid.cell_px, parts.grid.block_px) + 2 * parts.grid.blend_px
    rng = np.random.default_rng(0)
    n = CPU_BATCH_CELLS
    rgb, valid = rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8), np.ones((n, side, side), dtype=bool)
    if network.compiled is None:
        network = prepared(network)
    return median_s(partial(predict_cells, network, rgb, valid), PASSES) / n


def main() -> None:
    """Print the seconds of every step's kernels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    print(json.dumps(kernel_seconds(arguments.recipe, arguments.out)))


if __name__ == "__main__":
    main()
