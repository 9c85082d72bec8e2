"""What a server says of the times of a tile: when its imagery was taken, or when the server changed it last.

``X-VE-TILEMETA-CaptureDatesRange`` states the days between which the imagery was taken, as "6/1/2020-8/31/2020". Bing serves it,
and OpenImageryNetwork copied it. ``Last-Modified`` (RFC 9110) is no date of imagery: a server may make or copy tiles years after a
flight. It only says that the imagery was taken before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from croplayer.sources.time_spans import NOT_TOLD, ImageryTimes, TimeSpan

CAPTURED, CHANGED = "x-ve-tilemeta-capturedatesrange", "last-modified"
LONGEST_TEXT = 100
"""Characters of a header that are looked at."""
NO_SERVER_BEFORE = datetime(1991, 1, 1, tzinfo=UTC)
"""Servers without a clock, or without a date, say 1970."""
_RANGE = re.compile(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})\s*-\s*(\d{1,2})/(\d{1,2})/(\d{4})\s*", re.ASCII)


def told_in(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer that tell times, by their names in lower case; those that tell nothing are left out."""
    found = {name: headers.get(name, "") for name in (CAPTURED, CHANGED)}
    return {name: text for name, text in found.items() if text and times_of({name: text}) != NOT_TOLD}


def times_of(told: Mapping[str, str], now: datetime | None = None) -> ImageryTimes:
    """The times in some headers; what is no time, or a time that cannot be, tells nothing.

    Parameters
    ----------
    told : headers by their names in lower case
    now : the moment after which nothing can have been taken; None for now
    """
    latest = (now or datetime.now(UTC)) + timedelta(days=1)
    return ImageryTimes(_span(told.get(CAPTURED, ""), latest), _moment(told.get(CHANGED, ""), latest))


def together(times: Iterable[ImageryTimes]) -> ImageryTimes:
    """The times of imagery that is made of several tiles: from the first to the last; where one does not tell, nothing does."""
    each = list(times)
    spans = [time.taken for time in each if time.taken is not None]
    moments = [time.renewed for time in each if time.renewed is not None]
    return ImageryTimes(
        TimeSpan(min(s.start for s in spans), max(s.end for s in spans)) if spans and len(spans) == len(each) else None,
        max(moments) if moments and len(moments) == len(each) else None,
    )


def _span(text: str, latest: datetime) -> TimeSpan | None:
    match = _RANGE.fullmatch(text[:LONGEST_TEXT])
    if match is None:
        return None
    month, day, year, last_month, last_day, last_year = map(int, match.groups())
    try:
        start = datetime(year, month, day, tzinfo=UTC)
        end = datetime(last_year, last_month, last_day, tzinfo=UTC) + (timedelta(days=1) - timedelta(milliseconds=1))
    except ValueError:
        return None
    return TimeSpan(start, end) if start <= end and start <= latest else None


def _moment(text: str, latest: datetime) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text[:LONGEST_TEXT])
    except (ValueError, TypeError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC) if NO_SERVER_BEFORE <= moment <= latest else None
