"""Which reviewed samples are held out together: drawn at random by class, or by place."""

from __future__ import annotations

import numpy as np

from croplayer.evaluation.clusters import lattice_squares

FOLDS = 5
"""A fifth is held out, five times over, so that every sample is held out once."""


def stratified_folds(codes: np.ndarray, seed: int, folds: int = FOLDS) -> np.ndarray:
    """Fold of every sample, (n,) int64 from 0: the same share of every class in each, as near as whole samples allow.

    Rows are drawn one by one, so the two sources of a block may part: near samples are in both parts, and the
    accuracy is that of blocks that lie among reviewed ones.
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
    """Folds of whole squares of the lattice, so that no held-out sample has a neighbour in its own square.

    Parameters
    ----------
    row, col : (n,) int64, block of every sample

    Returns
    -------
    fold (n,) int64 from 0, square (n,) int64 from 0, and the squares' edge in blocks. Squares are dealt out so
    that the folds have near the same number of samples.
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
