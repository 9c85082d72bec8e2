"""Names that somebody may have meant."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

ALIKE = 0.6
"""Least similarity of two names, as `difflib.SequenceMatcher` measures it, for one to be taken for the other."""


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like another, whatever its case and normal form; None if none is much like it."""
    folded: dict[str, str] = {}
    for other in known:
        folded.setdefault(_folded(other), other)
    near = difflib.get_close_matches(_folded(name), folded, n=1, cutoff=ALIKE)
    return folded[near[0]] if near else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: ``; did you mean 'NAME'?``, or nothing if no known name is much like it."""
    near = nearest_name(name, known)
    return f"; did you mean '{near}'?" if near is not None else ""


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
