"""Draft a recipe from files, and say what is guessed and what is left to decide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from croplayer.evaluation.source_coverage import coverage_of
from pipelines.drafting.codes import most_found
from pipelines.drafting.draft import Entry, Table, guesses_of, plain, recipe_text
from pipelines.drafting.imagery import LookedAt, free_name, look_at_sources
from pipelines.drafting.stac import Found, look_at_items
from pipelines.drafting.statistics import codes_in, look_at_statistics
from pipelines.drafting.units import UnitFile, look_at_units
from pipelines.engine.expected import PixelSizes, fitting_pixel_m, pixel_sizes
from pipelines.engine.inputs import Inputs
from pipelines.engine.models import Models, default_home
from pipelines.recipe import Recipe
from pipelines.recipe_files import SCHEMA
from pipelines.recipe_names import clashes
from pipelines.recipe_parts import FOLDER
from pipelines.recipe_region import Grid, check_bounds
from stores.grid import LARGEST_BLOCK_PX, Bounds
from stores.legends import NODATA_ABOVE

DEGREE_DIGITS = 5
"""Digits of the bounds behind the point; the last is about a metre."""
CELL_STEP_PX = 64
SMALLEST_CELL_PX = 256
"""Smaller cells cost more context than they map; only blocks of fewer pixels have smaller ones."""
NEAR = 0.08
"""Natural logarithm of the factor up to which pixels count as those that are wanted."""
GAPS_ALLOWED = (NODATA_ABOVE, 0.2, 0.5, 0.8)
"""Shares of gaps that a draft may allow, the usual one first."""
SEGMENTATION = Table(
    "[segmentation]",
    (
        Entry(
            "model", "default", "the included model; whether it fits your land only a look at mapped blocks tells", True
        ),
    ),
)
COVERAGE_MODEL = "default_coverage"


class Given(NamedTuple):
    """What a user gives to draft a recipe from."""

    sources: tuple[str, ...]
    """A GeoTIFF or a folder of them, or ``NAME=`` one of them."""
    admin: tuple[Path, ...]
    statistics: Path | None
    bounds: Bounds | None
    items: tuple[Found, ...] = ()
    """Answers of a STAC API; with the sources one or two"""
    i_have_rights: bool = False
    """Whether the user states that they may fetch, store and analyse imagery on servers"""


class FirstRecipe(NamedTuple):
    """A drafted recipe."""

    text: str
    guesses: tuple[str, ...]
    """A line for each value that was guessed."""
    left: tuple[str, ...]
    """Sentences about what is left to decide."""


def first_recipe(given: Given, path: Path) -> FirstRecipe:
    """Draft the recipe of a file that does not exist yet; nothing is written.

    Raises
    ------
    FileNotFoundError, ValueError
        in one sentence, if a file cannot be used
    """
    check_number(len(given.sources) + len(given.items))
    folder = path.resolve().parent
    sources = _sources(given, folder)
    files, statistics, left = _units(given, folder)
    top, region = _top(path, sources), Table("[region]", (_bounds(given, sources),))
    drawn = [Table("[[sources]]", source.entries) for source in sources]
    grid, coverage = _fitted([top, region, *drawn, SEGMENTATION], folder)
    tables = [top, region, grid, *drawn, SEGMENTATION, coverage, *files, *statistics]
    return FirstRecipe(
        recipe_text(tables, _head(), _end()), tuple(guesses_of(tables)), (*left, *_undated(sources), *_decisions(given))
    )


def _top(path: Path, sources: Sequence[LookedAt]) -> Table:
    """The keys above the first table, of the name of the recipe's file and the years of the imagery."""
    name = free_name(path.stem, (), "recipe")
    years = [year for source in sources for year in source.years]
    if years:
        edition = Entry("edition", str(max(years)), "the latest year in the names of the imagery", True)
    else:
        edition = Entry("edition", "1", "a name for this version of the map, such as the year of the imagery", True)
    return Table(
        "", (Entry("name", name), Entry("title", f"Cropland of {name}", "the title of the report", True), edition)
    )


def _sources(given: Given, folder: Path) -> list[LookedAt]:
    found = look_at_sources(given.sources, folder)
    for items in given.items:
        found.append(look_at_items(items, folder, [source.name for source in found], given.i_have_rights))
    problems = list(clashes([source.name for source in found], [], None))
    if problems:
        last = (
            f"--collection NAME={given.items[-1].collection}"
            if given.items
            else f"--source NAME={given.sources[-1].rpartition('=')[2]}"
        )
        raise ValueError(f"{problems[0]}, as in {last}")
    return found


def check_number(sources: int) -> None:
    """Raise ValueError unless a recipe may have so many sources."""
    if not 1 <= sources <= 2:
        raise ValueError(f"{sources} times --source or --collection; a recipe has one or two sources")


def _units(given: Given, folder: Path) -> tuple[list[Table], list[Table], list[str]]:
    """The tables of the units and of the statistics, and what is left to decide of them."""
    if given.statistics is not None and not given.admin:
        raise ValueError("--statistics needs --admin: statistics are compared by admin unit")
    codes = codes_in(given.statistics) if given.statistics else []
    files = sorted((look_at_units(path, folder, codes) for path in given.admin), key=lambda file: len(file.units))
    first = _first_level(files, codes)
    tables = [Table("[[admin]]", (_level(i, files, first), *file.entries)) for i, file in enumerate(files)]
    if files:
        tables.append(Table("[export]", (Entry("level", 1, "files for each unit; remove the table to get none"),)))
    if given.statistics is None:
        return tables, [], []
    looked_at = look_at_statistics(given.statistics, folder, files[1 - first])
    return tables, [Table("[statistics]", looked_at.entries)], list(looked_at.left)


def _first_level(files: Sequence[UnitFile], codes: Sequence[str]) -> int:
    """The level of the file with the fewest units: 0 where the table is of the units of the second file, else 1."""
    shares = [most_found(file.units.adcode.tolist(), codes)[0] / len(file.units) for file in files[:2]]
    return 0 if len(shares) == 2 and shares[1] > shares[0] else 1


def _level(i: int, files: Sequence[UnitFile], first: int) -> Entry:
    count = len(files[i].units)
    why = f"{count} units" + ("; levels are in the order of these numbers" if len(files) > 1 else "")
    return Entry("level", first + i, why, len(files) > 1)


def _bounds(given: Given, sources: Sequence[LookedAt]) -> Entry:
    """The region: what is given, or where all sources have files."""
    if given.bounds is not None:
        check_bounds(given.bounds)
        return Entry("bounds", list(given.bounds), "west, south, east, north in degrees")
    boxes = [source.box for source in sources]
    common = Bounds(*(max(b[i] for b in boxes) for i in (0, 1)), *(min(b[i] for b in boxes) for i in (2, 3)))
    if common.west >= common.east or common.south >= common.north:
        places = " and ".join(f"'{source.name}' covers {_shown(source.box)}" for source in sources)
        raise ValueError(f"the sources share no ground: {places} (west, south, east, north); check their CRS")
    of = "the imagery is" if len(sources) == 1 else "both sources have imagery"
    return Entry("bounds", _shown(common), f"the box in which {of}; west, south, east, north in degrees", True)


def _shown(box: Bounds) -> list[float]:
    return [round(edge, DEGREE_DIGITS) for edge in box]


def _fitted(tables: Sequence[Table], folder: Path) -> tuple[Table, Table]:
    """The tables of the grid and of the coverage, from the pixels and the gaps of the imagery."""
    recipe = Recipe.model_validate(plain(tables), context={FOLDER: folder})
    inputs = Inputs(recipe, Models(default_home(), folder))
    return Table("[grid]", tuple(_grid(pixel_sizes(inputs), recipe.source_names))), Table(
        "[coverage]", tuple(_coverage(inputs))
    )


def _grid(sizes: PixelSizes, names: Sequence[str]) -> Iterator[Entry]:
    """Pixels like those of the imagery, but not outside of what the model learned from where they are near to it."""
    known = [m for m in sizes.sources_m if m is not None]
    own = min(known, default=sizes.map_m)
    wanted = sizes.map_m * Grid().block_px / fitting_pixel_m(own, sizes.model_m)
    block, cell = _cells(wanted)
    pixels = " and ".join(
        f"{m:.3g} m ({name})" for name, m in zip(names, sizes.sources_m, strict=True) if m is not None
    )
    why = f"pixels of {sizes.map_m * Grid().block_px / block:.3g} m; those of the imagery are about {pixels}"
    if sizes.model_m:
        why += ", the model learned from {:g} to {:g} m".format(*sizes.model_m)
    yield Entry("block_px", block, why, True)
    if cell != Grid().cell_px:
        yield Entry("cell_px", cell, f"a block is {block // cell} cells wide")


def _cells(wanted: float) -> tuple[int, int]:
    """Pixels of a block near to a wanted number, and of its cells, which divide it: the largest cells that come near."""
    if wanted < SMALLEST_CELL_PX:
        one = max(CELL_STEP_PX, round(wanted / CELL_STEP_PX) * CELL_STEP_PX)
        return one, one
    cells = range(SMALLEST_CELL_PX, Grid().cell_px + 1, CELL_STEP_PX)
    fitting = [(n * cell, cell) for cell in cells for n in range(1, LARGEST_BLOCK_PX // cell + 1)]
    off = {pair: abs(math.log(pair[0] / wanted)) for pair in fitting}
    near = [pair for pair in fitting if off[pair] <= NEAR]
    return max(near, key=lambda pair: (pair[1], -off[pair])) if near else min(fitting, key=lambda pair: off[pair])


def _coverage(inputs: Inputs) -> Iterator[Entry]:
    """The classifier of coverage types, and the share of gaps that leaves at least half of the blocks with imagery."""
    yield Entry("model", COVERAGE_MODEL, "the included model", True)
    for allowed in GAPS_ALLOWED:
        found = coverage_of(inputs.sources, inputs.blocks, inputs.pixel_region, allowed)
        worst = max(
            (n / total for n, total in zip(found.nodata, found.with_imagery, strict=True) if total and n is not None),
            default=0.0,
        )
        if 2 * worst <= 1:
            break
    why = f"blocks with a larger share of gaps between files are not mapped; here {worst:.0%} of those with imagery"
    yield Entry("nodata_above", allowed, why, allowed != NODATA_ABOVE)


def _undated(sources: Sequence[LookedAt]) -> Iterator[str]:
    """Of which sources nothing tells when they were taken."""
    names = [source.name for source in sources if not source.is_dated]
    if names:
        yield (
            f"[[sources]] taken: nothing tells when the imagery of {' and '.join(names)} was taken; state it, such as "
            'taken = "2020-06", so that report and map say it'
        )


def _decisions(given: Given) -> Iterator[str]:
    """What nobody can guess."""
    yield "[decisions]: nothing is reviewed, so plain rules decide between the sources; `croplayer judge sample` draws blocks to review"
    if not given.admin:
        yield "[[admin]]: no admin units are given, so areas are not summed by unit; add them with their file"
    elif given.statistics is None:
        yield "[statistics]: no official areas are given, so sums are not compared with any"
    yield "title and about: what readers of the report must know of the data"


def _head() -> list[str]:
    return [
        f":schema {SCHEMA.as_uri()}",
        "A first recipe, drafted by `croplayer init` from your files. Values marked as a guess are worth a look.",
        "docs/recipes.md explains every key; `croplayer plan` checks the recipe, `croplayer run` maps.",
    ]


def _end() -> list[str]:
    return [
        "What else a recipe may hold; remove the # to use it:",
        "",
        "[terrain]                        # heights and slopes of every block",
        'path = "dem.tif"',
        "",
        "[decisions]                      # reviewed blocks, from which classifiers learn",
        'reviews = ["review/blocks.gpkg"]',
        "",
        "[[products]]                     # another map to compare with; legends: CACD, CLCD, ESA, ESRI, FROM, FCS30, GL30, SinoLC",
        'name = "esa"',
        'title = "ESA WorldCover"',
        'path = "maps/worldcover/*.tif"',
        'legend = "ESA"',
        "",
        "[fields]                         # single fields",
        "min_area_ha = 0.05",
    ]
