"""The one-file HTML report."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple
from urllib.parse import quote

import jinja2
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from croplayer.report.photographs import photograph_outline
from croplayer.report.style import pdf_bytes, png_bytes

UNKNOWN_CELL = "–"
MOST_LETTERS_UPRIGHT = 140
"""Letters of a table that stand side by side on an upright page, at the size of print."""
SPACE_BETWEEN = 1.5
"""Letters that the space between two columns takes."""
MOST_ROWS_TOGETHER = 24
"""Rows of a table that print keeps on one page, at most."""
TALL_IN = 8.0
"""Height of a figure above which print gives it a page."""
BROAD_IN = 6.0
"""Width of a figure above which a narrow screen moves it sideways."""


@dataclass(frozen=True)
class Picture:
    """A figure: its title says what it shows, its caption how to read it."""

    name: str
    """Name of its files"""
    title: str
    caption: str
    png: bytes
    figure: Figure = field(repr=False, compare=False)

    @classmethod
    def of(cls, name: str, title: str, caption: str, figure: Figure) -> Picture:
        """A picture of a drawn figure."""
        return cls(name, title, caption, png_bytes(figure), figure)

    @property
    def is_tall(self) -> bool:
        """Whether it is so high that print gives it a page."""
        return bool(self.figure.get_size_inches()[1] > TALL_IN)

    @property
    def is_broad(self) -> bool:
        """Whether a narrow screen shows a part of it to move sideways, because the whole would be too small to read."""
        return bool(self.figure.get_size_inches()[0] > BROAD_IN)

    @property
    def pdf(self) -> bytes:
        """The figure as PDF, drawn when it is asked for: that takes as long as the PNG."""
        return pdf_bytes(self.figure)

    @cached_property
    def photographs(self) -> str:
        """Where photographs lie in it, as `photograph_outline`."""
        return photograph_outline(self.figure)

    @property
    def data(self) -> str:
        """The PNG in base64, for the page."""
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Table:
    """A table with its caption; cells are printed unchanged."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def is_wide(self) -> bool:
        """Whether it is wider than an upright page, so that print turns its page: words stay whole, and numbers in one line."""
        longest = [max(map(len, name.split()), default=0) for name in self.header]
        for row in self.rows:
            for i, (cell, are_words) in enumerate(zip(row, self.words, strict=True)):
                longest[i] = max(longest[i], *(map(len, cell.split()) if are_words else [len(cell)]), 0)
        return sum(longest) + SPACE_BETWEEN * len(longest) > MOST_LETTERS_UPRIGHT

    @property
    def is_short(self) -> bool:
        """Whether print keeps it on one page."""
        return len(self.rows) <= MOST_ROWS_TOGETHER

    @cached_property
    def words(self) -> list[bool]:
        """Whether each column holds words and is therefore aligned to the left."""
        return [any(_is_words(row[column]) for row in self.rows) for column in range(len(self.header))]


class Gap(NamedTuple):
    """Something that the report cannot show, and the reason."""

    text: str


Part = Picture | Table | Gap | str
"""A part of a section; a str is a paragraph."""


@dataclass(frozen=True)
class Section:
    """A section of the report with its parts in reading order. A missing input appears as a `Gap`."""

    group: str
    """Heading above the sections of one group: The map, Evaluation or Details"""
    title: str
    parts: Sequence[Part] = ()
    files: Sequence[str] = ()
    """Files with the numbers of the section, as paths from the folder of the report"""
    is_folded: bool = False
    """Whether only its title shows until a reader opens it"""


class Answer(NamedTuple):
    """What a reader wants to know first."""

    question: str
    value: str
    """A number with its unit, or a few words"""
    note: str = ""
    """How good the value is, and what it counts"""


@dataclass(frozen=True)
class Report:
    """Everything on the page."""

    title: str
    about: Sequence[str]
    """Paragraphs at the top, such as a warning that everything is synthetic"""
    facts: Sequence[tuple[str, str]]
    """Name and value of each fact about the run"""
    sections: Sequence[Section] = field(default_factory=tuple)
    answers: Sequence[Answer] = ()
    cautions: Sequence[str] = ()
    """What to distrust"""
    steps: Sequence[str] = ()
    """What to do next"""
    has_map: bool = False
    """Whether there are pixels, which `croplayer view` shows"""

    @property
    def pictures(self) -> list[Picture]:
        """All pictures of the report in reading order."""
        return [part for section in self.sections for part in section.parts if isinstance(part, Picture)]

    def to_html(self) -> str:
        """The report as one HTML file with its pictures embedded."""
        environment = page_environment()
        environment.filters["address"] = quote
        return environment.get_template("report.html").render(report=self)


def page_environment() -> jinja2.Environment:
    """The environment of the templates of this room: every text is escaped, a missing name is an error.

    Filters: ``kind`` of a part ("picture", "table", "gap" or "text"), ``coded`` for texts with code between backticks.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("croplayer.report"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    kind = {Picture: "picture", Table: "table", Gap: "gap", str: "text"}
    environment.filters["kind"] = lambda part: kind[type(part)]
    environment.filters["coded"] = _coded
    return environment


def _coded(text: str) -> Markup:
    """A text in which what stands between backticks is shown as code."""
    parts = [str(escape(part)) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)))


def _is_words(cell: str) -> bool:
    """Whether a cell is a sentence or name rather than a number with its unit."""
    return 2 * sum(letter.isalpha() for letter in cell) > len(cell)


def number(value: object, digits: int = 3) -> str:
    """A single cell as text: a number with ``digits`` significant digits, a word unchanged, a dash for a missing value."""
    value = _plain(value)
    if is_unknown(value):
        return UNKNOWN_CELL
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
    return str(value)


def percent(value: object, decimals: int = 1) -> str:
    """A share as a percentage; a dash for a missing value."""
    return UNKNOWN_CELL if is_unknown(value) else f"{100 * float(value):.{decimals}f} %"  # type: ignore[arg-type]


def is_unknown(value: object) -> bool:
    """Whether a value is missing."""
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


class Column(NamedTuple):
    """A column of a table: the column of the frame, its heading and the style of its cells."""

    key: str
    heading: str
    style: str = ""
    """Empty for numbers in one precision, "same" for one precision in all columns of this style, "share" for shares as
    percentages, "text" for text unchanged"""


def table_of(frame: pd.DataFrame, caption: str, columns: Sequence[Column]) -> Table:
    """A table of columns of a frame, each in one precision; columns that the frame lacks are left out."""
    present = [c for c in columns if c.key in frame.columns]
    alike = [_plain(v) for c in present if c.style == "same" for v in frame[c.key]]
    write = _writer([v for v in alike if isinstance(v, float) and not is_unknown(v)])
    cells = [
        [UNKNOWN_CELL if is_unknown(v) else write(float(v)) for v in frame[c.key]]
        if c.style == "same"
        else column_cells(frame[c.key], c.style)
        for c in present
    ]
    return Table(caption, [c.heading for c in present], list(zip(*cells, strict=True)))


def column_cells(values: pd.Series, style: str = "") -> list[str]:
    """Cells of a column as text; numbers get the decimals that show their median with three digits."""
    plain = [_plain(v) for v in values]
    if style == "share":
        return [percent(v) for v in plain]
    numbers = [v for v in plain if isinstance(v, float) and not is_unknown(v)]
    if style == "text" or len(numbers) != sum(not is_unknown(v) for v in plain):
        return [number(v) for v in plain]
    write = _writer(numbers)
    return [write(v) if isinstance(v, float) and not is_unknown(v) else UNKNOWN_CELL for v in plain]


def _writer(known: Sequence[float]) -> Callable[[float], str]:
    sizes = sorted(abs(v) for v in known if v)
    decimals = 0
    if sizes and not all(v == int(v) for v in known):
        decimals = min(max(2 - math.floor(math.log10(sizes[len(sizes) // 2])), 0), 6)
    return lambda v: f"{v:,.{decimals}f}"


def _plain(value: object) -> object:
    return value.item() if hasattr(value, "item") else value
