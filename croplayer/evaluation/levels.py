"""Evaluation at three levels: pixels, blocks, provinces (paper Fig. 12)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from croplayer.evaluation.clusters import design_effect, lattice_squares
from croplayer.evaluation.interval import Estimate
from croplayer.evaluation.provinces import count_within
from croplayer.measures.agreement import Agreement, BoundaryAgreement
from stores.legends import DEFAULT_CLASSES, Integration


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
    """One row per map with its figures at the three levels; what is not known is missing.

    Parameters
    ----------
    blocks : block table
    evaluated : records of the evaluation by block
    units : table of the first level of admin units against the statistic, or None
    maps : sources, both merged, integrated
    reference : name of the map of classes that is taken as true, or None
    judged : those of the maps whose judged correctness says something
    correct : labels of the classes of correctness that mean a mask is right

    Returns
    -------
    map; known (mean share of the blocks that it knows); pixel: iou, iou_standard_error (blocks as clusters),
    boundary_iou, f1; block: correct_share, correct_blocks and correct_design_effect (judged without the reference),
    true_correct_share, true_correct_blocks and true_correct_design_effect (against it; effects are those of squares
    of the lattice), solidity_mean, euler_mean (means over blocks with cropland); province: within, compared,
    median_percent.
    """
    table = blocks.merge(evaluated.drop(columns=["row", "col"]), on="block", how="left", suffixes=("", "_evaluated"))
    square, _ = lattice_squares(table.row.to_numpy(), table.col.to_numpy())
    rows = []
    for name in maps:
        row: dict[str, object] = {"map": name}
        row["known"] = table[f"known_{name}"].astype(float).mean() if f"known_{name}" in table else np.nan
        if reference is not None and f"tp_{name}_{reference}" in table:
            counts = agreement_of(table, name, reference)
            bands = (int(table[f"boundary_{part}_{name}"].fillna(0).sum()) for part in BoundaryAgreement._fields)
            row |= {
                "iou": counts.iou,
                "iou_standard_error": iou_estimate(table, name, reference).standard_error,
                "boundary_iou": BoundaryAgreement(*bands).iou,
                "f1": counts.f1,
            }
            row |= _share("true_correct", table[f"true_correctness_{name}"], DEFAULT_CLASSES.correct, square)
        unknown = pd.Series(index=table.index, dtype=object)
        labels = judged_correctness(table, name, sources, correct) if name in judged else unknown
        row |= _share("correct", labels, correct, square)
        for feature in ("solidity_mean", "euler_mean"):
            row[feature] = table[f"{feature}_{name}"].astype(float).mean() if f"{feature}_{name}" in table else np.nan
        if units is not None and f"{name}_percent" in units:
            within, compared = count_within(units, name)
            row |= {
                "within": within,
                "compared": compared,
                "median_percent": units[f"{name}_percent"].dropna().median(),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def judged_correctness(
    table: pd.DataFrame, name: str, sources: Sequence[str], correct: Sequence[str] = DEFAULT_CLASSES.correct
) -> pd.Series:
    """Label of what each block's mask of a map is worth, from the judgement of the sources' masks.

    A source's own; the merged mask and a block that the integrated map takes merged are correct when both sources'
    are, and as the first that is not otherwise; a block that takes one source is as that source. A block in which the
    map takes neither was emptied by the decision itself and has no judgement: missing.
    """
    labels = [table.get(f"correctness_{s}", pd.Series(index=table.index, dtype=object)) for s in sources]
    if name in sources:
        return labels[sources.index(name)]
    merged = labels[0] if len(labels) == 1 else labels[0].where(~labels[0].isin(correct), labels[1])
    merged = merged.where(pd.concat(labels, axis=1).notna().all(axis=1))
    if "integration" not in table or name == "merge_both":
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


def agreement_of(table: pd.DataFrame, name: str, other: str) -> Agreement:
    """Counts of a map against another, summed over the blocks."""
    return Agreement(*(int(table[f"{field}_{name}_{other}"].fillna(0).sum()) for field in Agreement._fields))


def iou_estimate(table: pd.DataFrame, name: str, other: str) -> Estimate:
    """IoU over all blocks with the standard error of a ratio over clusters, the blocks (Cochran 1977, Eq. 6.13)."""
    counts = agreement_of(table, name, other)
    residual = _residual(table, name, other)
    n = len(residual)
    error = np.sqrt(n / (n - 1) * (residual**2).sum()) if n > 1 else np.nan
    return Estimate(counts.iou, float(error))


def on_the_same_ground(table: pd.DataFrame, names: Sequence[str], other: str) -> pd.DataFrame:
    """The blocks in which all these maps were held against the reference at equally many pixels, and any.

    A map that leaves out what is hard would win over one that does not.
    """
    pixels = pd.DataFrame({n: sum(table[f"{f}_{n}_{other}"].fillna(0) for f in Agreement._fields) for n in names})
    return table[pixels.eq(pixels[names[0]], axis=0).all(axis=1) & (pixels[names[0]] > 0)]


def iou_difference(table: pd.DataFrame, first: str, second: str, other: str) -> Estimate:
    """IoU of one map minus that of another against the same reference, paired by block, on the same ground."""
    table = on_the_same_ground(table, [first, second], other)
    residual = _residual(table, first, other) - _residual(table, second, other)
    n = len(residual)
    error = np.sqrt(n / (n - 1) * (residual**2).sum()) if n > 1 else np.nan
    difference = agreement_of(table, first, other).iou - agreement_of(table, second, other).iou
    return Estimate(difference, float(error))


def _residual(table: pd.DataFrame, name: str, other: str) -> np.ndarray:
    """Each block's part in the deviation of the IoU."""
    known = table[table[f"tp_{name}_{other}"].notna()]
    tp = known[f"tp_{name}_{other}"].to_numpy(float)
    union = sum(known[f"{field}_{name}_{other}"].to_numpy(float) for field in ("tp", "fp", "fn"))
    total = union.sum()
    return (tp - tp.sum() / total * union) / total if total else np.full(len(known), np.nan)
