"""What the imagery of a draft says of itself: its names, colours, years and place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from croplayer.sources.dates import acquired
from croplayer.sources.raster_bands import ALPHA, COLOURS, PALETTE, Band, colour_bands
from croplayer.sources.raster_file import RasterFile, RasterPlace, boxes_of, open_file
from pipelines.drafting.draft import Entry
from stores.grid import Bounds

ENDINGS = (".tif", ".tiff")
LONGEST_NAME = 24
"""Characters of the name of a source: it becomes a part of the names of many columns."""
FILES_LOOKED_AT = 8
"""Files of a source whose values are looked at for its scale."""
LOOK_PX = 512
"""Largest edge of the reduced picture that is looked at."""
LOW, HIGH = 2, 98
"""Percentiles of the values that become black and white."""
YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d{1,3}(?!\d))")
"""A year in the name of a file, alone or at the start of a date of eight digits."""

DAY = re.compile(r"(?<!\d)((?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)")
"""A date of eight digits in the name of a file."""


class LookedAt(NamedTuple):
    """A source of a draft."""

    name: str
    entries: tuple[Entry, ...]
    """The keys of its table."""
    box: Bounds
    """Around all its files, degrees."""
    years: tuple[int, ...]
    """Years in the names of its files."""
    is_dated: bool
    """Whether its files or their names tell when it was taken."""


def look_at_sources(given: Sequence[str], folder: Path) -> list[LookedAt]:
    """The sources that files, folders of files or ``NAME=`` one of them give.

    Parameters
    ----------
    folder : folder of the recipe, where relative paths begin

    Raises
    ------
    FileNotFoundError, ValueError
        if there is no GeoTIFF, or one cannot be read as imagery; as `open_file` raises
    """
    parted = [_parted(each) for each in given]
    files = [_files(path) for _, path in parted]
    stems = [each[0].stem if len(each) == 1 else each[0].parent.name for each in files]
    found: list[LookedAt] = []
    for (name, _), stem, paths in zip(parted, _own_words(stems), files, strict=True):
        found.append(_look_at(name, stem, paths, folder, [source.name for source in found]))
    return found


def _parted(given: str) -> tuple[str, Path]:
    """The name, empty if there is none, and the path of ``NAME=PATH``."""
    if "://" in given:
        raise ValueError(
            "--source is an address; a STAC API is searched with --stac, other imagery on a server is written by hand, with the "
            "rights to fetch it"
        )
    if Path(given).exists():
        return "", Path(given)
    name, path = parted_name(given, "--source")
    return name, Path(path)


def parted_name(given: str, option: str) -> tuple[str, str]:
    """The name, empty if there is none, and the rest of ``NAME=REST``; ``option`` is named in messages."""
    name, equals, rest = given.partition("=")
    if not equals:
        return "", given
    if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None:
        raise ValueError(
            f"{option} {given}: '{name}' is no name; expected lower-case letters, digits and _, a letter first"
        )
    return name, rest


def _own_words(stems: Sequence[str]) -> list[str]:
    """Names of files without the words that all of them have."""
    words = [re.split(r"[\W_]+", stem) for stem in stems]
    shared = set(words[0]).intersection(*words[1:]) if len(words) > 1 else set()
    own = ["_".join(word for word in each if word not in shared) for each in words]
    return [o or stem for o, stem in zip(own, stems, strict=True)]


def _look_at(name: str, stem: str, files: Sequence[Path], folder: Path, taken: Collection[str]) -> LookedAt:
    rasters = [open_file(RasterPlace(str(path))) for path in files]
    why = "" if name else f"made from the name of the {'file' if len(files) == 1 else 'folder'}"
    name = name or free_name(stem, taken)
    entries = (
        Entry("name", name, why, bool(why)),
        Entry("kind", "raster"),
        Entry("paths", [beside(path, folder) for path in files]),
        *colour_entries(rasters, name),
    )
    years = sorted({int(year) for path in files for year in YEAR.findall(path.stem)})
    is_told = all(acquired(raster.place) for raster in rasters)
    taken = "" if is_told else _taken([path.stem for path in files])
    if taken:
        entries = (
            *entries,
            Entry("taken", taken, "when the imagery was taken, by the dates in the names of the files", True),
        )
    return LookedAt(name, entries, _around(rasters), tuple(years), is_told or bool(taken))


def _taken(stems: Sequence[str]) -> str:
    """The day in the names of files, or the first and the last; empty where a name has none or several."""
    found = [DAY.findall(stem) for stem in stems]
    if any(len(days) != 1 for days in found):
        return ""
    try:
        days = sorted({date.fromisoformat(day).isoformat() for (day,) in found})
    except ValueError:  # such as 31 June, so these are no dates
        return ""
    return days[0] if len(days) == 1 else f"{days[0]}/{days[-1]}"


def beside(path: Path, folder: Path) -> str:
    """A path as a recipe in a folder names it: relative where it lies in the folder or beside it, else absolute."""
    inside = path.resolve()
    for base, start in ((folder.resolve(), ""), (folder.resolve().parent, "../")):
        if inside.is_relative_to(base) and base != Path(base.anchor):
            return start + inside.relative_to(base).as_posix()
    return inside.as_posix()


def free_name(text: str, taken: Collection[str], word: str = "source") -> str:
    """A name for a recipe that is made from a text and not taken yet: lower-case letters, digits and _, a letter first.

    ``word`` stands before a digit, and alone for a text without Latin letters and digits.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "_", ascii_text).strip("_")
    if len(plain) > LONGEST_NAME:
        plain = plain[: LONGEST_NAME + 1].rpartition("_")[0] or plain[:LONGEST_NAME]
    if not plain or not plain[0].isalpha():
        plain = f"{word}_{plain}".rstrip("_")
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain}_{number}"
    return name


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
        if not files:
            raise ValueError(
                f"--source {path} is a folder without GeoTIFFs (.tif); tiles and STAC items are written by hand"
            )
        return files
    if not path.is_file():
        raise FileNotFoundError(f"--source {path} does not exist; expected a GeoTIFF, or a folder of them")
    return [path]


def _around(rasters: Sequence[RasterFile]) -> Bounds:
    """The box around rasters; raises ValueError where it would cross the meridian of 180 degrees."""
    boxes = [box for raster in rasters for box in boxes_of(raster.place)]
    west, south = (min(box[i] for box in boxes) for i in (0, 1))
    east, north = (max(box[i] for box in boxes) for i in (2, 3))
    if east - west > 180:
        raise ValueError(
            f"raster {rasters[0].name} and its neighbours reach around the globe; give the region with --bbox"
        )
    return Bounds(west, south, east, north)


def colour_entries(rasters: Sequence[RasterFile], source: str) -> list[Entry]:
    """The bands and the scale of a source, where its files do not tell them."""
    first = rasters[0]
    seen = [band for band in first.bands if band.colour != ALPHA]
    if len(seen) == 1 and seen[0].colour == PALETTE:
        return []
    entries: list[Entry] = []
    numbers = _told(first.bands)
    if numbers is None:
        numbers = [seen[0].number] * 3 if len(seen) == 1 else [band.number for band in seen[:3]]
        if len(numbers) < 3:
            raise ValueError(f"raster {first.name} has {len(seen)} bands; expected red, green and blue, or one of grey")
        why = (
            "the only band as grey"
            if len(seen) == 1
            else f"the file does not say which of its {len(seen)} bands are red, green and blue"
        )
        entries.append(Entry("bands", numbers, why, True))
    taken = [first.bands[number - 1] for number in numbers]
    entries += _scale(rasters, numbers, taken)
    # What else is wrong with the colours, such as an alpha band among them, is said as in a run.
    scale = next(((e.value[0], e.value[1]) for e in entries if e.key == "scale"), None)
    for raster in rasters:
        colour_bands(
            raster.bands, raster.name, source, next((e.value for e in entries if e.key == "bands"), None), scale
        )
    return entries


def scale_entries(rasters: Sequence[Sequence[RasterFile]]) -> list[Entry]:
    """The scale of imagery whose red, green and blue are files of their own, where their values are not 0 to 255."""
    files = [file for colour in rasters for file in colour]
    return _scale(files, [1], [file.bands[0] for file in files])


def _scale(rasters: Sequence[RasterFile], numbers: Sequence[int], taken: Sequence[Band]) -> list[Entry]:
    """The scale of bands; nothing where all of them hold 0 to 255."""
    if not any(band.dtype != "uint8" or band.says_scale for band in taken):
        return []
    low, high = _usual_values(rasters, numbers)
    why = f"{LOW} to {HIGH} % of the values lie between these, which become black and white"
    return [Entry("scale", [low, high], why, True)]


def _told(bands: Sequence[Band]) -> list[int] | None:
    """The bands that tags or descriptions name red, green and blue, if each is named once and they do not differ."""
    by = [
        [[band.number for band in bands if word(band) == colour] for colour in COLOURS]
        for word in (lambda band: band.colour, lambda band: band.text.casefold())
    ]
    told = {tuple(numbers for (numbers,) in found) for found in by if all(len(each) == 1 for each in found)}
    return list(told.pop()) if len(told) == 1 else None


def _usual_values(rasters: Sequence[RasterFile], numbers: Sequence[int]) -> tuple[float, float]:
    """The percentiles of the values of bands after their own scale and offset, rounded to three digits."""
    values = []
    for raster in rasters[:: max(1, len(rasters) // FILES_LOOKED_AT)][:FILES_LOOKED_AT]:
        height, width = raster.shape
        step = max(1.0, max(height, width) / LOOK_PX)
        shape = (len(numbers), max(1, int(height / step)), max(1, int(width / step)))
        read = raster.dataset.read(list(numbers), out_shape=shape, masked=True).astype(np.float64)
        for i, number in enumerate(numbers):
            band = raster.bands[number - 1]
            found = read[i].compressed() * band.scale + band.offset
            values.append(found[np.isfinite(found)])
    all_values = np.concatenate(values)
    if not len(all_values):
        raise ValueError(f"raster {rasters[0].name} holds no valid pixel")
    low, high = (float(f"{v:.3g}") for v in np.percentile(all_values, (LOW, HIGH)))
    return (low, high) if low < high else (low, low + 1.0)
