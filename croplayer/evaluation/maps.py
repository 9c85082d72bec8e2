"""Agreement of maps over many blocks, from the counts that each block brought."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from croplayer.evaluation.agreement import Agreement
from croplayer.evaluation.provinces import COMPLETE_SHARE


def agreement_table(blocks: pd.DataFrame, maps: Sequence[str], other: str) -> pd.DataFrame:
    """Summed agreement of each map with another: counts, IoU, F1, precision, recall, overall accuracy.

    Parameters
    ----------
    blocks : block table with columns tp_MAP_OTHER and so on; missing counts are blocks without both
    """
    rows = []
    for name in maps:
        columns = [f"{field}_{name}_{other}" for field in Agreement._fields]
        if columns[0] not in blocks:
            continue
        counts = Agreement(*(int(blocks[c].fillna(0).sum()) for c in columns))
        rows.append(
            {
                "map": name,
                "against": other,
                **counts._asdict(),
                "iou": counts.iou,
                "f1": counts.f1,
                "precision": counts.precision,
                "recall": counts.recall,
                "overall_accuracy": counts.overall_accuracy,
            }
        )
    return pd.DataFrame(rows)


def know_whole(blocks: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """(blocks,) bool, whether each of these maps knows a block as a whole (COMPLETE_SHARE, from ``known_NAME``).

    In a block of which one map knows a part, areas and outlines of two maps say nothing of each other.
    """
    return (blocks[[f"known_{name}" for name in names]] >= COMPLETE_SHARE).all(axis=1)


def product_table(blocks: pd.DataFrame, products: Sequence[str], own: str) -> pd.DataFrame:
    """Area, area fraction and edge density of products beside our own map, over the blocks that both know whole.

    The deviation is (product - own) / own, missing where our own area is 0.
    """
    rows = []
    for name in products:
        both = blocks[know_whole(blocks, [name, own])]
        area, own_area = both[f"area_km2_{name}"].sum(), both[f"area_km2_{own}"].sum()
        row = {
            "product": name,
            "blocks": len(both),
            "area_km2": area,
            "own_area_km2": own_area,
            "deviation": (area - own_area) / own_area if own_area else np.nan,
            "area_fraction": both[f"area_fraction_{name}"].mean(),
            "own_area_fraction": both[f"area_fraction_{own}"].mean(),
        }
        if f"edge_density_{name}" in both:
            row["edge_density"] = both[f"edge_density_{name}"].mean()
            row["own_edge_density"] = both[f"edge_density_{own}"].mean()
        rows.append(row)
    return pd.DataFrame(rows)
