"""``croplayer query``: cut a region out of a cube."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from pipelines.commands.options import bounds_of


@click.command()
@click.argument("cube")
@click.option("--bbox", help="west,south,east,north in degrees.")
@click.option(
    "--polygon", type=click.Path(path_type=Path), help="Vector file; the region is all its polygons together."
)
@click.option("--admin", help="Name or code of an admin unit of the run.")
@click.option("--source", help="A source's own mask instead of the integrated map.")
@click.option("--fields", is_flag=True, help="Single fields instead of the map.")
@click.option("--edition", help="Edition of the cube, when it holds several.")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="File: .tif, .parquet or .shp; fields: .parquet, .gpkg, .fgb, .shp or .pmtiles.",
)
def query(
    cube: str,
    bbox: str | None,
    polygon: Path | None,
    admin: str | None,
    source: str | None,
    fields: bool,
    edition: str | None,
    out: Path,
) -> None:
    """Cut a region out of CUBE into a GeoTIFF, GeoParquet or Shapefile.

    CUBE is the folder of a run, its cube.zarr, or s3://BUCKET/PREFIX. The cropland area of the region, the share of its
    land that is known, and how many fields were cut out are printed to standard error.
    """
    from croplayer.cube.cuts import write_cut
    from croplayer.cube.opening import open_cube
    from croplayer.cube.query import cut_region
    from stores.finished import UnfinishedBlocksWarning

    if sum(v is not None for v in (bbox, polygon, admin)) != 1:
        raise ValueError("give exactly one of --bbox, --polygon and --admin")
    if fields and source is not None:
        raise ValueError("--fields are of the integrated map; leave --source out")
    region: Any = admin
    if bbox is not None:
        region = bounds_of(bbox)
    elif polygon is not None:
        region = _polygon(polygon)
    with warnings.catch_warnings(record=True, action="always", category=UnfinishedBlocksWarning) as unfinished:
        dataset = open_cube(cube, region, edition)
    if fields:
        from croplayer.fields.fiboa import DATETIME
        from croplayer.fields.files import write_fields

        cut = dataset.crop.fields()
        written = write_fields([cut], out, is_dated=DATETIME in cut)
        told = f"; {len(cut):,} fields with {cut.area_ha.sum():,.1f} ha"
    else:
        written, told = write_cut(cut_region(dataset, source), out), ""
    for path in written:
        click.echo(path)
    for warning in unfinished:
        click.echo(f"Warning: {warning.message}", err=True)
    (found,) = dataset.crop.area(source=source).itertuples()
    area = f"{found.area_km2:,.4g} km² of cropland" if found.known_share else "no land is known"
    click.echo(f"{area}; {found.known_share:.1%} of the land of the region in the cube is known{told}", err=True)


def _polygon(path: Path) -> Any:
    from croplayer.vector.read import read_vector

    return read_vector(path, "--polygon")
