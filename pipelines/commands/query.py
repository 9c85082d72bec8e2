"""``croplayer query``: cut a region out of a cube."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.commands.options import bounds_of


@click.command()
@click.argument("cube", type=click.Path(path_type=Path))
@click.option("--bbox", help="west,south,east,north in degrees.")
@click.option(
    "--polygon", type=click.Path(path_type=Path), help="Vector file; the region is all its polygons together."
)
@click.option("--admin", help="Name or code of an admin unit of the run.")
@click.option("--source", help="A source's own mask instead of the integrated map.")
@click.option("--edition", help="Edition of the cube, when it holds several.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="File: .tif, .parquet or .shp.")
def query(
    cube: Path,
    bbox: str | None,
    polygon: Path | None,
    admin: str | None,
    source: str | None,
    edition: str | None,
    out: Path,
) -> None:
    """Cut a region out of CUBE (a run's cube.zarr) into a GeoTIFF, GeoParquet or Shapefile."""
    from croplayer.cube.cuts import write_cut
    from croplayer.cube.opening import open_cube
    from croplayer.cube.query import cut_region

    if sum(v is not None for v in (bbox, polygon, admin)) != 1:
        raise ValueError("give exactly one of --bbox, --polygon and --admin")
    region: Any = admin
    if bbox is not None:
        region = bounds_of(bbox)
    elif polygon is not None:
        region = _polygon(polygon)
    for path in write_cut(cut_region(open_cube(cube, region, edition), source), out):
        click.echo(path)


def _polygon(path: Path) -> Any:
    from croplayer.vector.read import read_vector

    return read_vector(path, "--polygon").to_crs("EPSG:4326").make_valid().union_all()
