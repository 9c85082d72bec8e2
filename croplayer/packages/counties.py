"""The files of one county: its cropland and its fields as Shapefiles and GeoParquet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.changes.editions import Edition
from croplayer.cube.cuts import strips_of_polygon, window_of_polygon
from croplayer.fields.files import LAYER, read_fields, write_fields, write_shapefiles
from croplayer.fields.styles import style_by_confidence
from croplayer.packages.places import Place
from croplayer.packages.styles import region_style
from croplayer.vector.files import write_geoparquet
from croplayer.vector.regions import regions_of_strips
from stores.durable import write_durable
from stores.field_columns import ID, FieldColumn
from stores.grid import CRS, BlockIndex, Bounds
from stores.legends import CROPLAND
from stores.package_columns import CLASS, CLASS_WORD, PACKAGE_FIELD_COLUMNS, REGION_COLUMNS

SHAPEFILES, GEOPARQUET = "shapefile", "geoparquet"
"""Folders of a package."""
FIELDS_ENDING = "_fields"
"""Ending of the names of the files of single fields."""


@dataclass(frozen=True)
class CountyFiles:
    """Writes the files of a county; it can be sent to another process."""

    edition: Edition
    place: Place
    folder: Path
    """Folder of the package."""
    fields: tuple[Path, ...]
    """Files of the run that may hold fields of the county; none where the run has no fields."""
    collection: str = LAYER
    """Name of the data set that the fields are of."""

    def __call__(self) -> list[Path]:
        """Write all files and return their paths; the same map gives the same bytes.

        A county without cropland, or without fields, has files without rows.
        """
        name, regions = self.place.file, county_regions(self.edition, self.place)
        tables = [write_geoparquet(self.folder / GEOPARQUET / f"{name}.parquet", regions)]
        written = self._shapefiles(regions, name, REGION_COLUMNS, region_style())
        if self.fields:
            name += FIELDS_ENDING
            fields = county_fields(self.fields, self.place)
            place = self.folder / GEOPARQUET / f"{name}.parquet"
            tables += write_fields([fields], place, self.collection, columns=PACKAGE_FIELD_COLUMNS)
            written += self._shapefiles(fields, name, PACKAGE_FIELD_COLUMNS, style_by_confidence())
        return [*tables, *written]

    def _shapefiles(
        self, frame: gpd.GeoDataFrame, name: str, columns: tuple[FieldColumn, ...], style: str
    ) -> list[Path]:
        """Shapefiles of a table, each with a style beside it."""
        parts = write_shapefiles(iter([frame]), self.folder / SHAPEFILES / f"{name}.shp", columns)
        styles = [part.with_suffix(".qml") for part in parts if part.suffix == ".shp"]
        for path in styles:
            write_durable(path, style.encode())
        return [*parts, *styles]


def county_regions(edition: Edition, place: Place) -> gpd.GeoDataFrame:
    """Regions of cropland of a county with `REGION_COLUMNS`, in the order of their first pixels from north to south."""
    window = window_of_polygon(edition.cube, place.outline)
    if window.is_empty:
        return _typed(gpd.GeoDataFrame({ID: [], "area_ha": []}, geometry=[], crs=CRS), place, REGION_COLUMNS, edition)
    strips = (strip == CROPLAND for strip in strips_of_polygon(edition.cube, place.outline, edition.finished))
    frames = [frame for frame in regions_of_strips(strips, window, edition.cube.grid) if len(frame)]
    if not frames:
        return _typed(gpd.GeoDataFrame({ID: [], "area_ha": []}, geometry=[], crs=CRS), place, REGION_COLUMNS, edition)
    regions = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=CRS)
    first = np.array([[int(part) for part in name.split("-")[1:]] for name in regions[ID]])
    regions = regions.iloc[np.lexsort(first.T[::-1])].reset_index(drop=True)
    regions["source"] = [_taken(edition, name) for name in regions[ID]]
    return _typed(regions, place, REGION_COLUMNS, edition)


def county_fields(paths: tuple[Path, ...], place: Place) -> gpd.GeoDataFrame:
    """Fields of a county, whose inner points lie in it, with `PACKAGE_FIELD_COLUMNS`."""
    # The inner point of a field lies in its box, so boxes beside the county hold none of its fields.
    bounds = Bounds(*place.outline.bounds)
    parts = [part[part.adcode == place.adcode] for path in paths for part in read_fields(path, bounds)]
    fields = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=CRS)
    return _typed(fields, place, PACKAGE_FIELD_COLUMNS)


def _taken(edition: Edition, name: str) -> str:
    """Sources that the map takes in the block of a region's first pixel."""
    block_px, row, col = map(int, name.split("-"))
    return "+".join(edition.taken.of(BlockIndex(row // block_px, col // block_px)) or ())


def _typed(
    frame: gpd.GeoDataFrame, place: Place, columns: tuple[FieldColumn, ...], edition: Edition | None = None
) -> gpd.GeoDataFrame:
    """A table with all its columns in their order and types, and where it lies."""
    same = {
        "adcode": place.adcode, "name_zh": place.name_zh or None, "name_en": place.name_en, "city": place.city,
        "province": place.province, CLASS: CLASS_WORD,
    }  # fmt: skip
    same |= {"edition": edition.cube.edition} if edition is not None else {}
    frame = frame.assign(**same)
    for column in columns:
        values = frame[column.name] if column.name in frame else pd.Series([None] * len(frame), index=frame.index)
        frame[column.name] = values.astype(object if column.dtype == "string" else column.dtype)
    return frame[[*(column.name for column in columns), "geometry"]]


def stored_parts(folder: Path, places: tuple[Place, ...], ending: str = "") -> Iterator[gpd.GeoDataFrame]:
    """The tables of counties that `CountyFiles` wrote to a package, one after the other; the empty ones are left out."""
    for place in places:
        frame = gpd.read_parquet(folder / GEOPARQUET / f"{place.file}{ending}.parquet")
        if len(frame):
            yield frame
