"""The layers of a province that its counties' files do not hold: admin units and blocks, and the GeoPackage of all layers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import geopandas as gpd
import pandas as pd
from shapely.geometry import MultiPolygon

from croplayer.changes.editions import Edition
from croplayer.fields.files import geopackage_time, write_layer
from croplayer.fields.styles import add_styles
from croplayer.files.tables import read_csv
from croplayer.packages.counties import FIELDS_ENDING, stored_parts
from croplayer.packages.places import Place, Province
from croplayer.packages.styles import LAYER_STYLES
from croplayer.vector.files import whole_file
from stores.columns import AREA_KM2, COVERAGE_TYPE, FAMILIARITY, KNOWN, known_share_column, map_column, mapped_column
from stores.grid import CRS, BlockIndex
from stores.legends import INTEGRATED
from stores.package_columns import LAYERS
from stores.run_folder import RunFolder


def unit_layer(province: Province, areas: pd.DataFrame | None) -> gpd.GeoDataFrame:
    """The counties of a province with `package_columns.UNIT_COLUMNS` and their outlines.

    Parameters
    ----------
    areas : the run's table of the areas of the counties (``tables/units_LEVEL.csv``), where there is one
    """
    rows = [(p.adcode, p.name_zh or None, p.name_en, p.city, p.province) for p in province.places]
    columns = [column.name for column in LAYERS["units"]]
    frame = pd.DataFrame(rows, columns=columns[:5], dtype=object)
    named = {"cropland": mapped_column(INTEGRATED), "known": known_share_column(INTEGRATED)}
    for name, column in named.items():
        found = None if areas is None or column not in areas else areas.set_index("adcode")[column]
        frame[name] = float("nan") if found is None else frame.adcode.map(found).astype(float)
    outlines = [
        p.outline if p.outline.geom_type == "MultiPolygon" else MultiPolygon([p.outline]) for p in province.places
    ]
    return gpd.GeoDataFrame(frame[columns], geometry=outlines, crs=CRS)


def unit_areas(folder: RunFolder, level: int) -> pd.DataFrame | None:
    """The run's table of areas by unit of a level; None where it has none."""
    path = folder.table(f"units_{level}.csv")
    return read_csv(path) if path.is_file() else None


def block_layer(folder: RunFolder, edition: Edition, province: Province) -> gpd.GeoDataFrame | None:
    """The finished blocks under a province with `package_columns.BLOCK_COLUMNS`; None where the run has no table of blocks."""
    if not folder.blocks.is_file():
        return None
    table = gpd.read_parquet(folder.blocks)
    table = table[table.intersects(province.outline)].reset_index(drop=True)
    places = [BlockIndex(row, col) for row, col in zip(table.row, table.col, strict=True)]
    table = table[[place in edition.finished for place in places]].reset_index(drop=True)
    sources = edition.cube.sources
    frame = pd.DataFrame({"block": table.block.astype(object)})
    frame["source"] = ["+".join(edition.taken.of(BlockIndex.parse(name)) or ()) for name in table.block]
    for name, quantity in (("coverage", COVERAGE_TYPE), ("correct", "correctness"), ("familiar", FAMILIARITY)):
        frame[name] = _by_source(table, quantity, sources)
    for name, quantity in (("known", KNOWN), ("cropland", AREA_KM2)):
        column = map_column(quantity, INTEGRATED)
        frame[name] = table[column].astype(float) if column in table else float("nan")
    return gpd.GeoDataFrame(frame, geometry=table.geometry, crs=CRS)


def _by_source(table: pd.DataFrame, quantity: str, sources: tuple[str, ...]) -> pd.Series:
    """A quantity of each source in one text, null where no source has it."""
    texts: list[str | None] = []
    columns = {source: map_column(quantity, source) for source in sources}
    for _, row in table.iterrows():
        found = {source: row[column] for source, column in columns.items() if column in table and pd.notna(row[column])}
        texts.append("; ".join(f"{source}: {_word(value)}" for source, value in found.items()) or None)
    return pd.Series(texts, index=table.index, dtype=object)


def _word(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_package_layers(
    path: Path, folder: Path, places: tuple[Place, ...], units: gpd.GeoDataFrame, blocks: gpd.GeoDataFrame | None,
    has_fields: bool,
) -> list[str]:  # fmt: skip
    """Write the GeoPackage of a province from the tables of its counties, with styles that QGIS takes.

    Memory holds one county. The same tables give the same bytes. A layer without rows is left out.

    Parameters
    ----------
    folder : folder of the package, which holds the counties' tables

    Returns
    -------
    Names of the layers, the lowest first
    """
    layers: dict[str, Iterator[gpd.GeoDataFrame]] = {"units": iter([units])}
    if blocks is not None and len(blocks):
        layers["blocks"] = iter([blocks])
    layers["cropland"] = stored_parts(folder, places)
    if has_fields:
        layers["fields"] = stored_parts(folder, places, FIELDS_ENDING)
    written = []
    with whole_file(path) as whole, geopackage_time():
        for name, parts in layers.items():
            first = next(parts, None)
            if first is None:
                continue
            kind = "MultiPolygon" if name == "units" else "Polygon"
            write_layer(chain([first], parts), whole, "GPKG", LAYERS[name], name, kind)
            written.append(name)
        add_styles(whole, [(name, name, LAYER_STYLES[name](), f"Layer {name}") for name in written])
    order = ("units", "cropland", "fields", "blocks")
    return sorted(written, key=order.index)
