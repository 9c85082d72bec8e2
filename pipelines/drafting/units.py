"""Which columns of a vector file hold the codes and names of its units."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import pandas as pd
import pyogrio

from croplayer.vector.boundaries import USUAL, UnitColumns, read_boundaries
from croplayer.vector.read import read_vector
from pipelines.drafting.codes import code_column, most_found
from pipelines.drafting.draft import Entry
from pipelines.drafting.imagery import beside

NAME_WORDS = re.compile(r"name|_en$|_zh$|^nom|名|省|市|县", re.IGNORECASE)
"""Names of columns of names."""
HAN = re.compile(r"[㐀-鿿]")
DIGIT = re.compile(r"\d")
LATIN = re.compile(r"[^\W\d_]")
GEOPACKAGE = b"SQLite format 3\x00"


class UnitFile(NamedTuple):
    """A file of admin units, and how a draft reads it."""

    path: Path
    columns: UnitColumns
    layer: str | None
    units: gpd.GeoDataFrame
    """As `read_boundaries` gives them."""
    entries: tuple[Entry, ...]
    """The keys of its table without the level."""


def look_at_units(path: Path, folder: Path, codes: Sequence[str] = ()) -> UnitFile:
    """A file of units with its columns guessed.

    Parameters
    ----------
    folder : folder of the recipe, where relative paths begin
    codes : texts of a table of statistics, among which the codes of the units should be

    Raises
    ------
    FileNotFoundError, ValueError
        if the file cannot be read, or no column tells its units apart
    """
    layer, entries = _layer(path)
    frame = read_vector(path, "boundaries", layer)
    table = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    texts = {str(name): [_text(value) for value in table[name]] for name in table.columns}
    code = code_column(texts, codes)
    if code is None:
        raise ValueError(
            f"boundaries {path} have no column that tells the {len(table)} units apart; they have {', '.join(texts) or 'none'}"
        )
    chinese, latin = _name_columns(texts, code)
    columns = UnitColumns(code, latin or USUAL.name_en, chinese or USUAL.name_zh)
    entries = [Entry("path", beside(path, folder)), *entries]
    words = {"adcode": "the code of a unit", "name_en": "its name", "name_zh": "its name in Chinese"}
    for key, found in (("adcode", code), ("name_en", latin), ("name_zh", chinese)):
        if found is not None and found != key:
            shown = ", ".join(text for text in texts[found][:3] if text)
            why = "; the statistics hold these" if key == "adcode" and most_found(texts[found], codes)[0] else ""
            entries.append(Entry(key, found, f"{words[key]}, such as {shown}{why}", True))
    return UnitFile(path, columns, layer, read_boundaries(path, columns, 1, layer), tuple(entries))


def name_column(texts: dict[str, list[str]], but: Iterable[str], letters: re.Pattern[str]) -> str | None:
    """The column of names in an alphabet: texts of it without digits in most rows, and named like one.

    Of several the one with the most different texts counts.
    """
    left_out = set(but)
    fitting = {
        name: values
        for name, values in texts.items()
        if name not in left_out
        and sum(letters.search(v) is not None and not DIGIT.search(v) for v in values) > len(values) / 2
    }
    return max(fitting, key=lambda n: (NAME_WORDS.search(n) is not None, len(set(fitting[n])))) if fitting else None


def _name_columns(texts: dict[str, list[str]], code: str) -> tuple[str | None, str | None]:
    """The columns of names in Chinese and in letters; None for one that the file lacks."""
    chinese = USUAL.name_zh if USUAL.name_zh in texts else name_column(texts, [code], HAN)
    no_han = {name: values for name, values in texts.items() if not any(HAN.search(v) for v in values)}
    latin = USUAL.name_en if USUAL.name_en in texts else name_column(no_han, [code, chinese or ""], LATIN)
    return chinese, latin


def _layer(path: Path) -> tuple[str | None, list[Entry]]:
    """The layer of a GeoPackage to read, with the guess where several hold polygons; None for the only one."""
    if not path.is_file():
        return None, []
    with path.open("rb") as file:
        if file.read(len(GEOPACKAGE)) != GEOPACKAGE:
            return None, []
    try:
        layers = [(str(name), str(kind)) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except Exception:  # readers raise errors of any class on damaged files; whoever reads it says what is wrong
        return None, []
    if len(layers) < 2:
        return None, []
    polygons = [name for name, kind in layers if "Polygon" in kind] or [name for name, _ in layers]
    others = ", ".join(name for name, _ in layers if name != polygons[0])
    return polygons[0], [Entry("layer", polygons[0], f"the first layer of polygons; the file also has {others}", True)]


def _text(value: object) -> str:
    """A code or a name as `read_boundaries` takes it."""
    if value is None or value != value or value is pd.NA:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return unicodedata.normalize("NFC", str(value).strip())
