"""Whole runs against a plain script of the usual libraries: CPU seconds of all processes, wall time and memory by step.

    python -m benchmarks.pipeline [--only scaling --blocks 8 64] [--json FILE] [--markdown FILE]

Parts: ``country`` (eight blocks of 2,560 px of a synthetic country, two sources of tiles and eight products), ``swellendam``
(the real images in $CROPLAYER_DATA), ``scaling`` (countries of 8, 64 and 512 blocks, the largest with a cube of 35 GB, and
how well a plan foretells them). Runs go through the command line with two workers: client, workers and block processes.
A cold run finds empty caches: it compiles its kernels, as on a fresh machine. What is in the JSON file of an earlier call and
was not measured again is kept, also of single sizes of countries.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import processor
from benchmarks.pipeline_inputs import COUNTRY_BOUNDS, PROVINCES, ZOOM, country_recipe, swellendam_recipe
from benchmarks.pipeline_page import page
from benchmarks.pipeline_runs import Found, compare
from benchmarks.pipeline_scaling import measure_scaling
from croplayer.landscape.make import make_country
from croplayer.models.bundles.runtimes import TORCH, cpu_runtimes
from pipelines.recipe_files import DATA_VARIABLE
from stores.grid import Bounds

PARTS = ("country", "swellendam", "scaling")
SIZES = (8, 64, 512)
RUNS = Path("runs")
"""Folder in which the runs have temporary folders."""


def country(work: Path) -> Found:
    """Eight blocks of a synthetic country."""
    make_country(
        work / "country", seed=1, bounds=Bounds(*COUNTRY_BOUNDS), zoom=ZOOM, training_scenes=0, coverage_samples=0,
        provinces=PROVINCES,
    )  # fmt: skip
    recipes = {name: country_recipe(work, work / "country", runtime=name) for name in cpu_runtimes()}
    return compare(recipes, work, work / "caches")


def swellendam(work: Path) -> Found | None:
    """The real images, where they are."""
    if DATA_VARIABLE not in os.environ:
        print(f"{DATA_VARIABLE} is not set; the real images are left out", file=sys.stderr)
        return None
    return compare({TORCH: swellendam_recipe(work)}, work, work / "caches")


def measure(part: str, work: Path, arguments: argparse.Namespace) -> Found | None:
    """A part in a folder; None where it cannot be measured."""
    match part:
        case "country":
            return country(work)
        case "swellendam":
            return swellendam(work)
        case _:
            return measure_scaling(work, arguments.blocks, arguments.model)


def with_earlier_sizes(found: Found, earlier: Found) -> Found:
    """The runs and plans of some sizes of countries with those of other sizes of an earlier call, in order of size."""
    kept = {name: {**earlier[name], **found[name]} for name in ("blocks", "plans")}
    return found | {name: {size: of[size] for size in sorted(of, key=int)} for name, of in kept.items()}


def main() -> None:
    """Measure the parts and write them with what is kept of earlier ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}, parted by commas")
    parser.add_argument("--blocks", type=int, nargs="+", default=SIZES, help="numbers of blocks of the part scaling")
    parser.add_argument(
        "--model", help="included model of the part scaling; a small one with random weights if not given"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--markdown", type=Path, help="page for the figures")
    arguments = parser.parse_args()
    figures: Found = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
    for part in arguments.only.split(","):
        if part not in PARTS:
            parser.error(f"there is no part '{part}'; there are {', '.join(PARTS)}")
        RUNS.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=RUNS.absolute()) as work:
            load = os.getloadavg()[0]
            found = measure(part, Path(work), arguments)
        if found is None:
            continue
        if part == "scaling" and part in figures:
            found = with_earlier_sizes(found, figures[part])
        found |= {"date": datetime.now(UTC).date().isoformat(), "machine": processor(), "cores": os.cpu_count()}
        figures[part] = found | {"load": load}
        # After every part, so that a call that is stopped leaves what it has measured.
        if arguments.json:
            arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
        if arguments.markdown:
            arguments.markdown.write_text(page(figures))
        print(page({part: figures[part]}), flush=True)


if __name__ == "__main__":
    main()
