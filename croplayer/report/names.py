"""Names in figures: broken into lines, and shortened where they would leave the figure. Tables hold them in full."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

MOST_LINES = 3
LINE_LETTERS = 30
"""Letters of a name beside a row."""


def letters_of(text: str) -> int:
    """Width of a text in Latin letters; a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def wrapped(text: str, width: int = 13, lines: int = MOST_LINES) -> str:
    """Break a text into at most some lines of about ``width`` letters; a longer word is broken, too, and a rest becomes "…".

    Examples
    --------
    >>> wrapped("cropland of both merged", 13)
    'cropland of\\nboth merged'
    >>> wrapped("Llanfairpwllgwyngyll", 8, 2)
    'Llanfair\\npwllgwy…'
    """
    found = [""]
    for word in text.split():
        for piece in _pieces(word, width) if letters_of(word) > 1.5 * width else (word,):
            if found[-1] and letters_of(found[-1]) + letters_of(piece) >= width:
                found.append("")
            found[-1] = f"{found[-1]} {piece}".strip()
    if len(found) > lines:
        found = [*found[: lines - 1], shortened(f"{found[lines - 1]}{found[lines]}", width)]
    return "\n".join(found)


def shortened(text: str, letters: int = LINE_LETTERS) -> str:
    """A text in one line of at most some letters; a rest becomes "…"."""
    return text if letters_of(text) <= letters else f"{next(_pieces(text, letters - 1)).rstrip()}…"


def _pieces(word: str, width: int) -> Iterator[str]:
    piece = ""
    for letter in word:
        if letters_of(piece + letter) > width:
            yield piece
            piece = ""
        piece += letter
    yield piece
