"""Area of classes inside polygons, pixel by pixel, without rasterising the polygons.

A polygon is cut into spans of columns row by row, and the pixels of a value in a span are the ones before its end minus
those before its start, counted 64 at a time in packed rows. No pixel is visited by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from croplayer.kernels.bits import WORD_PX, as_mask, bytes_equal, count_ones
from croplayer.kernels.compiled import kernel
from croplayer.kernels.ordering import sort_few


class ZoneAreas(NamedTuple):
    """What z zones hold of v values; parts of a raster add up."""

    pixels: np.ndarray
    """(z, v) int64, pixels of each value whose centres lie in each zone"""
    area_m2: np.ndarray
    """(z, v) float64, their area in square metres"""


def zone_areas(
    classes: np.ndarray,
    row_areas_m2: np.ndarray,
    coordinates: np.ndarray,
    ring_offsets: np.ndarray,
    ring_zone: np.ndarray,
    zones: int,
    values: Sequence[int] = (1,),
) -> ZoneAreas:
    """Exact pixel-centre area of some values inside polygons.

    Parameters
    ----------
    classes : (h, w) bool or uint8
    row_areas_m2 : (h,) float64, area of one pixel of each row
    coordinates : (k, 2) float64, x and y of the rings' vertices in pixels from the north-west corner of `classes`,
        y southwards; they may lie far outside
    ring_offsets : (rings + 1,) integers, ring i is `coordinates[ring_offsets[i]:ring_offsets[i + 1]]`
    ring_zone : (rings,) integers, zone 0 .. zones - 1 that each ring belongs to, sorted; holes and parts of a zone are
        rings of it alike
    zones : number of zones
    values : values to measure, each 0 to 255

    Returns
    -------
    ZoneAreas

    Raises
    ------
    TypeError, ValueError
        for another dtype or shape, offsets that do not fit, unsorted zones or a coordinate that is not finite.

    Notes
    -----
    A pixel is inside when a line from its centre crosses the zone's rings an odd number of times: the rule of
    `rasterio.features.rasterize(all_touched=False)`. A centre exactly on a border belongs to the zone west or south
    of it, so zones that share a border share no pixel and leave none out. Overlapping zones both count a pixel.
    """
    pixels = as_mask(classes, "classes")
    height, width = pixels.shape
    areas = np.asarray(row_areas_m2, np.float64)
    if areas.shape != (height,):
        raise ValueError(f"row_areas_m2 has shape {areas.shape}; expected one value per row, ({height},)")
    if not all(0 <= value <= 255 for value in values):
        raise ValueError(f"values are {list(values)}; expected integers of 0 to 255")
    planes = [packed_equal(pixels, value) for value in values]
    counts = zone_counts(planes, (height, width), coordinates, ring_offsets, ring_zone, zones)
    return ZoneAreas(counts.sum(axis=2), counts @ areas)


def packed_equal(classes: np.ndarray, value: int) -> np.ndarray:
    """Which of (h, w) bool or uint8 pixels equal a value, packed as by `bits.pack_mask`: (h, ceil(w / 64)) uint64."""
    pixels = as_mask(classes, "classes")
    words = np.empty((len(pixels), -(-pixels.shape[1] // WORD_PX)), np.uint64)
    pack_equal(pixels, value, words)
    return words


def packed_equal_under(classes: np.ndarray, index_y: np.ndarray, index_x: np.ndarray, value: int) -> np.ndarray:
    """`packed_equal` of ``classes[index_y[:, None], index_x]``, (h, w), for (H, W) uint8 classes."""
    rows, cols = (np.ascontiguousarray(index, np.int64) for index in (index_y, index_x))
    words = np.empty((len(rows), -(-len(cols) // WORD_PX)), np.uint64)
    pack_equal_under(np.ascontiguousarray(classes), rows, cols, value, words)
    return words


def zone_counts(
    planes: Sequence[np.ndarray],
    shape: tuple[int, int],
    coordinates: np.ndarray,
    ring_offsets: np.ndarray,
    ring_zone: np.ndarray,
    zones: int,
) -> np.ndarray:
    """Pixels of many masks inside polygons, row by row; the polygons are cut into spans once for all masks.

    Parameters
    ----------
    planes : masks of one shape, each packed as by `bits.pack_mask`
    shape : (h, w) of the masks
    coordinates, ring_offsets, ring_zone, zones : as in `zone_areas`

    Returns
    -------
    (zones, planes, h) int64

    Raises
    ------
    ValueError as `zone_areas`
    """
    height, width = shape
    points, offsets, owners = _check_rings(coordinates, ring_offsets, ring_zone, zones)
    counts = np.zeros((zones, len(planes), height), np.int64)
    if not planes:
        return counts
    stack = np.stack(planes)
    ring_stops = np.searchsorted(owners, np.arange(zones + 1))
    for zone in range(zones):
        rings = offsets[ring_stops[zone] : ring_stops[zone + 1] + 1]
        if len(rings) > 1:
            count_zone(stack, width, points, rings, counts[zone])
    return counts


def _check_rings(
    coordinates: np.ndarray, ring_offsets: np.ndarray, ring_zone: np.ndarray, zones: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    points = np.ascontiguousarray(coordinates, np.float64)
    offsets = np.ascontiguousarray(ring_offsets, np.int64)
    owners = np.ascontiguousarray(ring_zone, np.int64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"coordinates have shape {points.shape}; expected (vertices, 2)")
    if not math.isfinite(points.sum()):
        raise ValueError("coordinates hold a value that is not finite")
    if (
        offsets.shape != (len(owners) + 1,)
        or np.any(np.diff(offsets) < 0)
        or offsets[0] < 0
        or offsets[-1] > len(points)
    ):
        raise ValueError(
            f"ring_offsets do not rise from 0 to at most {len(points)} in {len(owners) + 1} steps; "
            "expected one ring per value of ring_zone"
        )
    if len(owners) and (np.any(np.diff(owners) < 0) or owners[0] < 0 or owners[-1] >= zones):
        raise ValueError(f"ring_zone is not sorted within 0 to {zones - 1}")
    return points, offsets, owners


@kernel
def pack_equal(pixels: np.ndarray, value: int, words: np.ndarray) -> None:
    """Pack which pixels equal a value."""
    height, width = pixels.shape
    whole = width // WORD_PX
    address = np.uintp(pixels.ctypes.data)
    for row in range(height):
        at = address + np.uintp(row * width)
        for j in range(whole):
            words[row, j] = bytes_equal(at + np.uintp(WORD_PX * j), np.uint8(value))
        if whole * WORD_PX < width:
            word = np.uint64(0)
            for col in range(whole * WORD_PX, width):
                word |= np.uint64(pixels[row, col] == value) << np.uint64(col - whole * WORD_PX)
            words[row, whole] = word


@kernel
def pack_equal_under(
    classes: np.ndarray, index_y: np.ndarray, index_x: np.ndarray, value: int, words: np.ndarray
) -> None:
    """Pack which pixels under the indices equal a value; a row over the same row as the one before is copied."""
    n_words = words.shape[1]
    pixels = np.full(n_words * WORD_PX, np.uint8(value) ^ np.uint8(1), np.uint8)
    address = np.uintp(pixels.ctypes.data)
    for row in range(len(index_y)):
        if row and index_y[row] == index_y[row - 1]:
            # Word by word, because numba compiles a long message for a slice that might not fit.
            for j in range(n_words):
                words[row, j] = words[row - 1, j]
            continue
        here = classes[index_y[row]]
        for col in range(len(index_x)):
            pixels[col] = here[index_x[col]]
        for j in range(n_words):
            words[row, j] = bytes_equal(address + np.uintp(WORD_PX * j), np.uint8(value))


@kernel
def ones_before(words: np.ndarray, col: int) -> int:
    """Ones of a packed row in columns 0 .. col - 1."""
    ones = 0
    whole = col // WORD_PX
    for j in range(whole):
        ones += count_ones(words[j])
    if col % WORD_PX:
        ones += count_ones(words[whole] & ((np.uint64(1) << np.uint64(col % WORD_PX)) - np.uint64(1)))
    return ones


@kernel
def _first_row(y: float, height: int) -> int:
    """First row whose centre is at or below y, within 0 .. height.

    Rows from that of an edge's upper end to just before that of its lower end are crossed. An end on a centre line
    counts for one of two edges that meet there, so a line through a vertex crosses once.
    """
    return int(min(max(math.ceil(y - 0.5), 0.0), float(height)))


@kernel
def count_zone(
    planes: np.ndarray, width: int, points: np.ndarray, ring_offsets: np.ndarray, counts: np.ndarray
) -> None:
    """Add the ones of each plane inside a zone's rings to `counts`, (planes, h), row by row.

    Crossings of the rings with the rows' centre lines are bucketed by row; a crossing adds or removes all pixels
    west of it, in turn from the west, so the buckets are sorted row by row only.
    """
    height = planes.shape[1]
    starts = np.zeros(height + 2, np.int64)
    for ring in range(len(ring_offsets) - 1):
        first, stop = ring_offsets[ring], ring_offsets[ring + 1]
        before = stop - 1
        for i in range(first, stop):
            a, b = _first_row(points[before, 1], height), _first_row(points[i, 1], height)
            for row in range(min(a, b), max(a, b)):
                starts[row + 2] += 1
            before = i
    for row in range(height):
        starts[row + 2] += starts[row + 1]
    if starts[height + 1] == 0:
        return
    crossings = np.empty(starts[height + 1], np.int64)
    for ring in range(len(ring_offsets) - 1):
        first, stop = ring_offsets[ring], ring_offsets[ring + 1]
        before = stop - 1
        for i in range(first, stop):
            a, b = _first_row(points[before, 1], height), _first_row(points[i, 1], height)
            if a != b:
                x1, y1, x2, y2 = points[before, 0], points[before, 1], points[i, 0], points[i, 1]
                if y1 > y2:
                    x1, y1, x2, y2 = x2, y2, x1, y1
                for row in range(min(a, b), max(a, b)):
                    x = (row + 0.5 - y1) * (x2 - x1) / (y2 - y1) + x1
                    crossings[starts[row + 1]] = int(min(max(math.floor(x + 0.5), 0.0), float(width)))
                    starts[row + 1] += 1
            before = i
    for row in range(height):
        inside = crossings[starts[row] : starts[row + 1]]
        sort_few(inside)
        for n in range(0, len(inside) - 1, 2):
            if inside[n] == inside[n + 1]:
                continue
            for plane in range(len(planes)):
                words = planes[plane, row]
                counts[plane, row] += ones_before(words, inside[n + 1]) - ones_before(words, inside[n])
