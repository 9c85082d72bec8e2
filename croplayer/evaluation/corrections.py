"""What each correction by hand changed in the map."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from croplayer.vector.corrections import HandCorrection


def correction_table(corrections: Sequence[HandCorrection], told: Sequence[str]) -> pd.DataFrame:
    """One row per correction, in the order in which they were applied.

    Parameters
    ----------
    told : what the records of the corrected blocks tell of them (`columns.CORRECTIONS`), JSON

    Returns
    -------
    DataFrame with columns feature, id, action, author, reason, date, blocks (number that it touches), added_km2 and
    removed_km2 (cropland that came and went in the pixels that no later correction took)
    """
    found = pd.DataFrame([row for text in told for row in json.loads(text)], columns=["id", "added_km2", "removed_km2"])
    sums = found.groupby("id").agg(
        blocks=("id", "size"), added_km2=("added_km2", "sum"), removed_km2=("removed_km2", "sum")
    )
    table = pd.DataFrame(
        [{"feature": c.feature, **c.words} for c in corrections],
        columns=["feature", "id", "action", "author", "reason", "date"],
    )
    table = table.join(sums, on="id")
    table["blocks"] = table.blocks.fillna(0).astype("int64")
    return table.fillna({"added_km2": 0.0, "removed_km2": 0.0})
