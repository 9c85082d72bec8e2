"""Which encoding texts are in, where only their bytes tell."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

UTF_8 = "utf-8"
_PAIR = re.compile(rb"([\x80-\xff])[\x80-\xff]")
_LAST_HANGUL, _RARE = b"\xc8", b"\xd8"
"""Lead bytes: the last of Hangul in EUC-KR, and the first of the rare characters of GB 2312."""


class UnclearEncodingError(ValueError):
    """The bytes of texts do not tell in which encoding they are."""


def guessed_encoding(texts: Sequence[bytes], page: str | None = None) -> str:
    """Name of the encoding of texts, by Python's names, in this order:

    1. UTF-8, where all texts are UTF-8; plain ASCII is.
    2. ``page``, a code page that the file names without being reliable, where the texts are valid in it.
    3. Windows-1252, where the texts can be Western European (letters with accents, not more than others in any word) and
       are not valid in GB 2312.
    4. GB 18030, where the texts are valid in it, three of four in GB 2312 too, most of their characters are common ones,
       and they can be neither Korean nor Western European.

    Parameters
    ----------
    texts : single names or cells; those in ASCII do not matter

    Raises
    ------
    UnclearEncodingError
        otherwise; its words show a text in the encodings that are possible
    """
    texts = [text for text in texts if not text.isascii()]
    if is_valid(texts, UTF_8):
        return UTF_8
    if page is not None and is_valid(texts, page):
        return page
    is_western = is_valid(texts, "cp1252") and all(_is_western(text.decode("cp1252")) for text in texts)
    if is_western and not is_valid(texts, "gb2312"):
        return "cp1252"
    if not is_western and _is_chinese(texts):
        return "gb18030"
    shown = [f"'{texts[0].decode(e)}' in {e}" for e in ("gb18030", "cp1252") if is_valid(texts[:1], e)]
    raise UnclearEncodingError(f"a text would be {' or '.join(shown)}" if shown else f"a text is {texts[0]!r}")


def is_valid(texts: Sequence[bytes], encoding: str) -> bool:
    """Whether all texts can be decoded."""
    try:
        for text in texts:
            text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(texts: Sequence[bytes]) -> bool:
    """Whether texts are in GB 18030 rather than in another encoding of two bytes, or one for each letter of Cyrillic."""
    if not is_valid(texts, "gb18030"):
        return False
    plain = [text for text in texts if is_valid([text], "gb2312")]
    leads = [lead for text in plain for lead in _PAIR.findall(text)]
    is_common = 2 * sum(lead < _RARE for lead in leads) > len(leads)
    return 4 * len(plain) >= 3 * len(texts) and is_common and any(lead > _LAST_HANGUL for lead in leads)


def _is_western(text: str) -> bool:
    """Whether a text can be Western European: in no word more letters with accents than others, and no odd symbols."""
    if any(not (c.isascii() or unicodedata.category(c) in ("Ll", "Lu") or c in "’‘“”–—°ºª·") for c in text):
        return False
    words = re.findall(r"\w+", text)
    return all(2 * sum(not c.isascii() for c in word) <= len(word) for word in words)
