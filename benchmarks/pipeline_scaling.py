"""What runs of several sizes cost per block, and how well a plan foretells them from the smallest.

The countries have cheap tiles: those of one block lie under all blocks, as hard links.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.pipeline_inputs import PROVINCES, ZOOM, country_recipe
from benchmarks.pipeline_runs import Found, measure_run
from croplayer.landscape.country import Country
from croplayer.landscape.make import DEMO_SEED, MARGIN_DEG, make_country
from croplayer.landscape.sources import SOURCES
from croplayer.landscape.tiles import tiles_in, write_tiles
from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.networks.architectures import architecture_config, build_from_config
from croplayer.models.networks.segmentation import SegmentationNetwork
from stores.grid import BLOCKS_PER_DEGREE, Bounds

WEST, NORTH = 115.1, 35.05
PATTERN = Bounds(115.2, 35.0, 115.25, 35.05)
"""The block whose tiles lie everywhere; both sources have it whole."""
COARSE_ZOOM = 12
"""Zoom of the tiles that a country is made with and that are replaced: few, and each quickly made."""
TRUTH_PX = 64
"""Pixels of a block of the truth, which only the statistics are counted from."""
NARROW, NARROW_SEED = {"width": 4, "pyramid_width": 8, "head_width": 8}, 3
"""Widths of a PIDNet with a fifth of the weights per layer; its random weights map 40 % of farmland as cropland."""


PLANNED = re.compile(r"[\d,.]+ = (?:([\d,]+) blocks x )?([\d.e+-]+) s\b(?:.*/ (\d+) workers)?")
"""The terms of a line of a plan: blocks, seconds, workers."""


def measure_scaling(work: Path, sizes: Sequence[int], model: str | None) -> Found:
    """Runs of countries of several numbers of blocks; the smallest is the pilot of the plans of the others.

    A first run of the smallest compiles what is compiled and is not counted. Each cube but the pilot's is removed.
    """
    network = model or str(write_narrow_network(work / "network"))
    found: Found = {"model": model or "a PIDNet with random weights", "blocks": {}, "plans": {}}
    pilot = work / f"run_{min(sizes)}"
    for size in sorted(sizes):
        bounds, inputs, out = bounds_of(size), work / f"country_{size}", work / f"run_{size}"
        make_cheap_country(inputs, bounds, PROVINCES, ZOOM)
        recipe = country_recipe(inputs, inputs, bounds, network)
        if out == pilot:
            measure_run(recipe, out, work / "caches")
            shutil.rmtree(out)
        else:
            found["plans"][str(size)] = planned_s(recipe, pilot)
        found["blocks"][str(size)] = run = measure_run(recipe, out, work / "caches")
        run["cube_gb"] = sum(path.stat().st_size for path in (out / "cube.zarr").rglob("*") if path.is_file()) / 1e9
        if out != pilot:
            shutil.rmtree(out)
        shutil.rmtree(inputs / "tiles")
    return found


def planned_s(recipe: Path, pilot: Path) -> dict[str, float]:
    """Seconds of each step that `croplayer plan` foretells from a pilot."""
    command = [sys.executable, "-m", "pipelines", "plan", str(recipe), "--pilot", str(pilot), "--json"]
    command += ["-o", str(recipe.parent / "none")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return seconds_of_plan(json.loads(done.stdout))


def seconds_of_plan(facts: Mapping[str, object]) -> dict[str, float]:
    """Seconds by step from the arithmetic of a plan, which shows hours to two digits only."""
    found = {}
    for name, text in facts.items():
        if name.startswith("hours ") and (terms := PLANNED.match(str(text))):
            blocks, workers = (terms[1] or "1").replace(",", ""), terms[3] or "1"
            step = name.removeprefix("hours ").removeprefix("of ")
            found[step] = int(blocks) * float(terms[2]) / int(workers)
    return found


def bounds_of(blocks: int) -> Bounds:
    """A box of about so many blocks, nearly as high as it is wide, that begins at a fixed corner."""
    rows = 2 ** math.floor(math.log2(blocks) / 2)
    cols = math.ceil(blocks / rows)
    east, south = WEST + cols / BLOCKS_PER_DEGREE, NORTH - rows / BLOCKS_PER_DEGREE
    return Bounds(WEST, round(south, 2), round(east, 2), NORTH)


def make_cheap_country(folder: Path, bounds: Bounds, provinces: int, zoom: int) -> None:
    """A country in which the tiles of one block are repeated as hard links."""
    files = make_country(
        folder, seed=DEMO_SEED, bounds=bounds, zoom=COARSE_ZOOM, training_scenes=0, coverage_samples=0,
        provinces=provinces, truth_block_px=TRUTH_PX,
    )  # fmt: skip
    shutil.rmtree(files.tiles)
    write_tiles(Country(DEMO_SEED), folder / "pattern", PATTERN, zoom, SOURCES)
    west, south, east, north = bounds
    outer = Bounds(west - MARGIN_DEG, south - MARGIN_DEG, east + MARGIN_DEG, north + MARGIN_DEG)
    pattern = list(tiles_in(PATTERN, zoom))
    cols, rows = ({tile.x for tile in pattern}, {tile.y for tile in pattern})
    for tile in tiles_in(outer, zoom):
        x, y = min(cols) + (tile.x - min(cols)) % len(cols), min(rows) + (tile.y - min(rows)) % len(rows)
        for source in SOURCES:
            target = files.tiles / source / str(zoom) / str(tile.x) / f"{tile.y}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(folder / "pattern" / source / str(zoom) / str(x) / f"{y}.jpg", target)


def write_narrow_network(folder: Path) -> Path:
    """A bundle of a PIDNet with random weights that takes less than half the time of the included one."""
    config = architecture_config("pidnet", "tiny")
    for name, value in NARROW.items():
        setattr(config, name, value)
    network = SegmentationNetwork("pidnet", "tiny", build_from_config("pidnet", config, NARROW_SEED)).eval()
    described = network.described(gsd_m=(1.0, 5.0), training_data="random weights", licence="Apache-2.0")
    return write_bundle(folder, network.model, described)
