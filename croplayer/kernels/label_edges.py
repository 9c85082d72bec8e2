"""Outlines of the regions of a raster of labels as pixels, and how many of them lie near other outlines."""

from __future__ import annotations

import math

import numpy as np

from croplayer.kernels.compiled import kernel


def label_edges(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Pixels of regions with one of four neighbours in another region, or in none: (h, w) bool.

    Parameters
    ----------
    labels : (h, w) integers, 0 for no region
    known : (h, w) bool; other pixels are no outline, and neither is what lies beside them, nor the frame of the array
    """
    wide = np.ascontiguousarray(labels, np.int32 if labels.dtype == np.int32 else np.int64)
    edges = np.zeros(labels.shape, bool)
    mark_edges(wide, np.ascontiguousarray(known, bool), edges)
    return edges


def edges_near(edges: np.ndarray, others: np.ndarray, pixel_m: tuple[float, float], tolerance_m: float) -> int:
    """Number of pixels of an outline whose centre is at most a distance from that of a pixel of another outline.

    Parameters
    ----------
    edges, others : (h, w) bool
    pixel_m : height and width of a pixel in metres
    tolerance_m : the distance in metres, >= 0
    """
    reach_y, reach_x = (math.floor(tolerance_m / size) for size in pixel_m)
    y, x = (a.ravel() for a in np.mgrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1])
    distance = np.hypot(y * pixel_m[0], x * pixel_m[1])
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] <= tolerance_m]
    return int(count_near(edges, others, y[order], x[order]))


@kernel
def mark_edges(labels: np.ndarray, known: np.ndarray, edges: np.ndarray) -> None:
    """Mark the pixels of `label_edges`; each pair of neighbours is looked at once."""
    height, width = labels.shape
    for row in range(height):
        for col in range(width):
            if not known[row, col]:
                continue
            label = labels[row, col]
            for below, right in ((row + 1, col), (row, col + 1)):
                if below < height and right < width and known[below, right] and labels[below, right] != label:
                    edges[row, col] |= label != 0
                    edges[below, right] |= labels[below, right] != 0


@kernel
def count_near(edges: np.ndarray, others: np.ndarray, offset_y: np.ndarray, offset_x: np.ndarray) -> int:
    """Pixels of `edges` with a pixel of `others` at one of the offsets."""
    height, width = edges.shape
    count = 0
    for row in range(height):
        for col in range(width):
            if not edges[row, col]:
                continue
            for k in range(len(offset_y)):
                y, x = row + offset_y[k], col + offset_x[k]
                if 0 <= y < height and 0 <= x < width and others[y, x]:
                    count += 1
                    break
    return count


def middles(labels: np.ndarray, known: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Mean row and column of the known pixels of some regions: (n, 2) float64; each has at least one.

    Parameters
    ----------
    labels : (h, w) integers, 0 for no region
    known : (h, w) bool; other pixels do not count
    numbers : (n,) integers above 0, rising
    """
    most = int(numbers[-1]) if len(numbers) else 0
    wide = np.ascontiguousarray(labels, np.int32 if labels.dtype == np.int32 else np.int64)
    sums = np.zeros((most + 1, 3), np.int64)
    add_places(wide, np.ascontiguousarray(known, bool), sums)
    own = sums[numbers].reshape(-1, 3)
    return np.asarray(own[:, 1:] / own[:, :1])


@kernel
def add_places(labels: np.ndarray, known: np.ndarray, sums: np.ndarray) -> None:
    """Add the number of known pixels of each region and the sums of their rows and columns."""
    height, width = labels.shape
    for row in range(height):
        for col in range(width):
            label = labels[row, col]
            if known[row, col] and 0 < label < len(sums):
                sums[label, 0] += 1
                sums[label, 1] += row
                sums[label, 2] += col
