"""Read CSV files of any origin as tables of text, with the rows of the file."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd

LARGEST_BYTES = 256 * 1024**2
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")


def read_text_table(path: Path, what: str) -> pd.DataFrame:
    """A CSV file as a table of text without surrounding spaces; the row with index i is row i + 2 of the file.

    Parameters
    ----------
    path : the file, UTF-8 with or without a byte order mark
    what : what the file is, for messages ("statistics")

    Raises
    ------
    FileNotFoundError
        if there is no file
    ValueError
        with file and row, if the file is not UTF-8, holds a NUL, has an unfinished quotation, an empty row, a row
        with another number of fields than the header, or a header with an empty or repeated name
    """
    rows = _csv_rows(_read_text(path, what), f"{what} {path}")
    header = [name.strip() for name in rows[0]]
    double = sorted({name for name in header if header.count(name) > 1})
    if double:
        raise ValueError(
            f"{what} {path} row 1: the column '{double[0]}' appears twice or has no name; name each column once"
        )
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise ValueError(
                f"{what} {path} row {number}: has {len(row)} fields, the header has {len(header)}; "
                "put fields that hold commas into quotation marks"
            )
    return pd.DataFrame([[field.strip() for field in row] for row in rows[1:]], columns=header, dtype=str)


def _read_text(path: Path, what: str) -> str:
    """The text of a file of bounded size; raises FileNotFoundError or ValueError."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{what} {path} do not exist" if what.endswith("s") else f"{what} {path} does not exist"
        )
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{what} {path}: the file has {path.stat().st_size} bytes; expected at most {LARGEST_BYTES}")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{what} {path} row {at}: the text is not UTF-8; save the file as UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{what} {path} row {text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a NUL character")
    return text


def _csv_rows(text: str, where: str) -> list[list[str]]:
    """Rows of a CSV text, without empty ones at the end; raises ValueError if it has none."""
    rows: list[list[str]] = []
    try:
        rows += csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise ValueError(f"{where} row {len(rows) + 1}: {error}; correct the quotation marks") from None
    while rows and not any(field.strip() for field in rows[-1]):
        rows.pop()
    if not rows:
        raise ValueError(f"{where}: the file is empty; expected a header and rows")
    return rows


def parse_number(text: str) -> float:
    """A plain decimal number; raises ValueError for any other text, such as "1,234", "1_000", "-", "NA" or "nan"."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"'{text}' is not a number")
    return float(text)
