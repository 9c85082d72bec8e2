"""The one-file HTML report."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import jinja2
import pandas as pd


@dataclass(frozen=True)
class Picture:
    """A figure with its caption."""

    name: str
    caption: str
    png: bytes

    @property
    def data(self) -> str:
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Table:
    """A table with its caption; cells are shown as they are."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A part of the report. A missing input is named in ``gaps``, never filled."""

    title: str
    text: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    gaps: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """Everything on the page."""

    title: str
    about: Sequence[str]
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=tuple)

    def to_html(self) -> str:
        """The page with its pictures inside."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("croplayer.report"), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        return environment.get_template("report.html").render(report=self)


def number(value: object, digits: int = 3) -> str:
    """A cell: a number in few digits, a word as it is, a dash for what is not known."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
    return str(value)


def table_of(frame: pd.DataFrame, caption: str, header: dict[str, str], digits: int = 3) -> Table:
    """Columns of a frame under plain headings; columns that it lacks are left out."""
    columns = [c for c in header if c in frame.columns]
    cells = [[number(_plain(v), digits) for v in row] for row in frame[columns].itertuples(index=False)]
    return Table(caption, [header[c] for c in columns], cells)


def _plain(value: object) -> object:
    return value.item() if hasattr(value, "item") else value
