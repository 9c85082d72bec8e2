"""Fields through several editions of a map: which is which, what they came from and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from croplayer.fields.matching import GONE, NEW, SAME_IOU
from stores.field_columns import AREA, ID

FIRST, LAST = "first", "last"
"""What stands for what came before the first edition, and what comes after the last."""
COLUMNS: Mapping[str, str] = {
    "field": "name of the field through all editions: its id in the first one that has it",
    "edition": "the edition of the row",
    "id": "its id there",
    "area_ha": "its area there, ha",
    "came": "what happened since the edition before: same, changed, split, merged, reshaped, new; first in the first edition",
    "came_from": "fields before that it shares ground with, joined by '+'; empty for first and new",
    "became": "what happened by the next edition: same, changed, split, merged, reshaped, gone; last in the last edition",
    "became_of": "fields after that it shares ground with, joined by '+'; empty for gone and last",
}
"""Columns of a history."""


def field_history(
    editions: Sequence[str], known: Sequence[pd.DataFrame], matches: Sequence[pd.DataFrame]
) -> pd.DataFrame:
    """One table of the fields of several editions.

    A field goes on under its name where it has an IoU above 0.5 with one in the edition before, as one of several parts, too;
    what did not go on and comes up later is another field.

    Parameters
    ----------
    editions : names, in the order of time
    known : columns id and area_ha of all fields of each edition, each id once
    matches : as `matching.match_fields` gives them, of each edition and the next

    Returns
    -------
    DataFrame with the columns of `COLUMNS`: a row for each field and edition that has it, all text but area_ha. Ordered by field,
    then in the order of the editions.

    Raises
    ------
    ValueError for an edition that is named twice, or for fewer than two.
    """
    if len(editions) < 2 or len(set(editions)) < len(editions):
        raise ValueError(f"the editions are {', '.join(editions) or 'none'}; expected at least two, each once")
    names = _names(editions, known, matches)
    rows = []
    for at, edition in enumerate(editions):
        own = known[at].set_index(ID)[AREA]
        came = _linked(matches[at - 1], "after_id", names[at - 1], "before_id") if at else None
        became = _linked(matches[at], "before_id", names[at + 1], "after_id") if at < len(matches) else None
        table = pd.DataFrame({"field": names[at].reindex(own.index), "edition": edition, AREA: own})
        for what, others, links, without in (
            ("came", "came_from", came, NEW if at else FIRST),
            ("became", "became_of", became, GONE if at < len(matches) else LAST),
        ):
            table[what] = without if links is None else links.kind.reindex(own.index).fillna(without)
            table[others] = "" if links is None else links.others.reindex(own.index).fillna("")
        rows.append(table.rename_axis(ID).reset_index().assign(order=at))
    whole = pd.concat(rows, ignore_index=True).sort_values(["field", "order"], ignore_index=True)
    return whole[list(COLUMNS)]


def _names(editions: Sequence[str], known: Sequence[pd.DataFrame], matches: Sequence[pd.DataFrame]) -> list[pd.Series]:
    """Name through time of each field of each edition, by its id there."""
    names = [pd.Series(known[0][ID].to_numpy(object), index=known[0][ID].to_numpy(object))]
    used = set(names[0])
    for edition, table, links in zip(editions[1:], known[1:], matches, strict=True):
        claims = links[links.iou > SAME_IOU].sort_values(
            ["iou", "before_id", "after_id"], ascending=[False, True, True]
        )
        claims = claims.drop_duplicates("before_id").drop_duplicates("after_id")
        goes_on = dict(zip(claims.after_id, names[-1].reindex(claims.before_id), strict=True))
        # An id names a cell of the lattice, which another field had before.
        own = [goes_on.get(i) or (f"{i}@{edition}" if i in used else i) for i in table[ID]]
        names.append(pd.Series(own, index=table[ID].to_numpy(object), dtype=object))
        used.update(own)
    return names


def _linked(matches: pd.DataFrame, own: str, names: pd.Series, other: str) -> pd.DataFrame:
    """Kind of change and linked fields of each field that has links, by its id."""
    links = matches[matches[own].notna() & matches[other].notna()]
    others = names.reindex(links[other]).to_numpy(object)
    table = pd.DataFrame({"own": links[own].to_numpy(object), "kind": links.kind.to_numpy(object), "others": others})
    grouped = table.sort_values(["own", "others"]).groupby("own")
    return pd.DataFrame({"kind": grouped.kind.first(), "others": grouped.others.agg("+".join)})
