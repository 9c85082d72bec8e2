"""Admin units read from any vector file, checked, and looked up by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.vector.polygons import checked_polygons
from croplayer.vector.read import cut_name_hint, read_vector
from stores.grid import CRS, Bounds

COLUMNS = ("adcode", "name_en", "name_zh", "level")


@dataclass(frozen=True)
class UnitColumns:
    """Names of the columns of a boundary file."""

    adcode: str = "adcode"
    name_en: str = "name_en"
    name_zh: str = "name_zh"


def read_boundaries(path: Path, columns: UnitColumns | None = None, level: int = 1) -> gpd.GeoDataFrame:
    """Admin units of a vector file as columns adcode, name_en, name_zh, level and geometry in EPSG:4326.

    Parameters
    ----------
    path : the file, as for ``read_vector``
    columns : names of its columns; None for those of ``UnitColumns``
    level : administrative level to put into the table

    Returns
    -------
    One row per unit, sorted by adcode; texts are empty where missing, invalid polygons are repaired

    Raises
    ------
    FileNotFoundError
        if there is no file
    ValueError
        for a missing CRS or column, an empty geometry, a polygon wider than 180 degrees, a repair that changes an
        area by more than 0.1 %, and a code that is missing or appears twice
    """
    columns = columns or UnitColumns()
    frame = read_vector(path, "boundaries")
    fields = {"adcode": columns.adcode, "name_en": columns.name_en, "name_zh": columns.name_zh}
    for wanted, name in fields.items():
        if name not in frame.columns:
            have = ", ".join(str(c) for c in frame.columns if c != "geometry")
            hint = cut_name_hint(frame.columns, path, name)
            raise ValueError(f"boundaries {path} have no column '{name}' for {wanted}; they have {have}{hint}")
    units = gpd.GeoDataFrame(
        {wanted: _texts(frame[name]) for wanted, name in fields.items()},
        geometry=frame.geometry,
        crs=frame.crs,
    ).to_crs(CRS)
    units["level"] = level
    places = [f"boundaries {path} feature {row} ('{name}')" for row, name in enumerate(units.name_en, start=1)]
    units["geometry"] = checked_polygons(units.geometry, places)
    _check_codes(units, places, path)
    return units[[*COLUMNS, "geometry"]].sort_values("adcode", ignore_index=True)


def check_overlap(units: gpd.GeoDataFrame, bounds: Bounds, path: Path) -> None:
    """Raise ValueError if no unit intersects a region."""
    if not units.geometry.intersects(shapely.box(*bounds)).any():
        raise ValueError(f"boundaries {path} do not overlap the region {tuple(bounds)}; check their CRS")


def _texts(column: pd.Series) -> pd.Series:
    """Codes and names as text: empty where missing, whole numbers without a fraction."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype(object).where(column.notna(), "").astype(str).str.strip()


def _check_codes(units: gpd.GeoDataFrame, places: list[str], path: Path) -> None:
    for code, place in zip(units.adcode, places, strict=True):
        if not code:
            raise ValueError(f"{place} has no adcode; expected a unique code")
    double = units.index[units.adcode.duplicated()]
    if len(double):
        raise ValueError(
            f"boundaries {path} feature {double[0] + 1}: adcode '{units.adcode[double[0]]}' appears twice; "
            "expected one feature per unit"
        )


def boundary_named(path: Path, name: str) -> BaseGeometry:
    """Polygon of an admin unit in EPSG:4326, by its English or Chinese name or its code.

    Raises FileNotFoundError if there is no file, ValueError as ``select_named``.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist, so the region '{name}' cannot be looked up; give bounds")
    return select_named(gpd.read_parquet(path), name, path).union_all()


def select_named(units: gpd.GeoDataFrame, name: str, path: Path) -> gpd.GeoDataFrame:
    """Rows of the unit with a name, a code or the start of one of them, if it is unique.

    Raises ValueError, which lists the known names or codes, if there is no such unit or several share the name.
    """
    wanted = name.strip().casefold()
    keys = units[["adcode", "name_en", "name_zh"]].apply(lambda c: c.str.casefold())
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
