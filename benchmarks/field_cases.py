"""The benchmark's cases of single fields: what a user would put together from scikit-image, scipy, rasterio and shapely."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from rasterio.features import shapes
from scipy import ndimage
from shapely.geometry import shape
from skimage.graph import cut_threshold, rag_mean_color
from skimage.measure import label
from skimage.segmentation import find_boundaries, watershed

from benchmarks import scenes
from benchmarks.case import Case, Yardstick
from croplayer.fields.outlines import field_outlines
from croplayer.fields.pieces import pixel_widths_m
from croplayer.fields.rules import load_rules
from croplayer.kernels.basins import basins, relief, tile_numbers
from croplayer.kernels.joining import joined, touching
from croplayer.kernels.label_edges import label_edges
from croplayer.kernels.overlaps import overlaps
from croplayer.kernels.pieces import piece_sums
from stores.grid import BlockGrid, BlockIndex

SIZE = scenes.BLOCK_PX
GRID = BlockGrid(SIZE)
WINDOW = GRID.window(BlockIndex(1000, 4000))
TOLERANCE_M = 3.0


def field_cases() -> Iterator[Case]:
    """From the scores of a block to the outlines of its fields, and fields beside drawn ones."""
    inside = scenes.parcel_mask()
    cropland, boundary = scenes.field_scores(inside)
    heights = relief(cropland, boundary)
    rows, cols = (tile_numbers(first, SIZE, SIZE) for first in (WINDOW.row, WINDOW.col))
    labels, _ = basins(heights, inside, rows, cols)

    def with_watershed() -> object:
        return watershed(heights, mask=inside, connectivity=1)

    own = lambda: basins(heights, inside, rows, cols)  # noqa: E731
    yield Case("fields", "basins", own, [Yardstick("skimage watershed", with_watershed)], rounds=2)
    yield from _joining_cases(labels, cropland, boundary, scenes.farmland_rgb())
    yield from _labelled_cases(inside, cropland, boundary)


def _joining_cases(labels: np.ndarray, cropland: np.ndarray, boundary: np.ndarray, rgb: np.ndarray) -> Iterator[Case]:
    """Basins of a sixteenth of the block; a graph of all takes minutes."""
    part = np.s_[: SIZE // 4, : SIZE // 4]
    cropland, boundary, rgb = (np.ascontiguousarray(layer[part]) for layer in (cropland, boundary, rgb))
    numbers, places = np.unique(labels[part], return_inverse=True)
    own, count = places.reshape(cropland.shape).astype(np.int32), len(numbers) - 1
    rule = load_rules().with_boundaries.join

    def with_graph() -> object:
        return cut_threshold(own, rag_mean_color(rgb, own, connectivity=1), 20.0)

    run = lambda: joined(touching(own, count, cropland, boundary, rgb), rule, 2.0, 0.0)  # noqa: E731
    graph = Yardstick("skimage rag_mean_color + cut_threshold", with_graph)
    yield Case("fields", f"joining {count:,} basins", run, [graph], rounds=2)


def _labelled_cases(inside: np.ndarray, cropland: np.ndarray, boundary: np.ndarray) -> Iterator[Case]:
    """Kernels that begin with the numbers of fields."""
    field = label(inside, connectivity=1).astype(np.uint32)
    count = int(field.max())
    row_m2, row_m = GRID.pixel_area_m2(WINDOW.row, SIZE), pixel_widths_m(GRID, WINDOW.row, SIZE + 1)
    col_m = row_m2 / ((row_m[:-1] + row_m[1:]) / 2)
    gap = np.zeros_like(inside)

    def with_sums() -> object:
        index = np.arange(1, count + 1)
        weights = np.broadcast_to(row_m2[:, None], field.shape)
        sums = [ndimage.sum_labels(values, field, index) for values in (inside, weights, cropland, boundary)]
        return sums, ndimage.find_objects(field)

    own = lambda: piece_sums(field, count, cropland, boundary, gap, ~gap, row_m2, row_m, col_m)  # noqa: E731
    yield Case("fields", f"sums of {count:,} pieces", own, [Yardstick("scipy: four sum_labels + find_objects", with_sums)])  # fmt: skip
    ids = field.astype(np.int64)
    numbers = field.astype(np.int32)
    transform = GRID.transform(WINDOW)

    def polygons() -> np.ndarray:
        return np.array([shape(geometry) for geometry, _ in shapes(numbers, mask=inside, transform=transform)])

    degrees2 = (TOLERANCE_M / 111_320) ** 2
    yield Case("fields", "outlines along pixels", lambda: field_outlines(ids, WINDOW, GRID), [Yardstick("rasterio shapes + shapely", polygons)], rounds=3)  # fmt: skip
    simplified = lambda: shapely.coverage_simplify(polygons(), degrees2**0.5)  # noqa: E731
    yield Case("fields", f"outlines within {TOLERANCE_M:g} m", lambda: field_outlines(ids, WINDOW, GRID, TOLERANCE_M), [Yardstick("the same + shapely coverage_simplify", simplified)], rounds=3)  # fmt: skip
    drawn = np.roll(numbers, (3, 5), (0, 1))

    def with_unique() -> object:
        codes, pixels = np.unique(numbers.astype(np.int64) * (count + 1) + drawn, return_counts=True)
        return codes, pixels

    yield Case("fields", "overlaps with drawn fields", lambda: overlaps(numbers, drawn, row_m2), [Yardstick("numpy unique of pairs", with_unique)])  # fmt: skip
    known = np.ones_like(inside)
    edges = lambda: find_boundaries(numbers, connectivity=1, mode="inner")  # noqa: E731
    yield Case("fields", "edges of labels", lambda: label_edges(numbers, known), [Yardstick("skimage find_boundaries", edges)])  # fmt: skip
