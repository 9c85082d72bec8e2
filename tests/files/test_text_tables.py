"""Tables as spreadsheets of all countries write them: read rightly, or refused in a sentence."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.evaluation.statistics import match_statistics, read_statistics
from croplayer.files.tables import csv_of, escaped, read_csv, unescaped, write_csv
from croplayer.files.text_tables import parse_numbers, read_text_table


def table_of(folder: Path, text: str, encoding: str = "utf-8") -> pd.DataFrame:
    path = folder / "t.csv"
    path.write_bytes(text.encode(encoding))
    return read_text_table(path, "table")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_fields_are_separated_as_the_header_shows(separator: str, tmp_path: Path) -> None:
    text = 'a|"b, c; d"|e\n1|"two\nlines; ""q"""|\n'.replace("|", separator)
    table = table_of(tmp_path, text)
    assert list(table.columns) == ["a", "b, c; d", "e"] and table.loc[0].tolist() == ["1", 'two\nlines; "q"', ""]


def test_a_header_with_two_separators_is_decided_by_the_rows_or_refused(tmp_path: Path) -> None:
    assert list(table_of(tmp_path, "a;b, in km2;c\n1;2;3\n").columns) == ["a", "b, in km2", "c"]
    with pytest.raises(ValueError, match="row 1: holds commas and semicolons, and the rows do not tell which"):
        table_of(tmp_path, "a;b,c\n1;2,3\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings_that_the_bytes_tell(encoding: str, tmp_path: Path) -> None:
    table = table_of(tmp_path, "code,name\n1,北京市\n2,天津市\n3,河北省\n", encoding)
    assert list(table.name) == ["北京市", "天津市", "河北省"]


def test_western_european_text_is_read(tmp_path: Path) -> None:
    assert list(table_of(tmp_path, "code;name\n1;Québec\n2;São Paulo\n", "cp1252").name) == ["Québec", "São Paulo"]


def test_text_is_in_one_normal_form(tmp_path: Path) -> None:
    assert table_of(tmp_path, unicodedata.normalize("NFD", "a\nÉ\n")).a[0] == "É"


def test_empty_columns_at_the_end_are_dropped_and_others_are_not(tmp_path: Path) -> None:
    assert list(table_of(tmp_path, "a,b,,\n1,2,,\n3,,,\n").columns) == ["a", "b"]
    with pytest.raises(ValueError, match="row 1: column 2 has no name; name it, or remove it"):
        table_of(tmp_path, "a,,b\n1,2,3\n")
    with pytest.raises(ValueError, match="row 1: the column '' appears twice or has no name"):
        table_of(tmp_path, "a,,\n1,,2\n")


@pytest.mark.parametrize(("magic", "kind"), [(b"PK\x03\x04", ".xlsx"), (b"\xd0\xcf\x11\xe0", ".xls")])
def test_a_workbook_is_named(magic: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "areas.xlsx").write_bytes(magic + bytes(100))
    with pytest.raises(
        ValueError, match=rf"areas.xlsx is a workbook \({kind}.*\), not a table of text; save the sheet"
    ):
        read_statistics(tmp_path / "areas.xlsx")


NUMBERS = [
    (",", ["2.5", "1.234", "1e3"], [2.5, 1.234, 1000.0]),
    (",", ["1.234"], [1.234]),
    (",", ["1,234", "5.5"], [1234.0, 5.5]),
    (",", ["1,234,567.25"], [1234567.25]),
    (",", ["2,5"], [2.5]),
    (";", ["2,5", "1.234"], [2.5, 1234.0]),
    (";", ["1.234.567,8", "1,234"], [1234567.8, 1.234]),
    (";", ["0,125", "12"], [0.125, 12.0]),
    (";", ["2.5", "1.234"], [2.5, 1.234]),
    (";", ["1 234,5"], [1234.5]),
    (";", ["1\u00a0234\u00a0567", "3"], [1234567.0, 3.0]),
    (";", ["1'234.5"], [1234.5]),
    ("\t", ["12", "7"], [12.0, 7.0]),
]


@pytest.mark.parametrize(("separator", "cells", "values"), NUMBERS)
def test_numbers_have_the_value_that_the_column_tells(
    separator: str, cells: list[str], values: list[float], tmp_path: Path
) -> None:
    rows = "".join(f'{i}{separator}"{cell}"\n' for i, cell in enumerate(cells))
    assert parse_numbers(table_of(tmp_path, f"row{separator}area\n{rows}"), "area") == values


UNCLEAR = [
    (",", ["1,234"], "area is '1,234', which is 1234 with decimal points or 1.234 with decimal commas"),
    (";", ["1.234"], "area is '1.234', which is 1.234 with decimal points or 1234 with decimal commas"),
    (";", ["12", "1.234", "5.678"], "area is '1.234', which is"),
    (";", ["2,5", "2.5"], "area is '2.5', and other rows have another decimal mark; use one in all rows"),
    (";", ["2.5", "1.234,5"], "area is '1.234,5', and other rows have another decimal mark"),
    (",", ["12 km2"], "area is '12 km2'; expected a plain number, without 'km2'; the name of the column says the unit"),
    (",", ["93.5 %"], "without '%'"),
    (",", ["12 34"], "area is '12 34'; expected a plain number"),
    (",", ["1,2,3"], "area is '1,2,3'; expected a plain number"),
    (",", ["1,23.4"], "expected a plain number"),
    (",", ["1.234.567.89"], "expected a plain number"),
    (",", [""], "area is ''; expected a plain number"),
]


@pytest.mark.parametrize(("separator", "cells", "sentence"), UNCLEAR)
def test_numbers_whose_value_is_unclear_are_refused(
    separator: str, cells: list[str], sentence: str, tmp_path: Path
) -> None:
    rows = "".join(f'{i}{separator}"{cell}"\n' for i, cell in enumerate(cells))
    with pytest.raises(ValueError) as error:
        parse_numbers(table_of(tmp_path, f"row{separator}area\n{rows}"), "area")
    assert sentence in str(error.value)


@given(st.lists(st.floats(0.001, 10**7), min_size=1), st.sampled_from([("{:,.2f}", "."), ("{:,.4f}", ",")]))
def test_grouped_numbers_of_both_conventions_are_read_back(numbers: list[float], form: tuple[str, str]) -> None:
    texts = [form[0].format(number) for number in numbers]
    values = [float(text.replace(",", "")) for text in texts]
    if form[1] == ",":
        texts = [text.translate(str.maketrans(",.", ".,")) for text in texts]
    table = pd.DataFrame({"area": texts})
    table.attrs["separator"] = ";"
    assert parse_numbers(table, "area") == values


def test_statistics_of_a_european_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_text("adcode;name_en;cropland_kha\n1;Whole;2,5\n")
    assert list(read_statistics(path).cropland_kha) == [2.5]


@pytest.mark.parametrize(("unit", "row"), [("01", "1"), ("1", "01"), ("1", "1.0"), ("XX 1", "xx1"), ("Ａ1", "A1")])
def test_a_code_that_nearly_matches_is_shown(unit: str, row: str, tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_text(f"adcode,name_en,cropland_kha\n{row},A,2\n", encoding="utf-8")
    units = pd.DataFrame({"adcode": [unit], "name_en": ["A"]})
    with pytest.raises(
        ValueError, match=rf"have no row for {unit} \(A; the table has '{row}', so write one as the other\)"
    ):
        match_statistics(units, read_statistics(path), path)


@given(st.text())
def test_a_cell_is_no_formula_and_is_read_as_it_was(text: str) -> None:
    cell = escaped(text)
    assert unescaped(cell) == text
    is_number = text.removeprefix("-").removeprefix("+").replace(".", "").isdigit()
    assert (
        not (cell[:1] in ("=", "+", "-", "@", "\t", "\r") and len(cell) > 1)
        or is_number
        or "\n" in text
        or "e" in text.lower()
    )


HOSTILE = [
    "=1+1",
    "+cmd|'/C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "'=1",
    "-1",
    "NA",
    "None",
    "null",
    "001",
    "a,b",
    'q"',
    "x\ny",
]


def test_tables_of_a_run_hold_no_formulas_and_read_back_the_same(tmp_path: Path) -> None:
    table = pd.DataFrame({"adcode": HOSTILE, "name_en": HOSTILE[::-1], "name_zh": "", "area": -1.5, "known": None})
    path = write_csv(tmp_path / "units.csv", table)
    text = path.read_text(encoding="utf-8")
    assert "\n=1" not in text and "'=1+1" in text and "'@SUM" in text and ",-1.5," in text
    back = read_csv(path)
    assert list(back.adcode) == HOSTILE and list(back.name_en) == HOSTILE[::-1] and back.area.eq(-1.5).all()
    assert list(read_text_table(path, "table").adcode) == [text.strip() for text in HOSTILE]


def test_tables_without_such_texts_stay_as_they_were() -> None:
    table = pd.DataFrame({"a": ["x", "-", "+5", "-1.5", "=", ""], "b": [0.1, -2, 3, 4, 5, None], "c": [True] * 6})
    assert csv_of(table) == table.to_csv(index=False, float_format="%.8g", lineterminator="\n")
