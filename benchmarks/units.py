"""Sums of a nation's block table over admin units: the way of a run beside dask-geopandas on spatial partitions.

    python -m benchmarks.units [--blocks N] [--units N]

The numbers and units are made up: cells around random points, whose borders are as crooked as those of counties. Each way is
timed in a process of its own, from the files to the table of sums, after its imports.

The way of a run finds the unit of each block from the polygons, writes it as a column, and sums the blocks that lie whole in a
unit (the others are summed pixel by pixel, which is not timed here). The other way joins the geometry of the blocks in their
partitions with the polygons, and splits blocks at borders by area; in threads, and on a cluster of two processes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from croplayer.evaluation.provinces import interior_sums
from croplayer.evaluation.spatial_blocks import open_blocks, sums_over
from croplayer.files.tables import with_geometry, write_parquet
from croplayer.vector.boundaries import BORDER_CODE, OUTSIDE_CODE
from croplayer.vector.zones import zones_of_blocks
from stores.grid import BlockIndex

CHINA_BLOCKS, COUNTIES, WIDTH = 389_777, 2_900, 800
MAPS = [f"area_km2_map{i}" for i in range(12)]
VERTEX_DEG = 0.01
"""Distance of the vertices of borders."""
WAYS = ("run", "threads", "processes")


def made_up_run(folder: Path, blocks: int, units: int) -> None:
    """A block table with twelve maps, and units that cover it."""
    rng = np.random.default_rng(0)
    row, col = np.divmod(np.arange(blocks), WIDTH)
    table = pd.DataFrame({"block": [f"r{r:04d}c{c:04d}" for r, c in zip(row + 800, col + 5000, strict=True)]})
    table["row"], table["col"], table["block_km2"] = row + 800, col + 5000, 25.0
    for name in MAPS:
        table[name] = np.where(rng.random(blocks) < 0.01, np.nan, 25 * rng.random(blocks))
    write_parquet(folder / "blocks.parquet", with_geometry(table))
    (folder / "recipe.toml").touch()
    west, north = -180 + 5000 * 0.05, 90 - 800 * 0.05
    east, south = west + WIDTH * 0.05, north - (row.max() + 1) * 0.05
    points = shapely.points(rng.uniform(west, east, units), rng.uniform(south, north, units))
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points)))
    cells = shapely.segmentize(shapely.intersection(cells, shapely.box(west, south, east, north)), VERTEX_DEG)
    # The same waves, which do not fold the plane, move the vertices of both sides of a border, so units still touch.
    crooked = shapely.transform(
        cells, lambda xy: xy + 0.015 * np.sin(xy[:, ::-1] * 40) + 0.002 * np.sin(xy[:, ::-1] * 170)
    )
    gpd.GeoDataFrame({"adcode": [str(i) for i in range(len(cells))]}, geometry=crooked, crs=4326).to_parquet(
        folder / "units.parquet"
    )


def of_a_run(folder: Path) -> pd.DataFrame:
    """The sums of whole blocks by unit, as the stage `aggregate` makes them."""
    units, path = gpd.read_parquet(folder / "units.parquet"), folder / "blocks.parquet"
    table = gpd.read_parquet(path)
    zones = zones_of_blocks(units, [BlockIndex(r, c) for r, c in zip(table.row, table.col, strict=True)])
    table["adcode_2"] = np.array([*units.adcode, BORDER_CODE, OUTSIDE_CODE], dtype=object)[zones]
    write_parquet(folder / "coded.parquet", table)
    return interior_sums(folder / "coded.parquet", "adcode_2", {name: name for name in MAPS}, {})


def measured(way: str, folder: Path) -> dict[str, float]:
    """Seconds and gigabytes of one way, in this process and those that it starts."""
    begun = time.perf_counter()
    if way == "run":
        sums = of_a_run(folder)
    elif way == "threads":
        sums = sums_over(open_blocks(folder, MAPS), gpd.read_parquet(folder / "units.parquet"), "adcode", MAPS)
    else:
        from distributed import Client

        with Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
            begun = time.perf_counter()
            sums = sums_over(open_blocks(folder, MAPS), gpd.read_parquet(folder / "units.parquet"), "adcode", MAPS)
    wall = time.perf_counter() - begun
    peaks = [resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"wall_s": wall, "peak_gib": peaks[0], "peak_of_a_worker_gib": peaks[1], "km2": float(sums[MAPS[0]].sum())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=CHINA_BLOCKS)
    parser.add_argument("--units", type=int, default=COUNTIES)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measured(options.way, options.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        made_up_run(Path(name), options.blocks, options.units)
        vertices = shapely.get_num_coordinates(gpd.read_parquet(Path(name) / "units.parquet").geometry.to_numpy())
        print(
            f"{options.blocks:,} blocks, {options.units:,} units with {vertices.mean():,.0f} vertices each, {len(MAPS)} maps"
        )
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.units", "--way", way, "--folder", name]
            print(way, subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
