"""Read corrections by hand from a vector file."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import geopandas as gpd
import pandas as pd

from croplayer.vector.corrections import Action, HandCorrection
from croplayer.vector.polygons import checked_polygons
from croplayer.vector.read import read_vector
from stores.grid import CRS
from stores.near_names import did_you_mean

COLUMNS = ("action", "author", "reason", "date")
"""Columns of a file of corrections, all filled in."""
MOST_TOLD = 20
"""Problems of a file that are named at once."""
LONGEST_TEXT = 500


def read_corrections(path: Path, layer: str | None = None) -> tuple[HandCorrection, ...]:
    """The corrections of a vector file in the order in which they are applied: by date, those of one date as in the file.

    So where two overlap, the later date wins, and of the same date the later feature. A file without a feature is allowed.

    Parameters
    ----------
    path : polygons in any CRS, with the columns `COLUMNS`
    layer : layer of a GeoPackage; None for the only one with geometry

    Raises
    ------
    FileNotFoundError, ValueError
        as ``read_vector``; for a missing column; and, all at once, for each feature and field that is empty or wrong
    """
    what = "corrections"
    frame = read_vector(path, what, layer, may_be_empty=True)
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        others = [str(c) for c in frame.columns if c != frame.geometry.name]
        raise ValueError(
            f"{what} {path} has no column '{missing[0]}'{did_you_mean(missing[0], others)}; expected {', '.join(COLUMNS)}"
        )
    frame = frame.to_crs(CRS)
    found: list[HandCorrection] = []
    problems: list[str] = []
    for number, (_, row) in enumerate(frame.iterrows(), start=1):
        values = {}
        for name in COLUMNS:
            try:
                values[name] = _READERS[name](row[name])
            except ValueError as error:
                problems.append(f"feature {number}, {name}: {error}")
        try:
            outline = checked_polygons(gpd.GeoSeries([row[frame.geometry.name]], crs=CRS), ["its outline"]).iloc[0]
        except ValueError as error:
            problems.append(f"feature {number}, geometry: {error}")
            continue
        if len(values) < len(COLUMNS):
            continue
        own = HandCorrection(
            Action(values["action"]), values["author"], values["reason"], values["date"], outline, number
        )
        same = next((other.feature for other in found if other.id == own.id), None)
        if same is not None:
            problems.append(f"feature {number}: it is the same as feature {same}; remove one of them")
        found.append(own)
    if problems:
        rest = f"; and {len(problems) - MOST_TOLD} more" if len(problems) > MOST_TOLD else ""
        raise ValueError(f"{what} {path}: {'; '.join(problems[:MOST_TOLD])}{rest}")
    return tuple(sorted(found, key=lambda c: c.date))


def _text(value: object) -> str:
    text = "" if value is None or pd.isna(value) else " ".join(str(value).split())
    if not text:
        raise ValueError("it is empty")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"it has {len(text)} characters; expected at most {LONGEST_TEXT}")
    return text


def _action(value: object) -> str:
    text = _text(value)
    if text.casefold() not in list(Action):
        raise ValueError(f"'{text[:40]}' is unknown; expected {' or '.join(Action)}{did_you_mean(text, Action)}")
    return text.casefold()


def _date(value: object) -> str:
    """A date, or a date and a time in UTC, which sorts as text."""
    found = value
    if isinstance(value, str) or value is None or pd.isna(value):
        text = _text(value)
        try:
            found = datetime.fromisoformat(text.replace("/", "-"))
        except ValueError:
            raise ValueError(f"'{text[:40]}' is no date; expected a form like 2024-05-31") from None
    if not isinstance(found, date):
        raise ValueError(f"'{str(value)[:40]}' is no date; expected a form like 2024-05-31")
    if not isinstance(found, datetime):
        return found.isoformat()
    if found.tzinfo is not None:
        found = found.astimezone(UTC)
    has_time = found.time() != time()
    return found.strftime("%Y-%m-%dT%H:%M:%S") if has_time else found.date().isoformat()


_READERS = {"action": _action, "author": _text, "reason": _text, "date": _date}
