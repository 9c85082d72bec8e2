"""An update of blocks of the real size: what a block costs in the first edition, and what to compare one costs in an update.

A synthetic country of 24 blocks of 2,560 px with two sources of tiles and eight products, as `benchmarks.pipeline` has it. For
the later edition all tiles of one source lie in a folder of their own, as if fetched again, and those inside of one block are of
another day.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from benchmarks.pipeline_inputs import BLOCK_PX, PROVINCES, ZOOM, country_recipe
from benchmarks.processes import by_step, run_watched
from croplayer.landscape.make import make_country
from croplayer.landscape.tiles import tiles_in
from croplayer.tasks.reading import CompareContent, Reading
from pipelines.run import open_run
from stores.grid import BLOCKS_PER_DEGREE, Bounds
from stores.ledger import Ledger
from stores.run_folder import RunFolder

BOUNDS = Bounds(115.1, 34.85, 115.4, 35.05)
"""6 x 4 blocks."""
RENEWED_BLOCK = Bounds(115.2, 34.9, 115.25, 34.95)
"""A block with eight others around it."""
SOURCE, LATER_SOURCE = "aster", "aster_later"
FIRST, LATER = "1", "2"
INSIDE_DEG = 0.006
"""How far within the block the renewed tiles begin, a tile of zoom 16 and more: those at its edges lie under its neighbours, too."""


def make_inputs(country: Path) -> None:
    """The country, unless it is there."""
    if not (country / "truth_blocks.csv").exists():
        make_country(
            country, seed=1, bounds=BOUNDS, zoom=ZOOM, training_scenes=0, coverage_samples=0, provinces=PROVINCES
        )


def renew(country: Path) -> int:
    """Copy the tiles of a source and mirror those inside of one block; returns how many these are."""
    later = country / "tiles" / LATER_SOURCE
    shutil.rmtree(later, ignore_errors=True)
    shutil.copytree(country / "tiles" / SOURCE, later)
    west, south, east, north = RENEWED_BLOCK
    inside = Bounds(west + INSIDE_DEG, south + INSIDE_DEG, east - INSIDE_DEG, north - INSIDE_DEG)
    paths = [later / f"{tile.zoom}/{tile.x}/{tile.y}.jpg" for tile in tiles_in(inside, ZOOM)]
    there = [path for path in paths if path.is_file()]
    for path in there:
        with Image.open(path) as picture:
            mirrored = ImageOps.mirror(picture)
        mirrored.save(path, quality=90)
    return len(there)


def measure_real(work: Path, workers: int, country: Path | None = None) -> dict[str, Any]:
    """Both editions of a run of blocks of the real size, and what each took.

    Parameters
    ----------
    work : folder for the runs
    country : folder of the country, which is made where it is missing; None for one below ``work``
    """
    country = country or work / "country"
    make_inputs(country)
    tiles = renew(country)
    text = country_recipe(work, country, tuple(BOUNDS)).read_text()
    text = text.replace('name = "pipeline"', f'name = "pipeline"\nedition = "{FIRST}"')
    first, later = work / "first.toml", work / "later.toml"
    first.write_text(text)
    later.write_text(
        text.replace(f'edition = "{FIRST}"', f'edition = "{LATER}"').replace(
            f"tiles/{SOURCE}/", f"tiles/{LATER_SOURCE}/"
        )
    )
    out = work / "out"
    found: dict[str, Any] = {"block_px": BLOCK_PX, "tiles": tiles}
    for name, recipe, folder in (("first", first, out), ("update", later, out / "editions" / LATER)):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pipelines", "run", str(recipe), "-o", str(out), "--workers", str(workers)]
        watched = run_watched(command, folder / "run.log")
        steps = {step: taken.all_cpu_s for step, taken in by_step(watched).items()}
        found[name] = {"cpu_s": watched.cpu_s, "wall_s": watched.wall_s, "steps": steps}
    found["blocks"] = len(open_run(str(first), out).inputs.blocks)
    found["redone"] = {step: _own(RunFolder(out / "editions" / LATER), step) for step in ("mosaic", "segment")}
    found["compare_s"] = _compare_s(later, work / "none")
    return found


def _own(later: RunFolder, step: str) -> int:
    """Blocks that an edition has files of its own of."""
    records = [record for _, record in Ledger(later.ledger(step)).newest()]
    return sum(any((later.own_cube / key).stat().st_nlink == 1 for key in record.files) for record in records)


def _compare_s(recipe: Path, out: Path) -> float:
    """CPU seconds in which the files under a block are compared."""
    inputs = open_run(str(recipe), out).inputs
    compare, blocks = CompareContent(Reading(inputs.sources, inputs.grid)), list(inputs.blocks)
    compare(blocks[:1])
    start = time.process_time()
    compare(blocks)
    return (time.process_time() - start) / len(blocks)


def in_words(real: dict[str, Any], first_fixed_s: float, update_s: float, goal_blocks: int, most_share: float) -> str:
    """What an update of many blocks of the real size takes.

    Parameters
    ----------
    first_fixed_s : CPU seconds of a first edition that do not grow with its blocks
    update_s : those of an update of ``goal_blocks`` small blocks
    most_share : the goal
    """
    each = (real["first"]["cpu_s"] - first_fixed_s) / real["blocks"]
    edge = round((goal_blocks / 100) ** 0.5)
    redone = (edge + 2) ** 2
    update = update_s + goal_blocks * real["compare_s"] + redone * each
    first = first_fixed_s + goal_blocks * each
    share = update / first
    shared = update_s + goal_blocks * real["compare_s"]
    cheaper = (shared + redone * each / 2) / (first_fixed_s + goal_blocks * each / 2)
    small = 1.0 / BLOCKS_PER_DEGREE
    return (
        f"**Blocks of the real size** ({real['block_px']:,} px, {small:g} degrees): {real['blocks']} blocks of a synthetic country with two "
        f"sources of tiles and eight products took {real['first']['cpu_s']:,.0f} s of CPU time in the first edition, {each:.1f} s a block "
        f"beside the {first_fixed_s:,.0f} s that any run of small blocks takes. Their update, for which all tiles of one source were "
        f"copied and {real['tiles']} inside of one block are others, took {real['update']['cpu_s']:,.0f} s: it wrote the imagery of "
        f"{real['redone']['mosaic']} block and segmented {real['redone']['segment']}. To compare the files under a block takes "
        f"{1000 * real['compare_s']:,.0f} ms.\n\n"
        f"So for {goal_blocks:,} blocks of the real size, of which a square of {edge * edge} changed, the update takes {100 * share:.1f} % of "
        f"the first edition: {update_s:,.0f} s as with small blocks, {goal_blocks * real['compare_s']:,.0f} s to compare files, and "
        f"{redone * each:,.0f} s to do {redone} blocks again, {redone - edge * edge} of them beside the square, of {first:,.0f} s. "
        f"The goal of {100 * most_share:.0f} % is {'met' if share <= most_share else 'missed'} there. This is computed from the runs above; "
        f"no run had {goal_blocks:,} blocks of that size. If a block cost half as much, it would be {100 * cheaper:.1f} %. Where as many changed blocks lie apart, each has eight neighbours of its own "
        f"that are segmented again, and the update takes up to {100 * (update + (9 * goal_blocks / 100 - redone) * each) / first:.0f} %."
    )
