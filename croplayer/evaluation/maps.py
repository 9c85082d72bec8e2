"""Agreement of maps over many blocks, from the counts of each block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from croplayer.evaluation.provinces import COMPLETE_SHARE
from croplayer.measures.agreement import Agreement
from stores.columns import AREA_FRACTION, AREA_KM2, KNOWN, agreement_columns, map_column


def agreement_of(blocks: pd.DataFrame, name: str, other: str) -> Agreement:
    """Counts of a map against another, summed over the blocks; a block without counts adds nothing."""
    return Agreement(*(int(blocks[column].fillna(0).sum()) for column in agreement_columns(name, other)))


def agreement_table(blocks: pd.DataFrame, maps: Sequence[str], other: str) -> pd.DataFrame:
    """Summed agreement of each map with another: counts, IoU, F1, precision, recall, overall accuracy.

    Parameters
    ----------
    blocks : block table with columns tp_MAP_OTHER, fp_..., fn_..., tn_...; counts are missing where a map has no data
    maps : names of the maps; those without counts are left out
    """
    rows = []
    for name in maps:
        if agreement_columns(name, other).tp not in blocks:
            continue
        counts = agreement_of(blocks, name, other)
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


def side_by_side(blocks: pd.DataFrame, name: str, own: str) -> pd.DataFrame:
    """A product and our own map in each block, where both have data; blocks without such ground are left out.

    For a product of classes that ground is known by pixel. A product of percentages has cells larger than a block: its
    share of cropland where it has data is taken for all ground where our map has data. Edge density is given for blocks
    that both maps cover completely (COMPLETE_SHARE), because the edge of a gap is no outline.

    Parameters
    ----------
    blocks : block table with block_km2, block_pixels, known_NAME, area_fraction_NAME and, optionally,
        edge_density_NAME and the counts of agreement

    Returns
    -------
    DataFrame with the index of ``blocks`` and columns km2 (where both have data), area_fraction, own_area_fraction and,
    with edge density, edge_density and own_edge_density
    """
    known, own_known = blocks[map_column(KNOWN, name)].astype(float), blocks[map_column(KNOWN, own)].astype(float)
    counts = agreement_columns(own, name)
    if set(counts) <= set(blocks):
        tp, fp, fn, tn = (blocks[column].astype(float) for column in counts)
        pixels = (tp + fp + fn + tn).where(lambda n: n > 0)
        share, fraction, own_fraction = pixels / blocks.block_pixels, (tp + fn) / pixels, (tp + fp) / pixels
    else:
        share = own_known.where(known > 0)
        fraction, own_fraction = (blocks[map_column(AREA_FRACTION, n)].astype(float) for n in (name, own))
    found = pd.DataFrame({"km2": share * blocks.block_km2, AREA_FRACTION: fraction, "own_area_fraction": own_fraction})
    if map_column("edge_density", name) in blocks:
        is_whole = (known >= COMPLETE_SHARE) & (own_known >= COMPLETE_SHARE)
        for column, map_name in (("edge_density", name), ("own_edge_density", own)):
            found[column] = blocks[map_column("edge_density", map_name)].astype(float).where(is_whole)
    return found[found.km2 > 0]


def product_table(blocks: pd.DataFrame, products: Sequence[str], own: str) -> pd.DataFrame:
    """Area, area fraction and edge density of products and of our own map, where both have data (`side_by_side`).

    The deviation is (product - own) / own; it is NaN where our own area is 0.
    """
    rows = []
    for name in products:
        both = side_by_side(blocks, name, own)
        area, own_area = (both.area_fraction * both.km2).sum(), (both.own_area_fraction * both.km2).sum()
        means = both.drop(columns="km2").mean()
        row = {"product": name, "blocks": len(both), AREA_KM2: area, "own_area_km2": own_area}
        row["deviation"] = (area - own_area) / own_area if own_area else np.nan
        rows.append(row | means.to_dict())
    return pd.DataFrame(rows)
