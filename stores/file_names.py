"""Names of files that are made from text of data."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

LONGEST_BYTES = 200
"""Longest name in bytes: file systems allow 255, and the name of a file that is being written is up to 50 longer."""
DIGEST_DIGITS = 8
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that Windows gives to devices, with any ending."""


def file_name(text: str, suffix: str = "") -> str:
    """The name of a file for a text of data, as NFC: only letters and digits of any script, ``-``, ``_`` and inner dots.

    Every run of other characters becomes one ``_``. A text that is too long is cut and gets the first digits of its
    sha256. The name is never empty, hidden, that of another folder or one that Windows reserves.

    Parameters
    ----------
    text : any text
    suffix : ending of the name, which is kept as it is
    """
    plain = unicodedata.normalize("NFC", text)
    kept = "".join(c if c in "-_." or unicodedata.category(c)[0] in "LMN" else " " for c in plain)
    name = re.sub(r"(?:(?<![^ .])[.]|[.](?![^ .])| )+", "_", kept)
    if not name.strip("_") or name[0] == "-" or _RESERVED.match(name):
        name = f"_{name.strip('_')}" if name.strip("_") else f"_{_digest(text)}"
    room = LONGEST_BYTES - len(suffix.encode())
    if len(name.encode()) > room:
        end = f"_{_digest(text)}"
        name = name.encode()[: room - len(end)].decode(errors="ignore") + end
    return f"{name}{suffix}"


def file_names(texts: Sequence[str], suffix: str = "") -> list[str]:
    """Names of files for different texts, unique in a folder also where case or normal form does not count.

    Names that would be equal each get the first digits of the sha256 of their text, so no name depends on the order.
    Raises ValueError for a text that appears twice.
    """
    double = [text for text, count in Counter(texts).items() if count > 1]
    if double:
        raise ValueError(f"'{double[0]}' appears twice, so its files would have the same name")
    names = [file_name(text, suffix) for text in texts]
    count = Counter(map(_folded, names))
    return [
        name if count[_folded(name)] == 1 else file_name(text, f"_{_digest(text)}{suffix}")
        for name, text in zip(names, texts, strict=True)
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:DIGEST_DIGITS]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
