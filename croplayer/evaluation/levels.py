"""Evaluation at three levels: pixels, blocks, provinces.

The provinces follow the paper's Figs. 12 and 16; the other two levels have no figure in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from croplayer.evaluation.clusters import design_effect, lattice_squares
from croplayer.evaluation.interval import Estimate
from croplayer.evaluation.maps import agreement_of
from croplayer.evaluation.provinces import count_within
from croplayer.measures.agreement import BoundaryAgreement
from stores.columns import (
    EULER_MEAN,
    KNOWN,
    SOLIDITY_MEAN,
    agreement_columns,
    boundary_columns,
    map_column,
    percent_column,
)
from stores.legends import DEFAULT_CLASSES, MERGE_BOTH, Integration


def level_table(
    blocks: pd.DataFrame,
    evaluated: pd.DataFrame,
    units: pd.DataFrame | None,
    maps: Sequence[str],
    sources: Sequence[str],
    reference: str | None,
    judged: Sequence[str],
    correct: Sequence[str] = DEFAULT_CLASSES.correct,
) -> pd.DataFrame:
    """One row per map with its figures at the three levels; unknown figures are NaN.

    Parameters
    ----------
    blocks : block table
    evaluated : records of the evaluation by block
    units : `unit_table` of the first level of admin units, or None
    maps : names of the sources, the merged map and the integrated map
    reference : name of the map of classes taken as true, or None
    judged : names of the maps that have a judged correctness
    correct : labels of the classes of correctness that mean a mask is right

    Returns
    -------
    DataFrame with the columns map and known (mean share of a block where the map has data);
    pixels: iou, iou_standard_error (blocks as clusters), boundary_iou, f1;
    blocks: correct_share, correct_blocks and correct_design_effect (as judged), true_correct_share,
    true_correct_blocks and true_correct_design_effect (by the reference; clusters are lattice squares), solidity_mean and
    euler_mean (means over blocks with cropland);
    provinces: within, compared (numbers of units) and median_percent.
    """
    table = blocks.merge(evaluated.drop(columns=["row", "col"]), on="block", how="left", suffixes=("", "_evaluated"))
    square, _ = lattice_squares(table.row.to_numpy(), table.col.to_numpy())
    rows = []
    for name in maps:
        row: dict[str, object] = {"map": name}
        row[KNOWN] = table[map_column(KNOWN, name)].astype(float).mean() if map_column(KNOWN, name) in table else np.nan
        if reference is not None and agreement_columns(name, reference).tp in table:
            row |= _pixel_figures(table, name, reference)
            row |= _share("true_correct", table[map_column("true_correctness", name)], DEFAULT_CLASSES.correct, square)
        unknown = pd.Series(index=table.index, dtype=object)
        labels = judged_correctness(table, name, sources, correct) if name in judged else unknown
        row |= _share("correct", labels, correct, square)
        for feature in (SOLIDITY_MEAN, EULER_MEAN):
            row[feature] = (
                table[map_column(feature, name)].astype(float).mean() if map_column(feature, name) in table else np.nan
            )
        if units is not None and percent_column(name) in units:
            row |= _province_figures(units, name)
        rows.append(row)
    return pd.DataFrame(rows)


def _pixel_figures(table: pd.DataFrame, name: str, reference: str) -> dict[str, object]:
    counts = agreement_of(table, name, reference)
    bands = (int(table[column].fillna(0).sum()) for column in boundary_columns(name))
    return {
        "iou": counts.iou,
        "iou_standard_error": iou_estimate(table, name, reference).standard_error,
        "boundary_iou": BoundaryAgreement(*bands).iou,
        "f1": counts.f1,
    }


def _province_figures(units: pd.DataFrame, name: str) -> dict[str, object]:
    within, compared = count_within(units, name)
    return {"within": within, "compared": compared, "median_percent": units[percent_column(name)].dropna().median()}


def judged_correctness(
    table: pd.DataFrame, name: str, sources: Sequence[str], correct: Sequence[str] = DEFAULT_CLASSES.correct
) -> pd.Series:
    """Correctness label of each block's mask of a map, derived from the labels of the sources' masks.

    A source has its own labels. A merged mask is correct if both sources are; otherwise it has the label of the first
    source that is not. A block of the integrated map has the label of the source that it takes. A block that takes
    neither source is empty by decision and has no label (missing).
    """
    labels = [table.get(map_column("correctness", s), pd.Series(index=table.index, dtype=object)) for s in sources]
    if name in sources:
        return labels[sources.index(name)]
    merged = labels[0] if len(labels) == 1 else labels[0].where(~labels[0].isin(correct), labels[1])
    merged = merged.where(pd.concat(labels, axis=1).notna().all(axis=1))
    if "integration" not in table or name == MERGE_BOTH:
        return merged
    takes = [table.integration == code for code in (Integration.ONLY_A, Integration.ONLY_B)]
    chosen = merged.where(table.integration == Integration.MERGE_BOTH)
    for label, mine in zip(labels, takes, strict=False):
        chosen = chosen.where(~mine, label)
    return chosen


def _share(name: str, labels: pd.Series, correct: Sequence[str], square: np.ndarray) -> dict[str, object]:
    known = labels.notna().to_numpy()
    right = labels[known].isin(correct).to_numpy()
    return {
        f"{name}_share": float(right.mean()) if len(right) else np.nan,
        f"{name}_blocks": len(right),
        f"{name}_design_effect": design_effect(right, square[known]),
    }


def iou_estimate(table: pd.DataFrame, name: str, other: str) -> Estimate:
    """IoU over all blocks with its standard error as a ratio, with blocks as clusters (Cochran 1977, Eq. 6.13).

    The error is NaN where fewer than two blocks have cropland on either map: one block cannot tell how they differ.
    """
    counts = agreement_of(table, name, other)
    residual = _residual(table, name, other)
    n, columns = len(residual), agreement_columns(name, other)
    with_cropland = int((sum(table[c].fillna(0) for c in (columns.tp, columns.fp, columns.fn)) > 0).sum())
    error = np.sqrt(n / (n - 1) * (residual**2).sum()) if with_cropland > 1 else np.nan
    return Estimate(counts.iou, float(error))


def on_the_same_ground(table: pd.DataFrame, names: Sequence[str], other: str) -> pd.DataFrame:
    """The blocks in which all maps were compared with the reference at the same number of pixels, which is not 0.

    Otherwise a map that omits difficult ground would have an advantage.
    """
    pixels = pd.DataFrame({n: sum(table[c].fillna(0) for c in agreement_columns(n, other)) for n in names})
    return table[pixels.eq(pixels[names[0]], axis=0).all(axis=1) & (pixels[names[0]] > 0)]


def iou_difference(table: pd.DataFrame, first: str, second: str, other: str) -> Estimate:
    """Difference of the IoU of two maps with one reference, paired by block, where both have data (`on_the_same_ground`)."""
    table = on_the_same_ground(table, [first, second], other)
    residual = _residual(table, first, other) - _residual(table, second, other)
    n = len(residual)
    error = np.sqrt(n / (n - 1) * (residual**2).sum()) if n > 1 else np.nan
    difference = agreement_of(table, first, other).iou - agreement_of(table, second, other).iou
    return Estimate(difference, float(error))


def _residual(table: pd.DataFrame, name: str, other: str) -> np.ndarray:
    """Contribution of each block to the deviation of the IoU."""
    columns = agreement_columns(name, other)
    known = table[table[columns.tp].notna()]
    tp = known[columns.tp].to_numpy(float)
    union = sum(known[column].to_numpy(float) for column in (columns.tp, columns.fp, columns.fn))
    total = union.sum()
    return (tp - tp.sum() / total * union) / total if total else np.full(len(known), np.nan)
