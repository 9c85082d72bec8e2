"""Stage export: files for other software, one set per admin unit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import OutputStep, Step
from pipelines.stages.integrate import integrate_step, integrated_digest
from stores.durable import digest_file

ENDINGS = {"geotiff": ".tif", "geoparquet": ".parquet", "shapefile": ".shp"}


def export_step(run: Run, adcode: str, polygon: BaseGeometry, stem: str, fingerprint: str) -> OutputStep:
    """Files of one admin unit."""
    part = run.recipe.export
    assert part is not None and run.cube is not None

    def make() -> Sequence[Path]:
        from croplayer.cube.opening import open_cube
        from croplayer.cube.query import cut_region, finished_only, write_cut

        whole = cut_region(open_cube(run.folder.cube, polygon, run.recipe.edition))
        finished = run.results(integrate_step(run)).blocks
        cut = whole._replace(mask=finished_only(whole.mask, whole.window, whole.grid, finished))
        return [p for f in part.formats for p in write_cut(cut, run.folder.export / f"{stem}{ENDINGS[f]}")]

    return OutputStep(f"export_{adcode}", fingerprint, make)


def steps(run: Run) -> Iterator[Step]:
    assert run.recipe.export is not None and run.cube is not None
    around = run.cube.grid.window_bounds(run.cube.blocks.window(run.cube.grid))
    units = run.level_units(run.recipe.export.level)
    same_for_all = fingerprint(
        "export",
        maps=integrated_digest(run),
        boundaries=digest_file(run.folder.boundaries).sha256,
        formats=run.recipe.export.formats,
    )
    for unit in units.cx[around.west : around.east, around.south : around.north].itertuples():
        name = re.sub(r"[^\w-]+", "_", unit.name_zh or unit.name_en)
        yield export_step(run, unit.adcode, unit.geometry, f"cf_{unit.adcode}_{name}", same_for_all)
