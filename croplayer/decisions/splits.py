"""Folds of reviewed samples: random within classes, or by squares of land."""

from __future__ import annotations

import numpy as np

from croplayer.evaluation.clusters import lattice_squares

STRATIFIED = "stratified"
SPATIAL = "spatial"
"""Names of the two splits in tables."""
ELSEWHERE = "elsewhere"
"""Name in tables of the samples that measure a classifier which was fitted to other blocks."""

FOLDS = 5
"""Number of folds: a fifth is held out at a time, and every sample once."""


def stratified_folds(codes: np.ndarray, seed: int, folds: int = FOLDS) -> np.ndarray:
    """Fold of every sample, (n,) int64 from 0, with each class split as evenly as possible.

    Samples are drawn one by one, so the two sources of a block may be in different folds. Held-out samples have near
    training samples, and the accuracy is that of blocks among reviewed ones.
    """
    rng = np.random.default_rng(seed)
    fold = np.zeros(len(codes), np.int64)
    start = 0
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        fold[members] = (start + np.arange(len(members))) % folds
        start += len(members)
    return fold


def spatial_folds(
    row: np.ndarray, col: np.ndarray, seed: int, folds: int = FOLDS
) -> tuple[np.ndarray, np.ndarray, int]:
    """Folds of whole lattice squares, so that no square has both held-out and training samples.

    Squares are as large as `lattice_squares` allows. With few adjoining blocks they are small, at worst single blocks,
    and held-out samples lie next to training samples; `beside_share` gives their share.

    Parameters
    ----------
    row, col : (n,) int64, block of every sample

    Returns
    -------
    fold (n,) int64 from 0, square (n,) int64 from 0, and the edge of the squares in blocks. Squares are assigned so
    that all folds have about the same number of samples.
    """
    square, edge = lattice_squares(row, col)
    count = int(square.max()) + 1 if len(square) else 0
    rng = np.random.default_rng(seed)
    sizes = np.bincount(square, minlength=count)
    load = np.zeros(min(folds, count), np.int64)
    fold_of = np.zeros(count, np.int64)
    drawn = rng.permutation(count)
    for number in drawn[np.argsort(-sizes[drawn], kind="stable")]:
        fold_of[number] = load.argmin()
        load[fold_of[number]] += sizes[number]
    return fold_of[square], square, edge


def beside_share(row: np.ndarray, col: np.ndarray, fold: np.ndarray) -> float:
    """Share of samples, 0 to 1, with a sample of another fold in their own block or one that shares an edge with it.

    Parameters
    ----------
    row, col, fold : (n,) int64, block and fold of every sample; at least one
    """
    samples = list(zip(row.tolist(), col.tolist(), fold.tolist(), strict=True))
    folds_of: dict[tuple[int, int], set[int]] = {}
    for r, c, f in samples:
        folds_of.setdefault((r, c), set()).add(f)
    beside = [
        any(folds_of.get(near, set()) - {f} for near in ((r, c), (r, c + 1), (r + 1, c), (r, c - 1), (r - 1, c)))
        for r, c, f in samples
    ]
    return sum(beside) / len(beside)
