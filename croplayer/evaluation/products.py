"""Tables of the product comparison: amount of cropland, edge density, and deviation by slope."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from croplayer.evaluation.maps import side_by_side
from croplayer.products.legend import SWITCHES, ProductLegend
from croplayer.products.product import Product
from stores.columns import AREA_FRACTION

SLOPE_CLASSES_DEG = (0.0, 2.0, 6.0, 15.0, 25.0, 90.0)
"""Edges of the slope classes of the national land survey: up to 2, 6, 15, 25 and above 25 degrees."""

MEASURES = (AREA_FRACTION, "edge_density")


def deviation_table(blocks: pd.DataFrame, products: Sequence[str], own: str) -> pd.DataFrame:
    """Area fraction and edge density of products and of our own map, with their deviation.

    Both are measured where both maps have data, edge density in blocks that both cover completely (`side_by_side`). The
    deviation is (product - own) / own of the means. The quartiles are those of the deviations of single blocks where our
    own value is above 0.

    Parameters
    ----------
    blocks : block table as for `side_by_side`

    Returns
    -------
    DataFrame with columns product, measure, blocks, value, own_value, deviation, deviation_q1, deviation_median,
    deviation_q3; a measure that a product does not have is left out
    """
    return pd.DataFrame(
        [
            {"product": name, "measure": measure, **_deviation(both[measure], both[f"own_{measure}"])}
            for name in products
            for both in [side_by_side(blocks, name, own)]
            for measure in MEASURES
            if measure in both
        ]
    )


def slope_table(
    blocks: pd.DataFrame, products: Sequence[str], own: str, edges: Sequence[float] = SLOPE_CLASSES_DEG
) -> pd.DataFrame:
    """`deviation_table` by class of the blocks' median slope.

    Blocks without a slope are left out; a class without blocks has missing values.

    Returns
    -------
    DataFrame with slope_from_deg and slope_to_deg before the columns of `deviation_table`
    """
    parts = []
    for low, high in itertools.pairwise(edges):
        # The lowest class includes level ground.
        inside = blocks[(blocks.slope_deg > low) & (blocks.slope_deg <= high) | (blocks.slope_deg == low) & (low == 0)]
        table = deviation_table(inside, products, own)
        table.insert(1, "slope_from_deg", low)
        table.insert(2, "slope_to_deg", high)
        parts.append(table)
    return pd.concat(parts, ignore_index=True).sort_values(["product", "measure", "slope_from_deg"], ignore_index=True)


def _deviation(values: pd.Series, own_values: pd.Series) -> dict[str, float]:
    both = values.notna() & own_values.notna()
    values, own_values = values[both], own_values[both]
    mean, own_mean = values.mean(), own_values.mean()
    each = _relative(values, own_values).dropna()
    q1, median, q3 = each.quantile([0.25, 0.5, 0.75]) if len(each) else (np.nan,) * 3
    return {
        "blocks": len(values),
        "value": mean,
        "own_value": own_mean,
        "deviation": (mean - own_mean) / own_mean if own_mean > 0 else np.nan,
        "deviation_q1": q1,
        "deviation_median": median,
        "deviation_q3": q3,
    }


def block_deviations(blocks: pd.DataFrame, product: str, own: str) -> pd.DataFrame:
    """Deviation of a product from our own map in each block, where both have data (`side_by_side`).

    Parameters
    ----------
    blocks : block table as for `side_by_side`

    Returns
    -------
    DataFrame with the index of ``blocks`` and columns area_fraction and, if the product has it, edge_density: (product - own) /
    own, from -1, NaN where our own value is 0 or either is not known; and own_area_fraction, 0..1
    """
    both = side_by_side(blocks, product, own)
    known = {measure: _relative(both[measure], both[f"own_{measure}"]) for measure in MEASURES if measure in both}
    return pd.DataFrame({**known, "own_area_fraction": both.own_area_fraction})


def _relative(values: pd.Series, own_values: pd.Series) -> pd.Series:
    return ((values - own_values) / own_values).where(own_values > 0)


def definition_table(products: Sequence[Product], legends: Mapping[str, ProductLegend]) -> pd.DataFrame:
    """What each map counts as cropland in this run.

    Columns product, year, crop_codes, then paddy, orchard, greenhouse and fallow ("in", "out", empty where not
    stated), licence, source, note. For a map without a legend file only the codes are known.
    """
    rows = []
    for product in products:
        legend = legends.get(product.name)
        row: dict[str, object] = {
            "product": product.name,
            "year": legend.file.year if legend else None,
            "crop_codes": " ".join(map(str, product.crop_codes)),
        }
        for kind in SWITCHES:
            row[kind] = _holds(product, legend, kind) if legend else ""
        row |= {k: getattr(legend.file, k) if legend else "" for k in ("licence", "source", "note")}
        rows.append(row)
    return pd.DataFrame(rows)


def _holds(product: Product, legend: ProductLegend, kind: str) -> str:
    """Whether a product's cropland includes a kind of land: by its classes, otherwise by the statement of its authors."""
    own = [code for code, entry in legend.file.classes.items() if entry.land == kind]
    if own:
        return "in" if set(own) & set(product.crop_codes) else "out"
    return str(getattr(legend.file.definition, kind))
