"""Join basins to fields: the surest pair first, until no pair is surely one field.

A greedy agglomeration on the graph of touching basins with a learned rule (Nunez-Iglesias et al. 2013, PLoS ONE 8,
e71715, doi 10.1371/journal.pone.0071715). What is known of a region and of the line between two regions are sums of
integers, so joined regions have the same numbers in whatever order they were joined.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.kernels.compiled import kernel

REGION_SUMS = ("pixels", "cropland", "boundary", "bounded", "red", "green", "blue")
"""Sums over a region's pixels: count, cropland score, boundary score, pixels whose boundary score is at least 125, colours."""
LINE_SUMS = ("pairs", "boundary", "cropland", "over_50", "over_100", "over_150", "over_200")
"""Sums over the pairs of pixels along a line: count, the larger boundary score, the smaller cropland score, and the pairs
whose boundary score is at least 50, 100, 150, 200."""
FEATURES = (
    "line_boundary", "line_over_50", "line_over_100", "line_over_150", "line_over_200", "line_cropland",
    "line_length", "area_small", "area_large", "line_share", "cropland_small", "cropland_large",
    "boundary_small", "boundary_large", "bounded_small", "bounded_large", "colour_distance",
)  # fmt: skip
"""What the rule knows of a pair of regions, in the order of `pair_features`."""
HALF = 125
FULL = 250.0


class Touching(NamedTuple):
    """The graph of touching regions."""

    pairs: np.ndarray
    """(n, 2) int32, numbers of two regions, the smaller first"""
    lines: np.ndarray
    """(n, 7) int64, `LINE_SUMS` of each pair"""
    regions: np.ndarray
    """(k + 1, 7) int64, `REGION_SUMS` of each region; row 0 is unused"""


class ScoreRule(NamedTuple):
    """A network of one hidden layer that scores a pair of regions; above 0 they are more likely one field than two."""

    hidden: np.ndarray
    """(m, features) float64, weights of the hidden units"""
    shift: np.ndarray
    """(m,) float64"""
    out: np.ndarray
    """(m,) float64, weights of the score"""
    bias: float


def touching(labels: np.ndarray, count: int, cropland: np.ndarray, boundary: np.ndarray, rgb: np.ndarray) -> Touching:
    """Which regions touch, and the sums over regions and lines.

    Parameters
    ----------
    labels : (h, w) int32, 0 for none
    count : number of regions
    cropland, boundary : (h, w) uint8 scores, 0..250
    rgb : (h, w, 3) uint8
    """
    regions = _region_sums(labels, count, cropland, boundary, rgb)
    pairs, lines = _line_sums(labels, count, cropland, boundary)
    return Touching(pairs, lines, regions)


def joined(graph: Touching, rule: ScoreRule, pixel_m: float, least: float) -> np.ndarray:
    """Number of the region that each region becomes part of: (k + 1,) int32.

    Pairs are joined in falling order of their score, which is computed anew whenever one of the two has grown. It ends
    when no score is at least ``least``.

    Parameters
    ----------
    pixel_m : edge of a pixel in metres (square root of its area)
    """
    hidden, shift, out, bias = rule
    parent, _, _ = _agglomerated(
        graph.pairs.copy(), graph.lines.copy(), graph.regions.copy(), hidden, shift, out, bias, pixel_m, least, False
    )
    return parent


def history(graph: Touching, rule: ScoreRule, pixel_m: float) -> tuple[np.ndarray, np.ndarray]:
    """What a rule would join if it went on to the end: (n, 2) int32 regions, the second of which became part of the first,
    and (n, 17) float64, what was known of the two; a new rule is learned from them."""
    hidden, shift, out, bias = rule
    _, merges, seen = _agglomerated(
        graph.pairs.copy(), graph.lines.copy(), graph.regions.copy(), hidden, shift, out, bias, pixel_m, -np.inf, True
    )
    return merges, seen


@kernel
def _region_sums(
    labels: np.ndarray, count: int, cropland: np.ndarray, boundary: np.ndarray, rgb: np.ndarray
) -> np.ndarray:
    sums = np.zeros((count + 1, 7), np.int64)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            label = labels[y, x]
            if label:
                row = sums[label]
                row[0] += 1
                row[1] += cropland[y, x]
                row[2] += boundary[y, x]
                row[3] += boundary[y, x] >= HALF
                row[4] += rgb[y, x, 0]
                row[5] += rgb[y, x, 1]
                row[6] += rgb[y, x, 2]
    return sums


@kernel
def _line_sums(
    labels: np.ndarray, count: int, cropland: np.ndarray, boundary: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs in the order of the first place where they touch, found again through a hash table."""
    h, w = labels.shape
    size = 1024
    while size < 16 * count:
        size *= 2
    table = np.full(size, -1, np.int32)
    pairs = np.empty((4 * count + 64, 2), np.int32)
    lines = np.zeros((len(pairs), 7), np.int64)
    n, last = 0, -1
    for y in range(h):
        for x in range(w):
            a = labels[y, x]
            if a == 0:
                continue
            for side in range(2):
                i, j = y + side, x + 1 - side
                if i >= h or j >= w or labels[i, j] == 0 or labels[i, j] == a:
                    continue
                low, high = min(a, labels[i, j]), max(a, labels[i, j])
                if last < 0 or pairs[last, 0] != low or pairs[last, 1] != high:
                    place = (
                        np.uint64(low) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(high) * np.uint64(0xC2B2AE3D27D4EB4F)
                    ) >> np.uint64(17)
                    place &= np.uint64(size - 1)
                    while True:
                        last = table[place]
                        if last < 0 or (pairs[last, 0] == low and pairs[last, 1] == high):
                            break
                        place = (place + np.uint64(1)) & np.uint64(size - 1)
                    if last < 0:
                        if n == len(pairs):
                            pairs = np.concatenate((pairs, np.empty((n, 2), np.int32)))
                            lines = np.concatenate((lines, np.zeros((n, 7), np.int64)))
                        last = n
                        table[place] = n
                        pairs[n, 0], pairs[n, 1] = low, high
                        n += 1
                edge = max(boundary[y, x], boundary[i, j])
                line = lines[last]
                line[0] += 1
                line[1] += edge
                line[2] += min(cropland[y, x], cropland[i, j])
                line[3] += edge >= 50
                line[4] += edge >= 100
                line[5] += edge >= 150
                line[6] += edge >= 200
    return pairs[:n].copy(), lines[:n].copy()


@kernel
def pair_features(line: np.ndarray, one: np.ndarray, other: np.ndarray, pixel_m: float, out: np.ndarray) -> None:
    """`FEATURES` of two touching regions into ``out`` (17,) float64.

    Scores are shares of 250, lengths and areas logarithms of metres and square metres.
    """
    small, large = (one, other) if one[0] <= other[0] else (other, one)
    pairs = float(line[0])
    out[0] = line[1] / pairs / FULL
    for k in range(4):
        out[1 + k] = line[3 + k] / pairs
    out[5] = line[2] / pairs / FULL
    out[6] = np.log(pairs * pixel_m) / 4
    out[7] = np.log(small[0] * pixel_m * pixel_m) / 8
    out[8] = np.log(large[0] * pixel_m * pixel_m) / 8
    out[9] = pairs / np.sqrt(float(small[0])) / 2
    out[10] = small[1] / float(small[0]) / FULL
    out[11] = large[1] / float(large[0]) / FULL
    out[12] = small[2] / float(small[0]) / FULL
    out[13] = large[2] / float(large[0]) / FULL
    out[14] = small[3] / float(small[0])
    out[15] = large[3] / float(large[0])
    distance = 0.0
    for k in range(4, 7):
        distance += (small[k] / float(small[0]) - large[k] / float(large[0])) ** 2
    out[16] = np.sqrt(distance) / 50


@kernel
def _score(
    line: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    hidden: np.ndarray,
    shift: np.ndarray,
    out: np.ndarray,
    bias: float,
    pixel_m: float,
    features: np.ndarray,
) -> float:
    pair_features(line, one, other, pixel_m, features)
    score = bias
    for unit in range(len(hidden)):
        value = shift[unit]
        for k in range(len(features)):
            value += hidden[unit, k] * features[k]
        if value > 0:
            score += out[unit] * value
    return score


@kernel
def _sift_up(heap: np.ndarray, place: np.ndarray, score: np.ndarray, at: int) -> None:
    moving = heap[at]
    while at > 0:
        above = (at - 1) >> 1
        other = heap[above]
        if score[other] > score[moving] or (score[other] == score[moving] and other < moving):
            break
        heap[at], place[other] = other, at
        at = above
    heap[at], place[moving] = moving, at


@kernel
def _sift_down(heap: np.ndarray, place: np.ndarray, score: np.ndarray, at: int, size: int) -> None:
    moving = heap[at]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size:
            left, right = heap[child], heap[child + 1]
            if score[right] > score[left] or (score[right] == score[left] and right < left):
                child += 1
        other = heap[child]
        if score[moving] > score[other] or (score[moving] == score[other] and moving < other):
            break
        heap[at], place[other] = other, at
        at = child
    heap[at], place[moving] = moving, at


@kernel
def _take(heap: np.ndarray, place: np.ndarray, score: np.ndarray, pair: int, size: int) -> int:
    """Take a pair out of the heap; returns its new size."""
    at = place[pair]
    size -= 1
    if at != size:
        moved = heap[size]
        heap[at], place[moved] = moved, at
        _sift_up(heap, place, score, at)
        _sift_down(heap, place, score, place[moved], size)
    place[pair] = -1
    return size


@kernel
def _chained(pairs: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lists of the pairs of each region: end 2 k + s stands for region s of pair k."""
    first = np.full(count, -1, np.int32)
    following = np.full(2 * len(pairs), -1, np.int32)
    degree = np.zeros(count, np.int32)
    for k in range(len(pairs)):
        for side in range(2):
            region = pairs[k, side]
            following[2 * k + side] = first[region]
            first[region] = 2 * k + side
            degree[region] += 1
    return first, following, degree


@kernel
def _agglomerated(
    pairs: np.ndarray,
    lines: np.ndarray,
    regions: np.ndarray,
    hidden: np.ndarray,
    shift: np.ndarray,
    out: np.ndarray,
    bias: float,
    pixel_m: float,
    least: float,
    is_noted: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The work of `joined` and `history`; pairs, lines and regions are overwritten."""
    count, size = len(regions), len(pairs)
    parent = np.arange(count).astype(np.int32)
    first, following, degree = _chained(pairs, count)
    features = np.empty(hidden.shape[1])
    score = np.empty(size)
    for k in range(size):
        score[k] = _score(
            lines[k], regions[pairs[k, 0]], regions[pairs[k, 1]], hidden, shift, out, bias, pixel_m, features
        )
    heap = np.arange(size).astype(np.int32)
    place = heap.copy()
    for at in range(size // 2 - 1, -1, -1):
        _sift_down(heap, place, score, at, size)
    known = np.full(count, -1, np.int32)
    merges = np.empty((count if is_noted else 0, 2), np.int32)
    seen = np.empty((len(merges), hidden.shape[1]))
    n = 0
    while size > 0 and score[heap[0]] >= least:
        pair = heap[0]
        size = _take(heap, place, score, pair, size)
        kept, gone = pairs[pair, 0], pairs[pair, 1]
        if degree[kept] < degree[gone]:
            kept, gone = gone, kept
        if is_noted:
            merges[n, 0], merges[n, 1] = kept, gone
            pair_features(lines[pair], regions[kept], regions[gone], pixel_m, seen[n])
            n += 1
        parent[gone] = kept
        for k in range(regions.shape[1]):
            regions[kept, k] += regions[gone, k]
        size = _merge_lists(kept, gone, pairs, lines, first, following, degree, known, heap, place, score, size)
        end = first[kept]
        while end >= 0:
            k = end >> 1
            other = pairs[k, 1 - (end & 1)]
            known[other] = -1
            new = _score(lines[k], regions[kept], regions[other], hidden, shift, out, bias, pixel_m, features)
            is_higher = new > score[k]
            score[k] = new
            if is_higher:
                _sift_up(heap, place, score, place[k])
            else:
                _sift_down(heap, place, score, place[k], size)
            end = following[end]
    for k in range(count):
        root = k
        while parent[root] != root:
            root = parent[root]
        parent[k] = root
    return parent, merges[:n], seen[:n]


@kernel
def _merge_lists(
    kept: int,
    gone: int,
    pairs: np.ndarray,
    lines: np.ndarray,
    first: np.ndarray,
    following: np.ndarray,
    degree: np.ndarray,
    known: np.ndarray,
    heap: np.ndarray,
    place: np.ndarray,
    score: np.ndarray,
    size: int,
) -> int:
    """Give the pairs of a region to the one that it joins; two pairs with the same third region become one.

    ``known`` (regions,) is -1 on entry and holds the kept region's pairs by the other region on return.
    """
    end, before, number = first[kept], -1, 0
    while end >= 0:
        k, after = end >> 1, following[end]
        if place[k] < 0:
            if before < 0:
                first[kept] = after
            else:
                following[before] = after
        else:
            known[pairs[k, 1 - (end & 1)]] = k
            before = end
            number += 1
        end = after
    end = first[gone]
    while end >= 0:
        k, after = end >> 1, following[end]
        if place[k] >= 0:
            other = known[pairs[k, 1 - (end & 1)]]
            if other >= 0:
                for column in range(lines.shape[1]):
                    lines[other, column] += lines[k, column]
                size = _take(heap, place, score, k, size)
            else:
                pairs[k, end & 1] = kept
                known[pairs[k, 1 - (end & 1)]] = k
                following[end] = first[kept]
                first[kept] = end
                number += 1
        end = after
    degree[kept] = number
    return size
