"""Admin units: read from any vector file, checked, looked up by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.grid import CRS

COLUMNS = ("adcode", "name_en", "name_zh", "level")


@dataclass(frozen=True)
class BoundaryColumns:
    """Which columns of a boundary file hold what."""

    adcode: str = "adcode"
    name_en: str = "name_en"
    name_zh: str = "name_zh"


def read_boundaries(path: Path, columns: BoundaryColumns | None = None, level: int = 1) -> gpd.GeoDataFrame:
    """Admin units of a vector file as columns adcode, name_en, name_zh, level, geometry in EPSG:4326.

    Invalid polygons are repaired; a repair that changes an area by more than 0.1 % raises ValueError,
    as do a missing CRS, a missing column, an empty geometry and a code that appears twice.
    """
    columns = columns or BoundaryColumns()
    if not path.exists():
        raise FileNotFoundError(f"boundaries {path} do not exist")
    if path.suffix == ".shp":
        missing = [s for s in (".dbf", ".shx", ".prj") if not path.with_suffix(s).exists()]
        if missing:
            raise FileNotFoundError(f"boundaries {path} lack their {', '.join(missing)} file; a shapefile needs it")
    frame = gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)
    if frame.crs is None:
        raise ValueError(f"boundaries {path} have no CRS; add it to the file")
    fields = {"adcode": columns.adcode, "name_en": columns.name_en, "name_zh": columns.name_zh}
    for wanted, name in fields.items():
        if name not in frame.columns:
            have = ", ".join(str(c) for c in frame.columns if c != "geometry")
            raise ValueError(f"boundaries {path} have no column '{name}' for {wanted}; they have {have}")
    units = gpd.GeoDataFrame(
        {wanted: frame[name].astype(str).str.strip() for wanted, name in fields.items()},
        geometry=frame.geometry,
        crs=frame.crs,
    ).to_crs(CRS)
    units["level"] = level
    _check_rows(units, path)
    units["geometry"] = _repaired(units, path)
    return units[[*COLUMNS, "geometry"]].sort_values("adcode", ignore_index=True)


def _check_rows(units: gpd.GeoDataFrame, path: Path) -> None:
    for row, geometry in enumerate(units.geometry):
        if geometry is None or geometry.is_empty:
            raise ValueError(f"boundaries {path} row {row} ('{units.name_en[row]}') has no geometry")
        if geometry.geom_type not in ("Polygon", "MultiPolygon"):
            raise ValueError(f"boundaries {path} row {row} is a {geometry.geom_type}; expected polygons")
        west, south, east, north = geometry.bounds
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise ValueError(f"boundaries {path} row {row} lie outside longitudes and latitudes; check the CRS")
    double = units.adcode[units.adcode.duplicated()]
    if len(double):
        raise ValueError(f"boundaries {path} name adcode '{double.iloc[0]}' twice; one row per unit is expected")


def _repaired(units: gpd.GeoDataFrame, path: Path) -> gpd.GeoSeries:
    repaired = units.geometry.copy()
    for row in units.index[~units.geometry.is_valid]:
        before = units.geometry[row]
        after = shapely.make_valid(before)
        polygons = [g for g in getattr(after, "geoms", [after]) if g.geom_type in ("Polygon", "MultiPolygon")]
        after = shapely.union_all(polygons)
        change = abs(after.area - before.area) / max(after.area, before.area)
        if change > 1e-3:
            raise ValueError(
                f"boundaries {path} row {row} ('{units.name_en[row]}') are invalid and repairing changes their area "
                f"by {change:.1%}; mend the file"
            )
        repaired[row] = after
    return repaired


def boundary_named(path: Path, name: str) -> BaseGeometry:
    """The polygon of an admin unit by English or Chinese name or code; raises ValueError naming close ones."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist, so the region '{name}' cannot be looked up; give bounds")
    return select_named(gpd.read_parquet(path), name, path).union_all()


def select_named(units: gpd.GeoDataFrame, name: str, path: Path) -> gpd.GeoDataFrame:
    """Rows of the unit called ``name``; a name shared by several units needs the code."""
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
