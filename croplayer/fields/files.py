"""Write fields to files for other software, part by part, so that a country takes no more memory than a block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from pyarrow import parquet

from croplayer.fields.fiboa import DATETIME, FiboaWriter
from croplayer.fields.packages import Packages
from croplayer.fields.styles import add_style
from croplayer.vector.files import DBF_DATE, shapefile_parts, whole_file
from stores.field_columns import FIELD_COLUMNS, ID, FieldColumn
from stores.grid import CRS, Bounds

GEOMETRY = "geometry"
_BOX = ("xmin", "ymin", "xmax", "ymax")
LAYER = "fields"
"""Name of the layer in files that have layers."""
ROWS_PER_PART = 65_536
"""Fields that are sorted and written together; a row group of GeoParquet."""
TILE_ZOOMS = (9, 14)
"""Zooms of PMTiles; at the second one a step of a coordinate is 0.6 m, and viewers enlarge it from there."""
GPKG_TIME = f"{DBF_DATE}T00:00:00Z"
"""Time in every GeoPackage, so that the same fields give the same bytes on every day."""
ARROW_TYPES = {"string": pa.string(), "float64": pa.float64(), "float32": pa.float32(), "bool": pa.bool_()}


def write_fields(
    frames: Iterable[gpd.GeoDataFrame],
    path: Path,
    collection: str = LAYER,
    is_dated: bool = False,
    columns: Sequence[FieldColumn] = FIELD_COLUMNS,
) -> list[Path]:
    """Write fields in the format that the ending of a path names.

    Parameters
    ----------
    frames : tables of fields with some columns and their outlines in EPSG:4326, taken one after the other
    path : ``.parquet`` (GeoParquet 1.1 after fiboa 0.3), ``.fgb`` (FlatGeobuf), ``.gpkg`` (GeoPackage, coloured by
        confidence in QGIS), ``.shp`` (Shapefile in UTF-8; what would pass 2 GB goes into further ones, NAME_part2.shp and
        so on) or ``.pmtiles`` (PMTiles); replaced when all is written
    collection : name of the data set that the fields are of, for GeoParquet
    is_dated : whether tables may have the column ``fiboa.DATETIME``, which GeoParquet then gets too
    columns : the columns of the tables, `FIELD_COLUMNS` and any after them

    Returns
    -------
    Paths of the files. The same fields in the same tables give the same bytes; within each `ROWS_PER_PART` fields they
    follow a Hilbert curve.

    Raises
    ------
    ValueError
        for another ending, a table that lacks a column or has another CRS, PMTiles of no fields, and a format that the
        GDAL of pyogrio cannot write.
    """
    write = _WRITERS.get(path.suffix)
    if write is None:
        raise ValueError(f"{path} ends in '{path.suffix}'; expected one of {', '.join(_WRITERS)}")
    return write(_parts(frames, columns), path, columns, collection, is_dated)


def read_fields(path: Path, bounds: Bounds | None = None) -> Iterator[gpd.GeoDataFrame]:
    """Fields of a GeoParquet file that `write_fields` wrote, part by part, with `FIELD_COLUMNS` and their outlines.

    There is at least one part, which may be empty. The column `fiboa.DATETIME` (datetime64[ms, UTC], null where nothing tells)
    is there where the file has it.

    Parameters
    ----------
    bounds : only parts and fields whose boxes touch these; None is all
    """
    names = [*(column.name for column in FIELD_COLUMNS), GEOMETRY]
    box = None if bounds is None else tuple(bounds)
    file = parquet.ParquetFile(path)
    names[-1:-1] = [DATETIME] if DATETIME in file.schema_arrow.names else []
    groups = [g for g in range(file.num_row_groups) if box is None or _may_touch(file.metadata.row_group(g), box)]
    for group in groups or (None,):
        table = file.schema_arrow.empty_table() if group is None else file.read_row_group(group)
        if box is not None:
            west, south, east, north = (table["bbox"].combine_chunks().field(name) for name in _BOX)
            touches = pc.and_(
                pc.and_(pc.less_equal(west, box[2]), pc.greater_equal(east, box[0])),
                pc.and_(pc.less_equal(south, box[3]), pc.greater_equal(north, box[1])),
            )
            table = table.filter(touches)
        yield fields_of_arrow(table.select(names))


def _may_touch(group: Any, box: tuple[float, ...]) -> bool:
    """Whether a row group may hold a field whose box touches another, as far as the file tells."""
    columns = (group.column(i) for i in range(group.num_columns))
    told = {c.path_in_schema: c.statistics for c in columns if c.path_in_schema.startswith("bbox.")}
    if any(each is None or not each.has_min_max for each in told.values()):
        return True
    west, south = told["bbox.xmin"].min, told["bbox.ymin"].min
    east, north = told["bbox.xmax"].max, told["bbox.ymax"].max
    return bool(west <= box[2] and east >= box[0] and south <= box[3] and north >= box[1])


def count_fields_of(path: Path) -> int:
    """Number of fields of a GeoParquet file."""
    return int(parquet.ParquetFile(path).metadata.num_rows)


def field_schema(columns: Sequence[FieldColumn] = FIELD_COLUMNS) -> pa.Schema:
    """Columns of a table of fields, or of other polygons, in Arrow, the outline as WKB last."""
    own = [pa.field(c.name, ARROW_TYPES[c.dtype], nullable=c.name != ID) for c in columns]
    return pa.schema([*own, pa.field(GEOMETRY, pa.binary(), nullable=False)])


def arrow_table(part: gpd.GeoDataFrame, columns: Sequence[FieldColumn] = FIELD_COLUMNS) -> pa.Table:
    """A table of fields, or of other polygons, in Arrow, as `field_schema` has it."""
    schema = field_schema(columns)
    own = [pa.array(part[f.name], f.type, from_pandas=True) for f in schema if f.name != GEOMETRY]
    wkb = pa.array(shapely.to_wkb(part.geometry.to_numpy(), byte_order=1), pa.binary())
    return pa.Table.from_arrays([*own, wkb], schema=schema)


def fields_of_arrow(table: pa.Table) -> gpd.GeoDataFrame:
    """The table of fields that `arrow_table` made."""
    part = table.to_pandas()
    outlines = shapely.from_wkb(part.pop(GEOMETRY).to_numpy())
    return gpd.GeoDataFrame(part, geometry=outlines, crs=CRS)


def _parts(frames: Iterable[gpd.GeoDataFrame], columns: Sequence[FieldColumn]) -> Iterator[gpd.GeoDataFrame]:
    """The rows of all tables in parts of `ROWS_PER_PART`, each along a Hilbert curve."""
    waiting: list[gpd.GeoDataFrame] = []
    rows = 0
    for frame in frames:
        waiting.append(_checked(frame, columns))
        rows += len(frame)
        while rows >= ROWS_PER_PART:
            whole = pd.concat(waiting, ignore_index=True)
            yield _along_curve(whole.iloc[:ROWS_PER_PART])
            waiting = [whole.iloc[ROWS_PER_PART:]]
            rows -= ROWS_PER_PART
    if rows:
        yield _along_curve(pd.concat(waiting, ignore_index=True))


def _checked(frame: gpd.GeoDataFrame, columns: Sequence[FieldColumn]) -> gpd.GeoDataFrame:
    names = [column.name for column in columns]
    missing = [name for name in names if name not in frame]
    if missing:
        raise ValueError(f"the table of fields lacks the column '{missing[0]}'")
    if frame.crs != CRS:
        raise ValueError(f"the table of fields is in {frame.crs}; expected {CRS}")
    named = frame if frame.geometry.name == GEOMETRY else frame.rename_geometry(GEOMETRY)
    return named[[*names, *(name for name in [DATETIME] if name in frame), GEOMETRY]]


def _along_curve(part: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    order = np.argsort(part.hilbert_distance().to_numpy(), kind="stable")
    return part.iloc[order]


def _write_parquet(
    parts: Iterator[gpd.GeoDataFrame], path: Path, columns: Sequence[FieldColumn], collection: str, is_dated: bool
) -> list[Path]:
    with whole_file(path) as whole, FiboaWriter(whole, field_schema(columns), collection, is_dated, columns) as writer:
        for part in parts:
            times = pa.array(part[DATETIME], pa.timestamp("ms", tz="UTC"), from_pandas=True) if is_dated else None
            writer.write(arrow_table(part, columns), part.bounds.to_numpy(), times)
    return [path]


def _write_flatgeobuf(
    parts: Iterator[gpd.GeoDataFrame], path: Path, columns: Sequence[FieldColumn], *_: object
) -> list[Path]:
    with whole_file(path) as whole:
        write_layer(parts, whole, "FlatGeobuf", columns)
    return [path]


def _write_geopackage(
    parts: Iterator[gpd.GeoDataFrame], path: Path, columns: Sequence[FieldColumn], *_: object
) -> list[Path]:
    with whole_file(path) as whole, geopackage_time():
        write_layer(parts, whole, "GPKG", columns)
        add_style(whole, LAYER)
    return [path]


def write_shapefiles(
    parts: Iterator[gpd.GeoDataFrame], path: Path, columns: Sequence[FieldColumn], *_: object
) -> list[Path]:
    """Write polygons with some columns as a Shapefile in UTF-8; what would pass 2 GB goes into NAME_part2.shp and so on.

    Returns the paths of all parts. The same polygons give the same bytes.
    """
    options: dict[str, Any] = {"encoding": "UTF-8", "layer_options": {"DBF_DATE_LAST_UPDATE": DBF_DATE}}
    packages: list[list[Path]] = []
    # All packages are written before the first is at its place.
    with ExitStack() as stack:
        for number, package in enumerate(Packages(parts, columns), start=1):
            place = path if number == 1 else path.with_name(f"{path.stem}_part{number}{path.suffix}")
            whole, written = stack.enter_context(shapefile_parts(place))
            write_layer(package, whole, "ESRI Shapefile", columns, **options)
            packages.append(written)
    return [file for written in packages for file in written]


def _write_pmtiles(
    parts: Iterator[gpd.GeoDataFrame], path: Path, columns: Sequence[FieldColumn], *_: object
) -> list[Path]:
    least, most = TILE_ZOOMS
    first = next(parts, None)
    if first is None:
        raise ValueError(f"there is no field for {path}, and PMTiles cannot be empty; choose another format")
    with whole_file(path) as whole:
        write_layer(
            chain([first], parts),
            whole,
            "PMTiles",
            columns,
            dataset_options={"MINZOOM": str(least), "MAXZOOM": str(most)},
        )
    return [path]


_WRITERS: dict[str, Callable[[Iterator[gpd.GeoDataFrame], Path, Sequence[FieldColumn], str, bool], list[Path]]] = {
    ".parquet": _write_parquet,
    ".fgb": _write_flatgeobuf,
    ".gpkg": _write_geopackage,
    ".shp": write_shapefiles,
    ".pmtiles": _write_pmtiles,
}


def write_layer(
    parts: Iterable[gpd.GeoDataFrame],
    path: Path,
    driver: str,
    columns: Sequence[FieldColumn] = FIELD_COLUMNS,
    layer: str = LAYER,
    geometry_type: str = "Polygon",
    **options: Any,
) -> None:
    """Write all parts as one layer of a file by a driver of GDAL, which takes them one by one.

    A file of a driver with layers keeps the other layers that it holds. Raises ValueError for a driver that cannot write.
    """
    import pyogrio

    if driver not in pyogrio.list_drivers(write=True):
        raise ValueError(f"the GDAL of pyogrio {pyogrio.__version__} cannot write {driver}; choose another format")
    stopped: list[BaseException] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for part in parts:
                yield from arrow_table(part, columns).to_batches()
        except BaseException as error:
            stopped.append(error)
            raise

    reader = pa.RecordBatchReader.from_batches(field_schema(columns), batches())
    try:
        pyogrio.write_arrow(
            reader,
            path,
            layer=path.stem if driver == "ESRI Shapefile" else layer,
            driver=driver,
            geometry_name=GEOMETRY,
            geometry_type=geometry_type,
            crs=CRS,
            **options,
        )
    except Exception:
        # GDAL knows the errors of those who make the fields as texts only.
        if stopped:
            raise stopped[0] from None
        raise


@contextmanager
def geopackage_time() -> Iterator[None]:
    """Give every GeoPackage that is written the time `GPKG_TIME`, so that the same content gives the same bytes."""
    import pyogrio

    name = "OGR_CURRENT_DATE"
    before = pyogrio.get_gdal_config_option(name)
    pyogrio.set_gdal_config_options({name: GPKG_TIME})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({name: before})
