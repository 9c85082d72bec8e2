"""Text of data as it may be shown on a terminal and written to a log."""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str, kept: str = "") -> str:
    r"""A text whose control characters are written as escapes, such as ``\x1b``; tabs and line feeds stay.

    These move the cursor, change the title of a terminal or turn the direction of what follows.

    Parameters
    ----------
    kept : control characters that stay too
    """
    return _CONTROLS.sub(lambda c: c[0] if c[0] in kept else repr(c[0])[1:-1], text)
