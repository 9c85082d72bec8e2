"""Names of files from text of data."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stores.file_names import LONGEST_BYTES, file_name, file_names

RIGHT = [
    ("cf_110000\0北京", "cf_110000_北京.tif"),
    ("cf_XX/01\0West", "cf_XX_01_West.tif"),
    ("../../../../outside", "_outside.tif"),
    ("..\\..\\outside", "_outside.tif"),
    ("St. Louis", "St_Louis.tif"),
    ("1.0", "1.0.tif"),
    ("cafe\u0301", "caf\u00e9.tif"),
    ("दिल्ली", "दिल्ली.tif"),
    (".ssh", "_ssh.tif"),
    ("-rf", "_-rf.tif"),
    ("con.txt", "_con.txt.tif"),
    ("a\n\u202e\x1b[2J$(x)`b", "a_2J_x_b.tif"),
]


@pytest.mark.parametrize(("text", "name"), RIGHT)
def test_a_name_keeps_what_belongs_into_one(text: str, name: str) -> None:
    assert file_name(text, ".tif") == name


@given(st.text(max_size=300), st.sampled_from(["", ".tif", ".parquet"]))
def test_every_text_gives_a_plain_name_of_bounded_length(text: str, suffix: str) -> None:
    name = file_name(text, suffix)
    assert name == unicodedata.normalize("NFC", name) and name.endswith(suffix)
    assert Path(name).name == name and not name.startswith((".", "-")) and ".." not in name
    assert 0 < len(name.encode()) <= LONGEST_BYTES
    assert all(c in "-_." or unicodedata.category(c)[0] in "LMN" for c in name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFD", name).lower()


@given(st.lists(st.text("aA/\\?é\u0301e.", max_size=4), unique=True, max_size=30))
def test_names_in_one_folder_differ_in_any_order(texts: list[str]) -> None:
    names = file_names(texts, ".tif")
    assert len({_folded(name) for name in names}) == len(texts)
    assert file_names(texts[::-1], ".tif") == names[::-1]


def test_long_texts_with_one_beginning_have_different_names() -> None:
    first, second = file_names(["北" * 300 + "a", "北" * 300 + "b"], ".parquet")
    assert first != second and first.startswith("北" * 50)


def test_one_text_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="'a' appears twice"):
        file_names(["a", "a"])
