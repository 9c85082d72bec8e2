"""Spans of time that people write as a year, a month or a day."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


class TimeSpan(NamedTuple):
    """A time between two moments in UTC, both included; they are equal where the moment is known."""

    start: datetime
    end: datetime


class ImageryTimes(NamedTuple):
    """What tells from when imagery is."""

    taken: TimeSpan | None = None
    """Between which moments it was taken; None where nothing tells."""
    renewed: datetime | None = None
    """When a server last changed it, and so a moment before which it was taken; None where nothing tells."""


NOT_TOLD = ImageryTimes()


def parse_span(text: str) -> TimeSpan:
    """The time that a year, month, day or two of them joined by "/" mean: "2020", "2020-06", "2019-11/2020-03-15".

    Raises ValueError for another text, and for an end before the start.
    """
    dates = [_day_or_more(date, text) for date in text.split("/", maxsplit=1)]
    span = TimeSpan(dates[0].start, dates[-1].end)
    if span.end < span.start:
        raise ValueError(f"the time '{text}' ends before it begins")
    return span


def _day_or_more(date: str, text: str) -> TimeSpan:
    match = _DATE.fullmatch(date)
    if match is None:
        raise ValueError(
            f"'{text}' is no time; expected a year, month or day such as 2020-06, or two such as 2019/2020"
        )
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        start = datetime(year or 0, month or 1, day or 1, tzinfo=UTC)
        last = datetime(start.year, month or 12, day or monthrange(start.year, month or 12)[1], tzinfo=UTC)
    except ValueError as error:
        raise ValueError(f"'{text}' is no time: {error}") from error
    return TimeSpan(start, last + (timedelta(days=1) - timedelta(milliseconds=1)))
