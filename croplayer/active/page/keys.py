"""Which key does what in each kind of work."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from croplayer.active.judgements import VALUES, JudgementKind
from croplayer.active.page.items import Work
from stores.legends import Integration

DIGITS = ("12345", "67890")
"""Keys of the classes of correctness of the first and the second source."""
CHOICES = "qwer"


class Act(StrEnum):
    """What a key does."""

    NEXT = "next"
    BACK = "back"
    UNDO = "undo"
    WORK = "work"
    MAP = "map"
    AROUND = "around"
    FIT = "fit"
    CLOSER = "closer"
    FARTHER = "farther"
    NOTE = "note"
    JUDGE = "judge"
    CHOOSE = "choose"
    POINT = "point"
    SELECT = "select"
    ACCEPT = "accept"
    REJECT = "reject"
    EDIT = "edit"
    DRAW = "draw"
    SAVE = "save"
    DROP = "drop"
    EMPTY = "empty"
    DONE = "done"
    SKIP = "skip"
    REOPEN = "reopen"


class Key(NamedTuple):
    """A key and what it does."""

    key: str
    """Name of the key as browsers give it."""
    act: Act
    label: str
    value: str = ""
    """What is said with it."""
    source: str = ""

    @property
    def shown(self) -> str:
        """What stands on the key."""
        names = {" ": "Space", "ArrowRight": "→", "ArrowLeft": "←", "Escape": "Esc", "Shift+Tab": "⇧Tab"}
        return names.get(self.key, self.key.upper() if len(self.key) == 1 else self.key)


_SEE = (
    Key("o", Act.AROUND, "land around"),
    Key("f", Act.FIT, "fit to window"),
    Key("+", Act.CLOSER, "closer"),
    Key("-", Act.FARTHER, "farther"),
)
_GO = (
    Key("ArrowRight", Act.NEXT, "next"),
    Key("ArrowLeft", Act.BACK, "back"),
    Key("z", Act.UNDO, "undo"),
    Key("t", Act.NOTE, "note"),
    Key("m", Act.WORK, "other work"),
)
_MAP = Key(" ", Act.MAP, "map on or off")
_FIELDS = (
    Key("Tab", Act.SELECT, "next outline", "1"),
    Key("Shift+Tab", Act.SELECT, "outline before", "-1"),
    Key("a", Act.ACCEPT, "outline is right"),
    Key("x", Act.REJECT, "no cropland"),
    Key("e", Act.EDIT, "move its corners"),
    Key("c", Act.DRAW, "draw a field"),
    Key("Enter", Act.SAVE, "save the drawing"),
    Key("Escape", Act.DROP, "drop the drawing"),
    Key("w", Act.EMPTY, "no field in the square"),
    Key("d", Act.DONE, "square is done"),
    Key("k", Act.SKIP, "skip it"),
    Key("r", Act.REOPEN, "reopen it"),
)


def keys_of(work: Work, sources: Sequence[str], classes: Sequence[str]) -> dict[str, tuple[Key, ...]]:
    """The keys of a kind of work in groups by their title.

    Raises ValueError for more sources or classes than there are keys.
    """
    see = {"Look": (_SEE if work == Work.POINTS else (_MAP, *_SEE)), "Go on": _GO}
    if work == Work.FIELDS:
        return {"Fields": _FIELDS, **see}
    if work == Work.POINTS:
        said = VALUES[JudgementKind.POINT]
        return {"The point is": tuple(Key(str(i), Act.POINT, v, v) for i, v in enumerate(said, start=1)), **see}
    if len(sources) > len(DIGITS) or len(classes) > len(DIGITS[0]):
        raise ValueError(f"the page has keys for two sources and five classes, not {len(sources)} and {len(classes)}")
    groups = {
        f"Mask of {source}": tuple(
            Key(k, Act.JUDGE, c, c, source) for k, c in zip(digits, classes, strict=False)
        )
        for source, digits in zip(sources, DIGITS, strict=False)
    }  # fmt: skip
    if len(sources) == 2:
        named = (
            "neither",
            f"only {sources[0]}",
            f"only {sources[1]}",
            "merge both",
        )
        groups["The map takes"] = tuple(
            Key(k, Act.CHOOSE, name, choice.label) for k, name, choice in zip(CHOICES, named, Integration, strict=True)
        )
    return groups | see
