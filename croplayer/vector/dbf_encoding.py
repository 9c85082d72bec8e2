"""The encoding of the texts of a shapefile, which its .cpg file names, its .dbf file hints at, or only its bytes tell."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import numpy as np

from croplayer.files.encodings import UTF_8, guessed_encoding

CODE_PAGES = {
    0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x13: "cp932", 0x4D: "gb18030", 0x4E: "cp949", 0x4F: "cp950",
    0x64: "cp852", 0x65: "cp866", 0x78: "cp950", 0x79: "cp949", 0x7A: "gb18030", 0x7B: "cp932", 0x7D: "cp1255",
    0x7E: "cp1256", 0xC8: "cp1250", 0xC9: "cp1251", 0xCA: "cp1254", 0xCB: "cp1253", 0xCC: "cp1257",
}  # fmt: skip
"""Encodings by the language driver of a .dbf file. 0x57, "the code page of this computer", says nothing elsewhere."""
_LANGUAGE_BYTE = 29
_HEADER_BYTES, _FIELD_BYTES = 32, 32
_CPG_NUMBER = re.compile(r"(?:ANSI|CP|OEM)?[ _-]*(\d+)", re.IGNORECASE)


def dbf_encoding(path: Path) -> str:
    """Name of the encoding of the texts of a .dbf file, by Python's names.

    Without a .cpg file the bytes tell, as in ``guessed_encoding``, and the code page in the header counts where the texts
    are valid in it. Raises UnclearEncodingError.
    """
    stated = _stated(path.with_suffix(".cpg"))
    if stated is not None:
        return stated
    data = path.read_bytes()
    return guessed_encoding(_texts(data), CODE_PAGES.get(data[_LANGUAGE_BYTE]))


def _stated(cpg: Path) -> str | None:
    """The encoding that a .cpg file names; None without one, and for one that Python does not know."""
    if not cpg.is_file():
        return None
    name = cpg.read_bytes()[:64].decode("ascii", errors="replace").strip("\ufeff\ufffd \t\r\n\0")
    number = _CPG_NUMBER.fullmatch(name)
    pages = {"65001": UTF_8, "936": "gb18030", "54936": "gb18030", "88591": "iso8859-1"}
    if number:
        name = pages.get(number[1], f"cp{number[1]}")
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return None
    return "gb18030" if found in ("gbk", "gb2312") else found


def _texts(data: bytes) -> list[bytes]:
    """Different texts and names of columns of a .dbf file that are not ASCII, in the order of the file.

    A text that fills its field may end within a character, so its last bytes are left out.
    """
    count, header, length = (int.from_bytes(data[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12)))
    names, spans, place = [], [], 1
    for start in range(_HEADER_BYTES, header - 1, _FIELD_BYTES):
        column = data[start : start + _FIELD_BYTES]
        if len(column) < _FIELD_BYTES or column[0] == 0x0D:
            break
        names.append(column[:11].split(b"\0", 1)[0])
        if column[11:12] == b"C":
            spans.append((place, place + column[16]))
        place += column[16]
    found = dict.fromkeys(names)
    count = min(count, (len(data) - header) // length) if length else 0
    rows = np.frombuffer(data, np.uint8, count * length, header).reshape(count, length)
    for begin, end in spans:
        cells = rows[:, begin:end]
        cells = cells[(cells >= 0x80).any(axis=1)]
        for cell in np.unique(cells, axis=0):
            text = cell.tobytes()
            is_full = text[-1:] >= b"\x80"
            found[text.rstrip(b" \0")[: -4 if is_full else None]] = None
    return [text for text in found if not text.isascii()]
