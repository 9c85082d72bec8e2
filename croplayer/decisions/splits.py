"""Which reviewed samples are held out together: drawn at random by class, or by place."""

from __future__ import annotations

import numpy as np

from croplayer.evaluation.clusters import lattice_squares

STRATIFIED = "stratified"
SPATIAL = "spatial"
"""Names of the two splits in tables."""

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

    The squares are as large as leaves enough of them. Few adjoining blocks make small ones, at worst of one block,
    whose held-out samples still lie beside the others: `beside_share` tells how many.

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


def beside_share(row: np.ndarray, col: np.ndarray, fold: np.ndarray) -> float:
    """Share of samples whose own block, or one that shares an edge with it, has a sample in another fold, 0 to 1.

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
