"""Read CSV files of any origin as tables of text, with the rows of the file."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from croplayer.files.encodings import UTF_8, UnclearEncodingError, guessed_encoding
from croplayer.files.tables import unescaped

LARGEST_BYTES = 256 * 1024**2
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
SEPARATOR = "separator"
"""Attribute of a table with what separates the fields of its file."""
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WORKBOOKS = {b"PK\x03\x04": ".xlsx or .ods", b"\xd0\xcf\x11\xe0": ".xls"}


def read_text_table(path: Path, what: str) -> pd.DataFrame:
    """A CSV file as a table of text without surrounding spaces, as NFC; the row with index i is row i + 2 of the file.

    Fields are separated by commas, semicolons or tabs, the same in all rows. Columns at the end that are empty in all
    rows are dropped. A field that `write_csv` escaped is read as it was.

    Parameters
    ----------
    path : the file, UTF-8 with or without a byte order mark, UTF-16 with one, or in what `guessed_encoding` tells
    what : what the file is, for messages ("statistics")

    Raises
    ------
    FileNotFoundError
        if there is no file
    ValueError
        with file and row, if the file is a workbook, its encoding or its separator is unclear, it holds a NUL, has an
        unfinished quotation, an empty row, a row with another number of fields than the header, or a header with an
        empty or repeated name
    """
    where = f"{what} {path}"
    rows, separator = _separated(_read_text(path, what), where)
    rows = _without_empty_columns(rows)
    header = [name.strip() for name in rows[0]]
    double = sorted({name for name in header if header.count(name) > 1})
    if double:
        raise ValueError(f"{where} row 1: the column '{double[0]}' appears twice or has no name; name each column once")
    if "" in header:
        raise ValueError(f"{where} row 1: column {header.index('') + 1} has no name; name it, or remove it")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise ValueError(
                f"{where} row {number}: has {len(row)} fields, the header has {len(header)}; fields are separated by "
                f"{SEPARATORS[separator]}, so put fields that hold {SEPARATORS[separator]} into quotation marks"
            )
    cells = [[unescaped(field.strip()).strip() for field in row] for row in rows[1:]]
    table = pd.DataFrame(cells, columns=header, dtype=str)
    table.attrs[SEPARATOR] = separator
    return table


def _read_text(path: Path, what: str) -> str:
    """The text of a file of bounded size; raises FileNotFoundError or ValueError."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{what} {path} do not exist" if what.endswith("s") else f"{what} {path} does not exist"
        )
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{what} {path}: the file has {path.stat().st_size} bytes; expected at most {LARGEST_BYTES}")
    data = path.read_bytes()
    for magic, kind in WORKBOOKS.items():
        if data.startswith(magic):
            raise ValueError(
                f"{what} {path} is a workbook ({kind}), not a table of text; save the sheet as CSV in UTF-8"
            )
    text = _decoded(data, f"{what} {path}")
    if "\0" in text:
        raise ValueError(f"{what} {path} row {text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a NUL character")
    return unicodedata.normalize("NFC", text)


def _decoded(data: bytes, where: str) -> str:
    if data.startswith(UTF_16_MARKS):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise ValueError(
                f"{where}: the text is not UTF-16, as its first bytes say; save the file as UTF-8"
            ) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
    try:
        encoding = guessed_encoding(re.split(rb'[\s,;"]+', data))
    except UnclearEncodingError as unclear:
        raise ValueError(f"{where} row {at}: the text is not UTF-8; save the file as UTF-8 ({unclear})") from None
    assert encoding != UTF_8
    return data.decode(encoding)


def _separated(text: str, where: str) -> tuple[list[list[str]], str]:
    """Rows of a CSV text and what separates their fields.

    That is what separates the names in the header. If several may, it is the one by which all rows have the same number
    of fields. Raises ValueError if there is not exactly one such.
    """
    head = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").split("\n", 1)[0])
    possible = [separator for separator in SEPARATORS if separator in head] or [","]
    if len(possible) == 1:
        return _csv_rows(text, possible[0], where), possible[0]
    fitting = []
    for separator in possible:
        try:
            rows = _csv_rows(text, separator, where)
        except ValueError:
            continue
        if len({len(row) for row in rows}) == 1:
            fitting.append((rows, separator))
    if len(fitting) != 1:
        words = " and ".join(SEPARATORS[separator] for separator in possible)
        raise ValueError(
            f"{where} row 1: holds {words}, and the rows do not tell which of them separate fields; use one"
        )
    return fitting[0]


def _csv_rows(text: str, separator: str, where: str) -> list[list[str]]:
    """Rows of a CSV text, without empty ones at the end; raises ValueError if it has none."""
    rows: list[list[str]] = []
    try:
        rows += csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    except csv.Error as error:
        raise ValueError(f"{where} row {len(rows) + 1}: {error}; correct the quotation marks") from None
    while rows and not any(field.strip() for field in rows[-1]):
        rows.pop()
    if not rows:
        raise ValueError(f"{where}: the file is empty; expected a header and rows")
    return rows


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    """The rows without the columns at the end that are empty in all of them, as spreadsheets write."""
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        return rows
    while width > 1 and not any(row[width - 1].strip() for row in rows):
        width -= 1
    return [row[:width] for row in rows]


_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_GROUPED = re.compile(
    r"[+-]?[1-9]\d{0,2}(?:(?P<mark>[.,' \u00a0\u2009\u202f\u2019])\d{3})(?:(?P=mark)\d{3})*(?P<rest>[.,]\d+)?"
)
_UNIT = re.compile(r"[+-]?[\d.,]+\s*(%|[^\W\d_][\w²³/]*)")


def parse_numbers(table: pd.DataFrame, name: str) -> list[float]:
    """Numbers of a column of `read_text_table`, whose decimal mark and thousands mark the column itself must tell.

    Every number must be possible with the same decimal mark. One that both marks make a number, as ``1,234`` and in a file
    whose fields are separated by other than commas ``1.234``, counts only where other numbers tell the mark.

    Parameters
    ----------
    table : the table
    name : name of the column

    Raises
    ------
    CellError
        for the first cell that is not a number, or whose value the column does not tell
    """
    texts = table[name].tolist()
    readings = [{mark: _read(text, mark) for mark in ".,"} for text in texts]
    for row, (text, reading) in enumerate(zip(texts, readings, strict=True)):
        if not any(value is not None for value in reading.values()):
            unit = _UNIT.fullmatch(text)
            hint = f", without '{unit[1]}'; the name of the column says the unit" if unit else ""
            raise CellError(row, f"{name} is '{text}'; expected a plain number{hint}")
    possible = [mark for mark in ".," if all(reading[mark] is not None for reading in readings)]
    if not possible:
        row = next(i for i, reading in enumerate(readings) if reading[_first_mark(readings)] is None)
        raise CellError(row, f"{name} is '{texts[row]}', and other rows have another decimal mark; use one in all rows")
    if len(possible) == 2 and (table.attrs[SEPARATOR] != "," or any("," in text for text in texts)):
        for row, reading in enumerate(readings):
            if reading["."] != reading[","]:
                either = f"{reading['.']:g} with decimal points or {reading[',']:g} with decimal commas"
                raise CellError(row, f"{name} is '{texts[row]}', which is {either}; write it without a thousands mark")
    return [float(reading[possible[0]]) for reading in readings]  # type: ignore[arg-type]


class CellError(ValueError):
    """A cell of a column is not a number, or its value is unclear."""

    def __init__(self, row: int, sentence: str) -> None:
        super().__init__(sentence)
        self.row = row
        """Index of the cell in the column."""


def _first_mark(readings: Sequence[dict[str, float | None]]) -> str:
    """The decimal mark of the first number that has only one."""
    return next(mark for r in readings if (r["."] is None) != (r[","] is None) for mark in ".," if r[mark] is not None)


def _read(text: str, mark: str) -> float | None:
    """The number in a text with this decimal mark, None if it is none: plain, or in groups of three digits."""
    other = "," if mark == "." else "."
    if other not in text:
        plain = text.replace(mark, ".")
        if _NUMBER.fullmatch(plain):
            return float(plain)
    grouped = _GROUPED.fullmatch(text)
    if grouped is None or grouped["mark"] == mark or (grouped["rest"] or mark)[0] != mark:
        return None
    whole = text[: len(text) - len(grouped["rest"] or "")]
    return float(whole.replace(grouped["mark"], "") + (grouped["rest"] or "").replace(mark, "."))
