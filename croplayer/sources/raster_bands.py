"""What a raster, or the STAC item that lists it, says of its bands, and which of them a purpose takes.

The same rules hold for rasters, STAC assets, maps of codes and elevation models. What a file says is used. Where it
contradicts itself or its item, or says too little, an error names the key of the recipe that settles it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from rasterio.io import DatasetReader

COLOURS = ("red", "green", "blue")
ALPHA = "alpha"
PALETTE = "palette"
UNTAGGED = frozenset({"undefined", "gray"})
"""Colour tags that GDAL writes by itself, so that they say nothing."""
OTHER_COLOUR_SPACES = frozenset(
    {"hue", "saturation", "lightness", "cyan", "magenta", "yellow", "black", "y", "cb", "cr"}
)

METRES = {
    "m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0,
    "cm": 0.01, "centimetre": 0.01, "centimeter": 0.01, "centimetres": 0.01, "centimeters": 0.01,
    "mm": 0.001, "dm": 0.1, "decimetre": 0.1, "decimeter": 0.1, "decimetres": 0.1, "decimeters": 0.1, "km": 1000.0,
    "ft": 0.3048, "foot": 0.3048, "feet": 0.3048, "international foot": 0.3048, "international feet": 0.3048,
    "us survey foot": 1200 / 3937, "us survey feet": 1200 / 3937, "us-ft": 1200 / 3937, "ftus": 1200 / 3937,
    "foot_us": 1200 / 3937, "us_survey_foot": 1200 / 3937, "us survey foot (ftus)": 1200 / 3937, "us ft": 1200 / 3937,
    "sft": 1200 / 3937, "ft_us": 1200 / 3937,
}  # fmt: skip
"""Metres of a unit of length, by its names in lower case."""


class Band(NamedTuple):
    """What is said of one band."""

    number: int
    """One-based."""
    dtype: str
    colour: str
    """Colour interpretation as GDAL names it, in lower case."""
    text: str
    """The band's description."""
    nodata: float | None
    scale: float
    offset: float
    unit: str

    @property
    def says_scale(self) -> bool:
        """Whether the stored numbers are not the values."""
        return (self.scale, self.offset) != (1.0, 0.0)


class AssetWords(NamedTuple):
    """What a STAC item says of the bands of an asset; empty tuples if it says nothing."""

    where: str = ""
    """The file of items, and the item, for messages."""
    nodata: tuple[float | None, ...] = ()
    scales: tuple[float | None, ...] = ()
    offsets: tuple[float | None, ...] = ()
    colours: tuple[str, ...] = ()
    """Common names of the bands, empty where there is none."""


NO_WORDS = AssetWords()


def bands_of(dataset: DatasetReader, name: str, words: AssetWords = NO_WORDS) -> tuple[Band, ...]:
    """Every band of a raster with what the file and its item say of it.

    Raises ValueError if both speak of the same thing and differ.
    """
    tags = [tag.name.casefold() for tag in dataset.colorinterp]
    said = [_spread(part, tags, name, words.where) for part in words[1:]]
    bands = []
    for i in range(dataset.count):
        of_item = [part[i] for part in said]
        nodata = _agreed(dataset.nodatavals[i], of_item[0], None, "nodata", name, words.where)
        scale = _agreed(dataset.scales[i], of_item[1], 1.0, "scale", name, words.where)
        offset = _agreed(dataset.offsets[i], of_item[2], 0.0, "offset", name, words.where)
        text = (dataset.descriptions[i] or "").strip()
        common = (of_item[3] or "").casefold()
        bands.append(
            Band(
                i + 1, dataset.dtypes[i], tags[i], common or text, nodata,
                1.0 if scale is None else scale, 0.0 if offset is None else offset, (dataset.units[i] or "").strip(),
            )
        )  # fmt: skip
    return tuple(bands)


def _spread(said: Sequence[Any], tags: Sequence[str], name: str, where: str) -> list[Any]:
    """What an item says of each band of a file: of all alike, of every band, or of every one that is no alpha band."""
    colours = [i for i, tag in enumerate(tags) if tag != ALPHA]
    if len(said) in (0, 1):
        return [said[0] if said else None] * len(tags)
    if len(said) == len(tags):
        return list(said)
    if len(said) != len(colours):
        raise ValueError(f"{where} describes {len(said)} bands, raster {name} has {len(tags)}; correct the item")
    of_band = dict(zip(colours, said, strict=True))
    return [of_band.get(i) for i in range(len(tags))]


def _agreed(
    file: float | None, item: float | None, silent: float | None, what: str, name: str, where: str
) -> float | None:
    """What file and item say together; ``silent`` is what a file has that says nothing."""
    if item is None or file == item or (file is not None and np.isnan(file) and np.isnan(item)):
        return file
    if file is None or file == silent:
        return float(item)
    raise ValueError(f"raster {name} says {what} {file:g}, {where} says {item:g}; correct the one that is wrong")


class ColourBands(NamedTuple):
    """The bands of imagery, and how their numbers become 0 to 255."""

    numbers: tuple[int, ...]
    factors: tuple[float, ...]
    """Factor of each band's stored numbers."""
    terms: tuple[float, ...]
    """Term that is added to each."""
    is_palette: bool = False
    """Whether the only band holds numbers of the file's colour table."""


def colour_bands(
    bands: Sequence[Band],
    name: str,
    source: str,
    chosen: Sequence[int] | None,
    scale: tuple[float, float] | None,
    n: int = 3,
) -> ColourBands:
    """The bands of red, green and blue, or the only band of one colour (n = 1).

    Parameters
    ----------
    bands : all bands of the raster
    name, source : the raster and the source, for messages
    chosen : bands that the recipe names, which count whatever their tags say; None to take those that the tags or
        descriptions name, else the first ones that are no alpha band
    scale : values that become 0 and 255, after the bands' own scale and offset; None for pixels of 8 bits

    Raises
    ------
    ValueError
        if the bands cannot be told, are not RGB, or hold other values than 0 to 255 without a ``scale``
    """
    if chosen is not None:
        _check_numbers(chosen, bands, name, source)
        numbers = tuple(chosen)
    else:
        numbers = _told_colours(bands, name, source) if n == 3 else _only_colour(bands, name)
    taken = [bands[number - 1] for number in numbers]
    for band in taken:
        if band.colour == ALPHA:
            raise ValueError(
                f"raster {name}: band {band.number} is its alpha band and no colour; choose others with bands"
            )
        if band.colour in OTHER_COLOUR_SPACES:
            raise ValueError(f"raster {name} holds {band.colour}, not red, green and blue; convert it to RGB first")
        if band.colour == PALETTE and (chosen is not None or n == 1):
            raise ValueError(f"raster {name}: band {band.number} numbers the colours of a table; leave out bands")
    is_palette = len(numbers) == 1 and n == 3
    if scale is None or is_palette:
        _check_eight_bits(taken, name)
        return ColourBands(numbers, (1.0,) * len(numbers), (0.0,) * len(numbers), is_palette)
    if any(np.dtype(band.dtype).kind not in "iuf" for band in taken):
        raise ValueError(f"raster {name} has {taken[0].dtype} pixels; expected real numbers")
    low, high = scale
    gain = 255 / (high - low)
    return ColourBands(numbers, tuple(b.scale * gain for b in taken), tuple((b.offset - low) * gain for b in taken))


def _check_numbers(chosen: Sequence[int], bands: Sequence[Band], name: str, source: str) -> None:
    if min(chosen) < 1:
        raise ValueError(f"source '{source}': bands are {tuple(chosen)}; the first band is 1")
    if max(chosen) > len(bands):
        raise ValueError(f"raster {name} has {len(bands)} bands; source '{source}' asks for {tuple(chosen)}")


def _told_colours(bands: Sequence[Band], name: str, source: str) -> tuple[int, ...]:
    """The bands that tags and descriptions name red, green and blue, or the first three where they name none."""
    seen = [band for band in bands if band.colour != ALPHA]
    if len(seen) == 1 and seen[0].colour == PALETTE:
        return (seen[0].number,)
    by_tag = [[b.number for b in seen if b.colour == colour] for colour in COLOURS]
    by_text = [[b.number for b in seen if b.text.casefold() == colour] for colour in COLOURS]
    told = {tuple(numbers for (numbers,) in by) for by in (by_tag, by_text) if all(len(found) == 1 for found in by)}
    if len(told) == 2 or (not told and (any(by_tag) or any(by_text))):
        tags = ", ".join(f"{b.number} {b.colour}{f' ({b.text})' if b.text else ''}" for b in bands)
        raise ValueError(f"raster {name} does not say clearly which bands are red, green and blue: {tags}; set bands")
    if told:
        return told.pop()
    if len(seen) < 3:
        hint = (
            f"; for grey imagery set bands = [{seen[0].number}, {seen[0].number}, {seen[0].number}]"
            if len(seen) == 1
            else ""
        )
        raise ValueError(f"raster {name} has {len(seen)} bands; source '{source}' asks for (1, 2, 3){hint}")
    return tuple(band.number for band in seen[:3])


def _only_colour(bands: Sequence[Band], name: str) -> tuple[int, ...]:
    seen = [band.number for band in bands if band.colour != ALPHA]
    if len(seen) != 1:
        raise ValueError(
            f"raster {name} has {len(seen)} bands, expected one for one colour; "
            "name a single asset in assets and its bands in bands"
        )
    return tuple(seen)


def _check_eight_bits(taken: Sequence[Band], name: str) -> None:
    other = sorted({band.dtype for band in taken} - {"uint8"})
    if other:
        raise ValueError(
            f"raster {name} has {other[0]} pixels; expected uint8: set scale = [low, high] in the source, the values that "
            "become 0 and 255"
        )
    for band in taken:
        if band.says_scale:
            raise ValueError(
                f"raster {name}: band {band.number} has scale {band.scale:g} and offset {band.offset:g}; set scale = "
                "[low, high] in the source, the values after them that become 0 and 255"
            )


def code_band(bands: Sequence[Band], name: str, band: int | None, year: int | None) -> Band:
    """The band of class codes: the only one, the one that the recipe names, or the one of a year.

    The years of bands are known if every description holds one, or if the file's name holds the first and the last
    of as many years as there are bands.

    Raises ValueError if there are several and none is named, or if it does not hold integer codes.
    """
    seen = [b for b in bands if b.colour != ALPHA]
    years = _years(seen, name)
    taken = _chosen_band(seen, bands, name, band, year, years)
    if np.dtype(taken.dtype).kind not in "iu":
        raise ValueError(f"raster {name} has {taken.dtype} pixels; expected integer codes")
    if taken.says_scale:
        raise ValueError(
            f"raster {name}: band {taken.number} has scale {taken.scale:g} and offset {taken.offset:g}, so its numbers are "
            "not codes; write it without them first"
        )
    return taken


def _chosen_band(
    seen: Sequence[Band], bands: Sequence[Band], name: str, band: int | None, year: int | None, years: dict[int, Band]
) -> Band:
    if band is not None:
        found = next((b for b in seen if b.number == band), None)
        if found is None:
            raise ValueError(f"raster {name} has {len(bands)} bands; band = {band} is none of them that holds values")
        return found
    if len(seen) == 1:
        return seen[0]
    told = f", of the years {min(years)} to {max(years)}" if years else ""
    if year is not None and year in years:
        return years[year]
    asked = f" and year = {year} is none of them" if year is not None and years else ""
    keys = f"set band, from 1 to {len(bands)}" + (", or year" if years else "")
    raise ValueError(f"raster {name} has {len(seen)} bands{told}{asked}; {keys}")


def _years(bands: Sequence[Band], name: str) -> dict[int, Band]:
    """Bands by the year that the file says they are of; empty if it does not."""
    if len(bands) < 2:
        return {}
    found = [re.findall(r"(?<!\d)((?:19|20)\d\d)(?!\d)", band.text) for band in bands]
    if all(len(of_band) == 1 for of_band in found):
        years = [int(of_band[0]) for of_band in found]
        return dict(zip(years, bands, strict=True)) if len(set(years)) == len(years) else {}
    stem = name.rpartition("/")[2]
    spans = {
        (int(first), int(last))
        for first, last in re.findall(r"(?<!\d)((?:19|20)\d\d)[-_]?(?:to)?[-_]?((?:19|20)\d\d)(?!\d)", stem)
        if int(last) - int(first) + 1 == len(bands)
    }
    if any(any(of_band) for of_band in found) or len(spans) != 1:
        return {}
    ((first, _),) = spans
    return {first + i: band for i, band in enumerate(bands)}


class HeightBand(NamedTuple):
    """The band of an elevation model, and how its numbers become metres."""

    number: int
    factor: float
    term: float


def height_band(
    bands: Sequence[Band], name: str, band: int | None, unit: str | None, unit_of_crs: float | None
) -> HeightBand:
    """The band of heights: the only one, or the one that the recipe names.

    Parameters
    ----------
    unit : unit that the recipe states, which counts whatever the file says
    unit_of_crs : metres of the unit of the vertical part of the CRS, None if it has none

    Raises ValueError if there are several bands and none is named, or for a unit that is no length.
    """
    seen = [b for b in bands if b.colour != ALPHA]
    if band is None and len(seen) != 1:
        raise ValueError(f"elevation {name} has {len(seen)} bands; set band in [terrain], from 1 to {len(bands)}")
    taken = next((b for b in seen if band in (None, b.number)), None)
    if taken is None:
        raise ValueError(f"elevation {name} has {len(bands)} bands; band = {band} is none of them that holds heights")
    if np.dtype(taken.dtype).kind not in "iuf":
        raise ValueError(f"elevation {name} has {taken.dtype} pixels; expected real numbers")
    said = unit or taken.unit
    metres = METRES.get(said.casefold()) if said else unit_of_crs or 1.0
    if metres is None:
        raise ValueError(f'elevation {name} has heights in "{said}"; set unit in [terrain], for example unit = "m"')
    if said and unit is None and unit_of_crs is not None and not np.isclose(metres, unit_of_crs, rtol=1e-9):
        raise ValueError(
            f'elevation {name} has heights in "{said}", but the vertical part of its CRS is in units of {unit_of_crs:g} m; '
            "set unit in [terrain]"
        )
    return HeightBand(taken.number, taken.scale * metres, taken.offset * metres)
