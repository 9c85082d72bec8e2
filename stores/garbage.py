"""When a process looks for garbage."""

from __future__ import annotations

import gc

OBJECTS_PER_COLLECTION = 10_000
"""New objects after which the youngest are looked through."""


def collect_seldom() -> None:
    """Look for garbage more seldom than by default, from now on in this process.

    Imports make a million objects that all stay, and looking through them again and again takes a tenth of a start.
    """
    gc.set_threshold(OBJECTS_PER_COLLECTION)


def leave_the_rest() -> None:
    """Leave all that is in memory to the system, at the end of a process; what must be done at its end is done all the same.

    Python would look through a million objects several times before it ends, which takes half a second.
    """
    gc.freeze()
