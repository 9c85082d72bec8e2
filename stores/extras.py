"""How to install an extra of croplayer, for messages."""

from __future__ import annotations


def how_to_install(extra: str) -> str:
    """The command that adds an extra; croplayer is in no package registry, so it is installed from a checkout.

    Examples
    --------
    >>> how_to_install("s3")
    "in a checkout of croplayer: pip install '.[s3]'"
    """
    return f"in a checkout of croplayer: pip install '.[{extra}]'"
