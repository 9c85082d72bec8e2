"""Which items are left for a person, and how many people look at each."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence

from croplayer.active.page.items import Item, Work


def wanted_people(item: Item, double: float, seed: int) -> int:
    """How many people shall judge an item: one, or two of a share that is drawn by the item's name.

    Polygons are drawn by one person, because two would draw over each other.

    Parameters
    ----------
    double : share of the items that two people judge, 0 to 1
    """
    if item.work == Work.FIELDS:
        return 1
    digest = hashlib.sha256(f"double {seed} {item.claim}".encode()).digest()
    return 1 + (int.from_bytes(digest[:8], "big") < double * 2**64)


def left_for(
    person: str, items: Sequence[Item], done: Mapping[str, Collection[str]], wanted: Mapping[str, int]
) -> list[Item]:  # fmt: skip
    """The items that a person may still be handed, in their order.

    Parameters
    ----------
    done : the people who are done with an item, by its claim
    wanted : how many people shall look at an item, by its claim
    """
    return [
        item
        for item in items
        if person not in done.get(item.claim, ()) and len(done.get(item.claim, ())) < wanted.get(item.claim, 1)
    ]


def places_left(
    items: Sequence[Item], done: Mapping[str, Collection[str]], wanted: Mapping[str, int]
) -> dict[str, int]:
    """How many people may work on each item at the same time, by its claim."""
    return {i.claim: max(0, wanted.get(i.claim, 1) - len(done.get(i.claim, ()))) for i in items}


def from_here(items: Sequence[Item], subject: str) -> list[Item]:
    """The items after the one of a subject, then those before; all from the first if it is none of them."""
    at = next((i for i, item in enumerate(items) if item.subject == subject), -1)
    return [*items[at + 1 :], *items[: at + 1]]
