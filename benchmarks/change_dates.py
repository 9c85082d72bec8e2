"""What is called change on real farmland: ``python -m benchmarks.change_dates --data DATA -o changes --page docs/change.md``.

Imagery of one place in North Dakota in five years (`naip_dates`, 5 m) is mapped as five editions of one run, and each is compared with
the next. There is no truth here: ``--patches`` draws changes at random as pictures of both years, to be judged by eye.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from benchmarks.written import write_section
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.matching import GONE, NEW
from pipelines.recipe_files import RECIPES
from stores.change import CHANGE
from stores.columns import RGB
from stores.legends import Change
from stores.run_folder import RunFolder

DAYS = {"2012": "20120731", "2014": "20140720", "2016": "20160816", "2018": "20180716", "2020": "20200831"}
"""The day of the imagery of each edition: summers, two years apart."""
MODEL = "default"
PATCHES = 8
"""Changes of each kind and pair of editions that are drawn."""
BESIDE_PX = 60
"""Ground around a drawn change."""
RECIPE = """name = "naip_dates"
title = "Farmland in North Dakota"
about = "Real aerial imagery (NAIP, US public domain) of one summer after another."
edition = "{edition}"

[region]
bounds = [-99.19, 47.0, -99.12, 47.04]

[grid]
block_px = 1536

[[sources]]
name = "naip"
kind = "raster"
paths = ["{data}/naip_dates/m_4709963_se_14_1_{day}.tif"]
licence = "US public domain"
taken = "{taken}"

[segmentation]
model = "{model}"

[coverage]
model = "default_coverage"
nodata_above = 0.8

[fields]

[[admin]]
level = 1
path = "{recipes}/stutsman.geojson"
"""


def measure(data: Path, out: Path, workers: int) -> list[dict[str, Any]]:
    """Map the five editions and compare each with the next; what is there already is not done again."""
    run = out / "run"
    out.mkdir(parents=True, exist_ok=True)
    for edition, day in DAYS.items():
        recipe = out / f"{edition}.toml"
        taken = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        recipe.write_text(
            RECIPE.format(edition=edition, data=data, day=day, taken=taken, model=MODEL, recipes=RECIPES),
            encoding="utf-8",
        )
        _croplayer("run", recipe, "-o", run, "--workers", workers)
    pairs = []
    for before, after in pairwise(DAYS):
        folder = _folder(out, before, after)
        _croplayer("change", f"{run}@{before}", f"{run}@{after}", "-o", folder)
        total = pd.read_parquet(folder / "tables/change.parquet").iloc[0]
        fields = pd.read_parquet(folder / "tables/change_fields.parquet")
        alone = fields[fields.kind.isin((GONE, NEW))]
        pairs.append({
            "before": before, "after": after,
            **{name: float(total[name]) for name in ("known_km2", "plain_gain_km2", "plain_loss_km2", "gain_km2", "loss_km2")},
            "alone": {kind: int((alone.kind == kind).sum()) for kind in (GONE, NEW)},
            "verdict": {kind: int((fields.verdict == kind).sum()) for kind in (GONE, NEW)},
        })  # fmt: skip
    return pairs


def _croplayer(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "pipelines", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def _folder(out: Path, before: str, after: str) -> Path:
    return out / f"change_{before}_{after}"


def section(pairs: Sequence[Mapping[str, Any]], date: str) -> str:
    """The figures of all pairs as a table of a page."""
    known = sorted({f"{pair['known_km2']:.1f}" for pair in pairs}, key=float)
    lines = [
        f"**Real imagery.** Farmland in North Dakota in {', '.join(list(DAYS)[:-1])} and {list(DAYS)[-1]} (`naip_dates`, 5 m), mapped with "
        f"`{MODEL}` as {len(DAYS)} editions of one run. Both maps of a pair know {' to '.join(dict.fromkeys((known[0], known[-1])))} km². Measured on "
        f"{date} by `python -m benchmarks.change_dates`:",
        "",
        "| editions | plain difference, gain and loss, km² | change, gain and loss, km² | fields without a counterpart, before and after | "
        "of these gone and new by the ground |",
        "|---|---|---|---|---|",
        *(
            f"| {pair['before']}, {pair['after']} | {pair['plain_gain_km2']:.2f}, {pair['plain_loss_km2']:.2f} | "
            f"{pair['gain_km2']:.2f}, {pair['loss_km2']:.2f} | {pair['alone'][GONE]}, {pair['alone'][NEW]} | "
            f"{pair['verdict'][GONE]}, {pair['verdict'][NEW]} |"
            for pair in pairs
        ),
    ]
    return "\n".join(lines)


def draw_patches(out: Path, folder: Path, seed: int = 0) -> None:
    """Changes of each kind and pair, drawn at random, as pictures of both years side by side with their outline."""
    folder.mkdir(parents=True, exist_ok=True)
    run, rng = RunFolder(out / "run"), np.random.default_rng(seed)
    for before, after in pairwise(DAYS):
        cube = Cube.open(_folder(out, before, after) / "change.zarr", CHANGE)
        window = cube.blocks.window(cube.grid)
        change = cube.read_window(CHANGE, window)
        imagery = [
            Cube.open(run.place_of(edition).own_cube, edition).read_window(RGB, window, "naip")
            for edition in (before, after)
        ]
        for kind in (Change.GAIN, Change.LOSS):
            labels, count = ndimage.label(change == kind)
            places = ndimage.find_objects(labels)
            for number in sorted(rng.choice(count, min(PATCHES, count), replace=False)):
                area = tuple(
                    slice(max(part.start - BESIDE_PX, 0), min(part.stop + BESIDE_PX, length))
                    for part, length in zip(places[number], change.shape, strict=True)
                )
                inside = labels[area] == number + 1
                edge = inside & ~ndimage.binary_erosion(inside)
                shown = [rgb[area].copy() for rgb in imagery]
                for picture in shown:
                    picture[edge] = (255, 0, 0)
                Image.fromarray(np.concatenate(shown, axis=1)).save(
                    folder / f"{before}_{after}_{kind.label}_{number}.png"
                )


def main() -> None:
    """Map, compare and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data, which holds naip_dates")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder for the run and the comparisons")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--page", type=Path, help="page with the marks between which the figures are written")
    parser.add_argument("--patches", type=Path, help="folder for pictures of changes drawn at random")
    a = parser.parse_args()
    pairs = measure(a.data.absolute(), a.out, a.workers)
    print(json.dumps(pairs, indent=1))
    if a.page:
        write_section(a.page, "change_dates", section(pairs, datetime.now(UTC).date().isoformat()))
    if a.patches:
        draw_patches(a.out, a.patches)


if __name__ == "__main__":
    main()
