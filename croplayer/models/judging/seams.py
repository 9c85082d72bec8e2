"""Seams: whether the borders of cells show in the map of probabilities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.models.networks.inference import predict_block
from croplayer.models.networks.segmentation import SegmentationNetwork
from stores.legends import PROBABILITY_SCALE


class SeamReport(NamedTuple):
    """Mean change of probability from one pixel to the next, across two sets of lines."""

    at_borders: float
    """Across the borders of cells."""
    elsewhere: float
    """Across lines that no border runs along."""

    @property
    def ratio(self) -> float:
        """1 where borders do not show; NaN when the probability changes nowhere."""
        return self.at_borders / self.elsewhere if self.elsewhere > 0 else float("nan")


def line_jumps(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Change of probability across each line between pixels.

    Parameters
    ----------
    probability : (h, w) uint8, 0..250 = 0..1, larger values are flags and are left out

    Returns
    -------
    (h - 1,) float64 across horizontal and (w - 1,) across vertical lines: mean absolute change in
    0..1; NaN where no pair of pixels is known
    """
    values = np.where(probability <= PROBABILITY_SCALE, probability / PROBABILITY_SCALE, np.nan)
    return _mean_change(values), _mean_change(values.T)


def _mean_change(values: np.ndarray) -> np.ndarray:
    change = np.abs(np.diff(values, axis=0))
    known = np.isfinite(change)
    count = known.sum(axis=1)
    total = np.where(known, change, 0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _border_lines(n_lines: int, cell_px: int) -> np.ndarray:
    return np.asarray(np.arange(1, n_lines + 1) % cell_px == 0)


def measure_seams(
    model: SegmentationNetwork,
    rgb: np.ndarray,
    valid: np.ndarray,
    *,
    cell_px: int,
    halo_px: int,
    batch_cells: int = 1,
    blend_px: int = 0,
) -> SeamReport:
    """Jumps across the same lines when they are borders of cells and when they run through cells.

    The image is predicted twice, the second time with the cells moved by half a cell, so the content of
    the lines is the same and nothing but the borders differs.

    Parameters
    ----------
    rgb : (h, w, 3) uint8; the middle (multiple of ``cell_px``) with room for half a cell and a halo is measured
    valid : (h, w) bool
    """
    half = cell_px // 2
    edge = halo_px + half
    rows, cols = ((n - 2 * edge) // cell_px for n in valid.shape)
    if min(rows, cols) < 1 or rows * cols < 2:
        raise ValueError(
            f"the image of {valid.shape} px is too small to measure seams of cells of {cell_px} px; "
            f"expected at least {2 * edge + cell_px} x {2 * edge + 2 * cell_px} px"
        )

    def predict(offset: int, more: int) -> np.ndarray:
        h, w = (rows + more) * cell_px + 2 * halo_px, (cols + more) * cell_px + 2 * halo_px
        window = (slice(offset, offset + h), slice(offset, offset + w))
        return predict_block(
            model,
            rgb[window],
            valid[window],
            cell_px=cell_px,
            halo_px=halo_px,
            batch_cells=batch_cells,
            blend_px=blend_px,
        )

    straight = predict(half, 0)
    moved = predict(0, 1)[half : half + rows * cell_px, half : half + cols * cell_px]
    jumps, controls = line_jumps(straight), line_jumps(moved)
    borders = [_border_lines(len(j), cell_px) for j in jumps]
    if blend_px:
        jumps, controls = controls, jumps
    return SeamReport(
        float(np.nanmean(np.concatenate([j[b] for j, b in zip(jumps, borders, strict=True)]))),
        float(np.nanmean(np.concatenate([c[b] for c, b in zip(controls, borders, strict=True)]))),
    )
