"""Stage export: files for other software, one set per admin unit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from croplayer.cube.cuts import cut_polygon, window_of_polygon, write_cut
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import OutputStep
from pipelines.recipe import Recipe
from stores.durable import digest_file
from stores.step_memory import EXPORTS

ENDINGS = {"geotiff": ".tif", "geoparquet": ".parquet", "shapefile": ".shp"}


def exports(recipe: Recipe) -> bool:
    """Whether a recipe maps and asks for files."""
    return maps(recipe) and recipe.export is not None


def export(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write the files of every admin unit that the cube touches; one step per unit."""
    part = inputs.recipe.export
    if part is None:
        raise ValueError(f"recipe '{inputs.recipe.name}' has no [export]")
    cube = output.cube
    around = cube.grid.window_bounds(cube.blocks.window(cube.grid))
    units = inputs.level_units(part.level)
    made_of = {
        "map": done["integrate"].digest,
        "boundaries": digest_file(output.folder.boundaries).sha256,
        "formats": part.formats,
    }
    for unit in units.cx[around.west : around.east, around.south : around.north].itertuples():
        if window_of_polygon(cube, unit.geometry).is_empty:
            continue
        name = re.sub(r"[^\w-]+", "_", unit.name_zh or unit.name_en)
        paths = [output.folder.export / f"cf_{unit.adcode}_{name}{ENDINGS[f]}" for f in part.formats]
        yield OutputStep(f"{EXPORTS}{unit.adcode}", made_of, _Files(output, done, unit.geometry, paths))


class _Files:
    """Writes the files of one unit."""

    def __init__(self, output: Output, done: Earlier, polygon: BaseGeometry, paths: Sequence[Path]) -> None:
        self._output, self._done, self._polygon, self._paths = output, done, polygon, paths

    def __call__(self) -> Sequence[Path]:
        cut = cut_polygon(self._output.cube, self._polygon, self._done["integrate"].blocks)
        return [written for path in self._paths for written in write_cut(cut, path)]


RULES = (Rule("export", "export", after=("integrate", "boundaries"), applies=exports, code=(__name__,), steps=export),)
