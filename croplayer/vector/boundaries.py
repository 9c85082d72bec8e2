"""Admin units read from any vector file, checked, and looked up by name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.vector.polygons import checked_polygons
from croplayer.vector.read import cut_name_hint, read_vector
from stores.grid import CRS, Bounds
from stores.near_names import did_you_mean
from stores.places import read_key

COLUMNS = ("adcode", "name_en", "name_zh", "level")


BORDER_CODE, OUTSIDE_CODE = "border", ""
"""Values in place of a unit's code: for a block that several units share, and for a block outside all units."""


@dataclass(frozen=True)
class UnitColumns:
    """Names of the columns of a boundary file. A file may lack a column of names that has its usual name here."""

    adcode: str = "adcode"
    name_en: str = "name_en"
    name_zh: str = "name_zh"


USUAL = UnitColumns()


def read_boundaries(
    path: Path,
    columns: UnitColumns = USUAL,
    level: int = 1,
    layer: str | None = None,
    encoding: str | None = None,
) -> gpd.GeoDataFrame:
    """Admin units of a vector file as columns adcode, name_en, name_zh, level and geometry in EPSG:4326.

    Parameters
    ----------
    path : the file, as for ``read_vector``
    columns : names of its columns
    level : administrative level to put into the table
    layer, encoding : as for ``read_vector``

    Returns
    -------
    One row per unit, sorted by adcode. Codes and names are text as in the file, as NFC and without surrounding spaces;
    whole numbers have no fraction. ``name_en`` is the other name or the code where it is missing, ``name_zh`` is empty.
    Invalid polygons are repaired

    Raises
    ------
    FileNotFoundError
        if there is no file
    ValueError
        for a missing CRS or column, an empty geometry, a polygon wider than 180 degrees, a repair that changes an
        area by more than 0.1 %, and a code that is missing, reserved or appears twice
    """
    frame = read_vector(path, "boundaries", layer, encoding)
    texts = {}
    for field in fields(columns):
        name = getattr(columns, field.name)
        if name in frame.columns:
            texts[field.name] = _texts(frame[name])
        elif field.name == "adcode" or name != field.default:
            have = ", ".join(str(c) for c in frame.columns if c != "geometry")
            hint = cut_name_hint(frame.columns, path, name) or did_you_mean(name, map(str, frame.columns))
            raise ValueError(f"boundaries {path} have no column '{name}' for {field.name}; they have {have}{hint}")
    units = gpd.GeoDataFrame(texts, geometry=frame.geometry, crs=frame.crs).to_crs(CRS)
    units["name_zh"] = units.get("name_zh", "")
    label = units.name_zh.where(units.name_zh != "", units.adcode)
    named = units.get("name_en", label)
    units["name_en"] = named.where(named != "", label)
    units["level"] = level
    places = [f"boundaries {path} feature {row} ('{name}')" for row, name in enumerate(units.name_en, start=1)]
    units["geometry"] = checked_polygons(units.geometry, places)
    _check_codes(units, places)
    return units[[*COLUMNS, "geometry"]].sort_values("adcode", ignore_index=True)


def joined(files: Sequence[tuple[Path, gpd.GeoDataFrame]]) -> gpd.GeoDataFrame:
    """Units of several files as one table; raises ValueError, which names both files, for a code twice in one level."""
    seen: dict[tuple[int, str], Path] = {}
    for path, units in files:
        for code, level in zip(units.adcode, units.level, strict=True):
            other = seen.get((level, code))
            seen[level, code] = path
            if other is not None:
                raise ValueError(
                    f"boundaries {other} and {path}: adcode '{code}' of level {level} is in both files; expected one "
                    "feature per unit, so remove one or give the files different levels"
                )
    return gpd.GeoDataFrame(pd.concat([units for _, units in files], ignore_index=True), crs=CRS)


def check_overlap(units: gpd.GeoDataFrame, bounds: Bounds, path: Path) -> None:
    """Raise ValueError if no unit intersects a region."""
    box = shapely.box(*bounds)
    if units.geometry.intersects(box).any():
        return
    swapped = shapely.box(bounds.south, bounds.west, bounds.north, bounds.east)
    hint = "check their CRS"
    if units.geometry.intersects(swapped).any():
        hint = "they would if latitude came before longitude in the file, so exchange the two"
    raise ValueError(f"boundaries {path} do not overlap the region {tuple(bounds)}; {hint}")


def _texts(column: pd.Series) -> pd.Series:
    """Codes and names as NFC text: empty where missing, whole numbers without a fraction."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    texts = column.astype(object).where(column.notna(), "").astype(str).str.strip()
    return texts.str.normalize("NFC")


def _check_codes(units: gpd.GeoDataFrame, places: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for code, place in zip(units.adcode, places, strict=True):
        if code == OUTSIDE_CODE:
            raise ValueError(f"{place} has no adcode; expected a unique code")
        if code == BORDER_CODE:
            raise ValueError(f"{place} has adcode '{code}', which stands for blocks that units share; give it another")
        if code in seen:
            feature = seen[code].rpartition(" feature ")[2]
            raise ValueError(
                f"{place}: adcode '{code}' appears twice, also in feature {feature}; expected one feature per unit, so "
                "dissolve them or correct the code"
            )
        seen[code] = place


def boundary_named(place: str | Path, file: str, name: str) -> BaseGeometry:
    """Polygon of an admin unit in EPSG:4326, by its English or Chinese name or its code.

    Parameters
    ----------
    place : folder or bucket that holds the file of admin units

    Raises FileNotFoundError if there is no file, ValueError as ``select_named``.
    """
    path = f"{place}/{file}"
    try:
        units = gpd.read_parquet(BytesIO(read_key(place, file)))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist, so the region '{name}' cannot be looked up; give bounds"
        ) from None
    return select_named(units, name, path).union_all()


def select_named(units: gpd.GeoDataFrame, name: str, path: str | Path) -> gpd.GeoDataFrame:
    """Rows of the unit with a name, a code or the start of one of them, if it is unique.

    Raises ValueError, which lists the known names or codes, if there is no such unit or several share the name.
    """
    wanted = unicodedata.normalize("NFC", name.strip()).casefold()
    keys = units[["adcode", "name_en", "name_zh"]].apply(lambda c: c.str.normalize("NFC").str.casefold())
    hit = units[(keys == wanted).any(axis=1)]
    if hit.empty:
        starts = units[keys.apply(lambda c: c.str.startswith(wanted)).any(axis=1)]
        hit = starts if len(starts) == 1 else hit
    if hit.empty:
        known = ", ".join(_some_names(units))
        raise ValueError(f"admin unit '{name}' is not in {path}; it has {known}")
    if hit.adcode.nunique() > 1:
        codes = ", ".join(f"{r.adcode} ({r.name_en})" for r in hit.itertuples())
        raise ValueError(f"admin unit '{name}' is not unique in {path}; use one of the codes {codes}")
    return hit


def _some_names(units: pd.DataFrame, most: int = 40) -> list[str]:
    names = sorted(f"{r.name_en} {r.name_zh}".strip() for r in units.itertuples())
    return names if len(names) <= most else [*names[:most], f"and {len(names) - most} more"]
