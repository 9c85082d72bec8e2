"""Bad tables of areas, reviews and overrides get one sentence that names the file and the row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from shared.bad_files import (
    BLOCK,
    Case,
    bytes_of,
    check,
    text_of,
    units,
)

from croplayer.decisions.reviews import read_overrides, read_reviews
from croplayer.evaluation.statistics import match_statistics, read_statistics

HEADER = "adcode,name_en,name_zh,cropland_kha,note\n"


ROW = "110000,A,北京,93.5,\n"


def statistics(name: str, write: Callable[[Path], object], sentence: str) -> Case:
    return Case(f"statistics {name}", "areas.csv", write, read_statistics, sentence)


TABLES = [
    statistics("in gb18030", text_of(HEADER + ROW, "gb18030"), "row 2: the text is not UTF-8; save the file as UTF-8"),
    statistics("in latin-1", text_of(HEADER + "1,É,b,3,\n", "latin-1"), "row 2: the text is not UTF-8"),
    statistics("with '1,234'", text_of(HEADER + '110000,A,B,"1,234",\n'), r"row 2 \(adcode 110000\): cropland_kha is '1,234'"),
    statistics("with '-'", text_of(HEADER + ROW + "120000,A,B,-,\n"), r"row 3 \(adcode 120000\): cropland_kha is '-'"),
    statistics("with 'NA'", text_of(HEADER + "110000,A,B,NA,\n"), "row 2 .*cropland_kha is 'NA'"),
    statistics("with 'nan'", text_of(HEADER + "110000,A,B,nan,\n"), "row 2 .*cropland_kha is 'nan'"),
    statistics("with 'inf'", text_of(HEADER + "110000,A,B,inf,\n"), "row 2 .*cropland_kha is 'inf'"),
    statistics("with '1_000'", text_of(HEADER + "110000,A,B,1_000,\n"), "row 2 .*cropland_kha is '1_000'"),
    statistics("negative", text_of(HEADER + "110000,A,B,-5,\n"), "row 2 .*cropland_kha is -5; expected 0 or more"),
    statistics("with a field more", text_of(HEADER + "110000,A,B,x,1.5,\n"), "row 2: has 6 fields, the header has 5"),
    statistics("with a field less", text_of(HEADER + ROW + "120000,A,1.5\n"), "row 3: has 3 fields, the header has 5"),
    statistics("with an open quotation", text_of(HEADER + '110000,"A,B,1.5,\n'), "row 2: .*correct the quotation marks"),
    statistics("with a NUL", text_of(HEADER + "110000,A\0,B,1.5,\n"), "row 2: holds a NUL"),
    statistics("with a column twice", text_of("adcode," + HEADER + "1," + ROW), "row 1: the column 'adcode' appears twice"),
    statistics("without a column", text_of("adcode,area\n1,2\n"), "have no column 'name_en'; they have adcode, area"),
    statistics("without a unit of measure", text_of("adcode,name_en,cropland\n110000,A,3\n"), "have no column of areas; expected one of 'cropland_kha'"),
    statistics("in two units", text_of("adcode,name_en,cropland_ha,cropland_mu\n110000,A,3,45\n"), "have the columns cropland_ha,cropland_mu; expected one"),
    statistics("with a quoted number", text_of("adcode,name_en,cropland_mu\n110000,A,'3'\n"), r"row 2 \(adcode 110000\): cropland_mu is"),
    Case(
        "statistics in mu that are said to be hectares", "areas.csv", text_of("adcode,name_en,cropland_ha\n110000,A,30000\n"),
        lambda path: match_statistics(units()[["adcode", "name_en"]].iloc[:1], read_statistics(path), path, (), (15, 25)),
        r"sum up to 300 km2 over 1 units; statistics.sum_km2 expects 15 to 25, so check the unit",
    ),
    statistics("without a row", text_of(HEADER), "hold no row"),
    statistics("empty", bytes_of(b""), "the file is empty"),
    statistics("with a code twice", text_of(HEADER + ROW + ROW), "row 3: adcode 110000 appears twice"),
    statistics("without a code", text_of(HEADER + ",A,B,1,\n"), "row 2: adcode is empty"),
    statistics("absent", lambda path: None, "do not exist"),
    Case(
        "statistics of more cropland than land", "areas.csv", text_of(HEADER + "110000,A,B,9350,\n"),
        lambda path: match_statistics(units()[["adcode", "name_en"]].iloc[:1].assign(land_km2=16_400.0), read_statistics(path), path),
        r"adcode 110000\): 93500 km2 of cropland are more than the 16400 km2 of the unit; check the unit of measure",
    ),
    Case(
        "statistics without a province", "areas.csv", text_of(HEADER + ROW),
        lambda path: match_statistics(units(), read_statistics(path), path), r"have no row for 120000 \(B\)",
    ),
    Case("reviews with a wrong block", "r.csv", text_of("block,integration\nr1c1,Neither\n"), lambda p: read_reviews([p], ["a"]), "row 2: block"),
    Case("reviews with a wrong class", "r.csv", text_of(f"block,integration\n{BLOCK.name},Both\n"), lambda p: read_reviews([p], ["a"]), "row 2: integration 'Both' is unknown"),
    Case("reviews with a field more", "r.csv", text_of(f"block,integration\n{BLOCK.name},Neither,\n"), lambda p: read_reviews([p], ["a"]), "row 2: has 3 fields"),
    Case("overrides without a reason", "o.csv", text_of(f"block,integration,reason\n{BLOCK.name},Neither,\n"), read_overrides, "row 2: reason is empty"),
]  # fmt: skip


@pytest.mark.parametrize("case", TABLES, ids=[c.name for c in TABLES])
def test_what_is_wrong_is_said_in_one_sentence_that_names_the_file(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_tables_may_have_a_byte_order_mark_and_codes_keep_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + "010000,A,北京,1.5,x\n\n").encode())
    table = read_statistics(path)
    assert table.adcode[0] == "010000" and table.name_zh[0] == "北京" and table.cropland_kha[0] == 1.5
