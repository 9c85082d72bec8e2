"""Which column of a table holds codes, and how those of units become those of another table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from croplayer.evaluation.statistics import translated

SURE_WORDS = re.compile(r"ad_?code|pcode|geoid|fips|代码|区划", re.IGNORECASE)
"""Names of columns that hold nothing but codes of units."""
CODE_WORDS = re.compile(r"(^|_)(code|id|no)$|编码", re.IGNORECASE)
"""Names of columns that may be those of codes."""
CODE = re.compile(r"[A-Za-z0-9_.-]{1,12}")
PATTERNS = ("", r"\D*(\d+)", r"\D*0*([1-9]\d*)", r"\D*0?(\d\d)", r"(\d\d)\d*", r"(\d{4})\d*")
"""Ways in which codes of units become those of a table, the plainest first."""


def made_like(codes: Sequence[str], pattern: str) -> list[str]:
    """Codes as ``statistics.adcode_pattern`` makes them; empty where it does not fit one, or two become the same."""
    try:
        made = [translated(code, pattern) if pattern else code for code in codes]
    except ValueError:
        return []
    return made if len(set(made)) == len(made) else []


def most_found(codes: Sequence[str], known: Iterable[str]) -> tuple[int, str]:
    """How many codes are known with the pattern that finds most of them, and that pattern, the plainest of equals."""
    there = set(known)
    counts = [(len(there.intersection(made_like(codes, pattern))), pattern) for pattern in PATTERNS]
    return max(counts, key=lambda found: found[0])


def code_column(texts: Mapping[str, Sequence[str]], known: Iterable[str] = ()) -> str | None:
    """The column whose texts differ in all rows and look most like codes; None if there is none.

    Parameters
    ----------
    texts : the texts of each column
    known : texts of the table that the codes must be found in; a column of which none is found counts less
    """
    there = set(known)
    unique = [name for name, values in texts.items() if all(values) and len(set(values)) == len(values)]

    def rank(name: str) -> tuple[bool, bool, int, bool, bool]:
        values = texts[name]
        found = most_found(values, there)[0] if there else 0
        is_code = all(CODE.fullmatch(value) for value in values)
        return found > 0, SURE_WORDS.search(name) is not None, found, CODE_WORDS.search(name) is not None, is_code

    # Of equals the first column counts.
    return max(unique, key=rank) if unique else None
