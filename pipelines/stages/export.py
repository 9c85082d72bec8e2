"""Stage export: files for other software, one set per admin unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
from shapely.geometry.base import BaseGeometry

from croplayer.cube.cuts import cut_polygon, window_of_polygon, write_cut
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import OutputStep
from pipelines.recipe import Recipe
from stores.block_list import BlockList
from stores.durable import digest_bytes
from stores.file_names import file_names
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
    found = done["integrate"].found
    names = dict(zip(units.adcode, export_names(units, part.names), strict=True))
    for unit in units.cx[around.west : around.east, around.south : around.north].itertuples():
        if window_of_polygon(cube, unit.geometry).is_empty:
            continue
        blocks = BlockList.of(cube.grid.blocks_in(unit.geometry)).both(found.blocks)
        made_of = {
            "map": digest_bytes(blocks.codes.tobytes() + found.under(blocks).tobytes()).sha256,
            "outline": digest_bytes(unit.geometry.wkb).sha256,
            "name": names[unit.adcode],
            "formats": part.formats,
        }
        paths = [output.folder.export / f"{names[unit.adcode]}{ENDINGS[f]}" for f in part.formats]
        yield OutputStep(f"{EXPORTS}{unit.adcode}", made_of, _Files(output, done, unit.geometry, paths))


def export_names(units: pd.DataFrame, names: str = "zh") -> list[str]:
    """Names of the files of admin units of one level without their ending, each from code and name of the unit.

    ``names`` is "zh" or "en" for the name that is taken first, "code" for none.
    """
    first, second = (units.name_en, units.name_zh) if names == "en" else (units.name_zh, units.name_en)
    labels = units.adcode if names == "code" else first.where(first != "", second)
    # A NUL is in no code or name, so different units have different texts.
    texts = [
        f"cf_{code}" if label in ("", code) else f"cf_{code}\0{label}"
        for code, label in zip(units.adcode, labels, strict=True)
    ]
    longest = max(ENDINGS.values(), key=len)
    return [name.removesuffix(longest) for name in file_names(texts, longest)]


class _Files:
    """Writes the files of one unit."""

    def __init__(self, output: Output, done: Earlier, polygon: BaseGeometry, paths: Sequence[Path]) -> None:
        self._output, self._done, self._polygon, self._paths = output, done, polygon, paths

    def __call__(self) -> Sequence[Path]:
        cut = cut_polygon(self._output.cube, self._polygon, self._done["integrate"].blocks)
        return write_cut(cut, *self._paths)


RULES = (Rule("export", "export", after=("integrate", "boundaries"), applies=exports, code=(__name__,), steps=export),)
