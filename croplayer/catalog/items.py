"""The items and assets of a catalog: cube, maps, tables, models and blocks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from pystac import Asset, Item
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.datacube import DatacubeExtension, Dimension, Variable
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.utils import datetime_to_str

from croplayer.catalog.measures import FileFacts, RasterFacts, TableFacts, cube_arrays
from croplayer.cube.whole_blocks import Cube
from croplayer.models.bundles.card import MLM_EXTENSION, MLM_NAME
from croplayer.sources.time_spans import TimeSpan, parse_span
from stores.columns import TAKEN_FROM, TAKEN_TO
from stores.field_columns import FIELD_COLUMNS
from stores.grid import CRS, BlockGrid, BlockIndex, Bounds
from stores.legends import FLAG_COLOURS, FLAG_LABELS, NEVER_PROCESSED, NO_IMAGERY
from stores.licences import Licence

RASTER_EXTENSION = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
TABLE_EXTENSION = "https://stac-extensions.github.io/table/v1.2.0/schema.json"
ZARR_TYPE = "application/vnd+zarr; version=3"
PARQUET_TYPE, CSV_TYPE = "application/vnd.apache.parquet", "text/csv"
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
PREFIX = "croplayer:"
"""Of properties that are columns of the block table."""
WEIGHTS = "model.safetensors"
_METRES_PER_DEGREE = 111_195.0


def period_of(edition: str, blocks: pd.DataFrame | None) -> TimeSpan:
    """When the imagery of a map was taken: from the first to the last time in its block table, else the time that its edition names.

    Raises ValueError where neither tells.
    """
    known = None if blocks is None else _taken(blocks)
    if known is not None:
        return known
    try:
        return parse_span(edition)
    except ValueError:
        raise ValueError(
            f"nothing says when the imagery of edition '{edition}' was taken; state `taken` in the [[sources]] of the recipe "
            "and run it again"
        ) from None


def _taken(blocks: pd.DataFrame) -> TimeSpan | None:
    """First and last time of the imagery of some blocks, of all their sources; None where nothing tells."""
    starts, ends = (blocks.filter(regex=f"^{name}_") for name in (TAKEN_FROM, TAKEN_TO))
    return _between(
        [column.dropna().min() for _, column in starts.items()], [column.dropna().max() for _, column in ends.items()]
    )


def _between(starts: Iterable[Any], ends: Iterable[Any]) -> TimeSpan | None:
    """The span from the first to the last of some times, as far as they are known; None where none is."""
    known = [[time for time in times if not pd.isna(time)] for times in (starts, ends)]
    if not all(known):
        return None
    return TimeSpan(min(known[0]).to_pydatetime(), max(known[1]).to_pydatetime())


def new_item(name: str, bounds: Bounds, period: TimeSpan, properties: Mapping[str, Any] | None = None) -> Item:
    """An item of a box in EPSG:4326."""
    return Item(
        id=name, geometry=shapely.geometry.mapping(shapely.box(*bounds)), bbox=list(bounds), datetime=None,
        start_datetime=period.start, end_datetime=period.end, properties=dict(properties or {}),
    )  # fmt: skip


def cube_item(cube: Cube, bounds: Bounds, period: TimeSpan, href: str) -> Item:
    """The cube with its dimensions and arrays (datacube); ``bounds`` is the box around what is finished."""
    item = new_item("cube", bounds, period, {"title": f"Cube of edition {cube.edition}"})
    window = cube.blocks.window(cube.grid)
    box = cube.grid.window_bounds(window)
    step = cube.grid.px_deg
    dimensions: dict[str, dict[str, Any]] = {
        "y": {
            "type": "spatial",
            "axis": "y",
            "extent": [box.south, box.north],
            "step": -step,
            "reference_system": 4326,
        },
        "x": {"type": "spatial", "axis": "x", "extent": [box.west, box.east], "step": step, "reference_system": 4326},
        "source": {"type": "source", "values": list(cube.sources), "description": "provider of the imagery"},
        "band": {"type": "bands", "values": ["red", "green", "blue"]},
    }
    arrays = cube_arrays(cube)
    used = {name for array in arrays.values() for name in array.dimensions}
    variables = {
        name: {
            "dimensions": list(array.dimensions), "type": "data", "description": array.about, "data_type": array.data_type,
            "shape": list(array.shape), "chunks": list(array.chunks),
        }
        | ({"unit": array.unit} if array.unit else {})
        | ({} if array.fill_value is None else {"nodata": array.fill_value})
        for name, array in arrays.items()
    }  # fmt: skip
    asset = Asset(href, "Zarr v3 group of the edition", media_type=ZARR_TYPE, roles=["data"])
    item.add_asset("cube", asset)
    DatacubeExtension.ext(item, add_if_missing=True).apply(
        {name: Dimension.from_dict(each) for name, each in dimensions.items() if name in used},
        {name: Variable(each) for name, each in variables.items()},
    )
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=CRS, bbox=list(box), shape=[window.height, window.width], transform=list(cube.grid.transform(window))[:6]
    )
    return item


def map_item(path: Path, period: TimeSpan, href: str) -> Item:
    """A GeoTIFF of the map with its grid, values and overviews (projection, raster, classification)."""
    facts = RasterFacts.of(path)
    item = new_item(path.stem, facts.bounds, period, {"title": f"Map: {path.stem}"})
    asset = Asset(href, "The map", media_type=COG_TYPE, roles=["data"])
    item.add_asset("map", asset)
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=facts.code, bbox=list(facts.bounds), shape=list(facts.shape), transform=list(facts.transform)
    )
    _tell_file(item, asset, path)
    total = sum(facts.counts.values())
    classes = [
        Classification.create(
            value, label, label.replace(" ", "_"), color_hint=FLAG_COLOURS[value][1:].upper(), nodata=value >= NO_IMAGERY,
            count=facts.counts.get(value, 0), percentage=round(100 * facts.counts.get(value, 0) / total, 6),
        )
        for value, label in FLAG_LABELS.items()
    ]  # fmt: skip
    ClassificationExtension.ext(asset, add_if_missing=True).classes = classes
    known = total - facts.counts.get(NEVER_PROCESSED, 0)
    band: dict[str, Any] = {
        "name": "map",
        "data_type": facts.data_type,
        "statistics": {"valid_percent": round(100 * known / total, 6)},
    }
    if facts.nodata is not None:
        band["nodata"] = facts.nodata
    asset.extra_fields["bands"] = [band]
    asset.extra_fields["raster:spatial_resolution"] = abs(facts.transform[4]) * _METRES_PER_DEGREE
    asset.extra_fields["raster:sampling"] = "area"
    item.stac_extensions.append(RASTER_EXTENSION)
    return item


def table_item(path: Path, period: TimeSpan, bounds: Bounds, href: str, words: Mapping[str, str]) -> Item:
    """A table with geometries and its columns (table); ``bounds`` is the box of a table that does not tell its own."""
    facts = TableFacts.of(path)
    item = new_item(path.stem, facts.bounds or bounds, period, {"title": f"Table: {path.stem}"})
    item.properties |= table_fields(facts, words)
    item.stac_extensions.append(TABLE_EXTENSION)
    asset = Asset(href, path.name, media_type=PARQUET_TYPE, roles=["data"])
    item.add_asset("data", asset)
    _tell_file(item, asset, path)
    return item


def table_fields(facts: TableFacts, words: Mapping[str, str]) -> dict[str, Any]:
    """What the table extension says of a table; ``words`` are the meanings of columns by their names."""
    columns = [
        {"name": name, "type": kind} | ({"description": words[name]} if name in words else {})
        for name, kind in facts.columns
    ]
    primary = {"table:primary_geometry": facts.geometry} if facts.geometry else {}
    return {"table:columns": columns, "table:row_count": facts.rows, **primary}


def table_asset(path: Path, href: str, words: Mapping[str, str]) -> Asset:
    """A table without geometries as an asset of a collection."""
    kind = CSV_TYPE if path.suffix == ".csv" else PARQUET_TYPE
    facts = FileFacts.of(path)
    fields = table_fields(TableFacts.of(path), words) | {"file:size": facts.size, "file:checksum": facts.checksum}
    return Asset(href, path.name, media_type=kind, roles=["data"], extra_fields=fields)


def field_words() -> dict[str, str]:
    """Meanings of the columns of fields."""
    return {c.name: f"{c.about} ({c.unit})" if c.unit not in ("", "1") else c.about for c in FIELD_COLUMNS}


def model_item(kind: str, folder: Path, bounds: Bounds, period: TimeSpan, href: str) -> Item:
    """A model as an item of the machine learning model extension; ``href`` is that of its weights in ``folder``."""
    stored: dict[str, Any] = json.loads((folder / MLM_NAME).read_text(encoding="utf-8"))
    stored.pop("stac_extensions", None)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", stored["mlm:name"]).strip("-.")
    properties = stored | {"mlm:name": name, "title": f"Model: {stored['mlm:name']}"}
    properties |= {"license": Licence.of(stored["license"]).spdx or "other", f"{PREFIX}licence": stored["license"]}
    # The extension wants an explicit null for weights that were not trained before, and no empty table of parameters.
    if not properties.get("mlm:pretrained"):
        properties["mlm:pretrained_source"] = None
    if not properties.get("mlm:hyperparameters"):
        properties.pop("mlm:hyperparameters", None)
    for output in properties["mlm:output"]:
        output["classification:classes"] = [
            _class(each["value"], each["name"]) for each in output.get("classification:classes", ())
        ]
    item = new_item(f"model-{kind}", bounds, period, properties)
    item.stac_extensions.append(MLM_EXTENSION)
    asset = Asset(
        href, "Weights (safetensors)", media_type="application/octet-stream", roles=["mlm:model", "mlm:weights"],
        extra_fields={"mlm:artifact_type": "safetensors"},
    )  # fmt: skip
    item.add_asset("weights", asset)
    _tell_file(item, asset, folder / WEIGHTS)
    return item


def _class(value: int, words: str) -> dict[str, Any]:
    """A class of the classification extension, whose names hold no spaces."""
    return {"value": value, "name": re.sub(r"[^A-Za-z0-9_-]+", "_", words), "description": words}


def block_item(row: Mapping[str, Any], period: TimeSpan, cube_href: str | None) -> Item:
    """A block of the lattice whose properties are the columns of the block table that are known, after ``croplayer:``.

    ``period`` counts where the row does not tell when the block's imagery was taken.
    """
    block = BlockIndex.parse(str(row["block"]))
    properties = {f"{PREFIX}{name}": _json_value(value) for name, value in row.items() if _is_known(name, value)}
    starts, ends = ([row[c] for c in row if c.startswith(f"{name}_")] for name in (TAKEN_FROM, TAKEN_TO))
    own = _between(starts, ends) or period
    item = new_item(block.name, BlockGrid().bounds(block), own, properties)
    if cube_href is not None:
        item.add_asset("cube", Asset(cube_href, "The cube that holds the block", media_type=ZARR_TYPE, roles=["data"]))
    return item


def _is_known(name: str, value: Any) -> bool:
    return name not in ("block", "geometry") and value is not None and value != "" and not pd.isna(value)


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return datetime_to_str(value)
    return value.item() if isinstance(value, np.generic) else value


def _tell_file(item: Item, asset: Asset, path: Path) -> None:
    facts = FileFacts.of(path)
    FileExtension.add_to(item)
    FileExtension.ext(asset).apply(checksum=facts.checksum, size=facts.size)
