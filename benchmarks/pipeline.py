"""Whole runs against a plain script of the usual libraries: CPU seconds of all processes, wall time and memory by step.

    python -m benchmarks.pipeline [--only country,swellendam,scaling] [--json FILE] [--markdown FILE]

Parts: ``country`` (eight blocks of 2,560 px of a synthetic country, two sources of tiles and eight products), ``swellendam``
(the real images in $CROPLAYER_DATA). Runs go through the command line with two workers: client, workers and block processes.
A cold run finds no compiled code; a warm run finds what a cold run compiled. What is in the JSON file of an earlier call and
was not measured again is kept.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import processor
from benchmarks.pipeline_inputs import COUNTRY_BOUNDS, ZOOM, country_recipe, plain_job, swellendam_recipe
from benchmarks.pipeline_page import page
from benchmarks.processes import Watched, by_step, run_watched
from croplayer.landscape.make import make_country
from pipelines.recipe_files import DATA_VARIABLE
from stores.grid import Bounds
from stores.ledger import Ledger
from stores.run_folder import RunFolder

RUNS = Path("runs")
"""Folder in which the runs have temporary folders."""
WORKERS = 2
PROVINCES = 4

Found = dict[str, Any]


def measure_run(recipe: Path, out: Path, compiled: Path, *options: str) -> Found:
    """What `croplayer run` takes by step, with its compiled code in a folder."""
    command = [
        sys.executable,
        "-m",
        "pipelines",
        "run",
        str(recipe),
        "-o",
        str(out),
        "--workers",
        str(WORKERS),
        *options,
    ]
    folder = RunFolder(out)
    watched = run_watched(command, folder.log, {**os.environ, "NUMBA_CACHE_DIR": str(compiled)})
    ledgers = {path.stem: [r.seconds for _, r in Ledger(path).newest()] for path in out.glob("ledger/*.jsonl")}
    return {
        **_facts(watched),
        "steps": {name: {"wall_s": t.wall_s, "cpu_s": dict(t.cpu_s)} for name, t in by_step(watched).items()},
        "seconds_of_blocks": {step: sum(seconds) / len(seconds) for step, seconds in ledgers.items() if seconds},
    }


def measure_script(recipe: Path, work: Path) -> Found:
    """What the plain script takes by step for the work of a recipe."""
    job, said = work / "job.json", work / "script.json"
    job.write_text(json.dumps(plain_job(recipe, work / "none")))
    command = [
        sys.executable,
        "-m",
        "benchmarks.plain_script",
        str(job),
        str(work / "script"),
        "--workers",
        str(WORKERS),
    ]
    watched = run_watched([*command, "--json", str(said)])
    return {**_facts(watched), **json.loads(said.read_text())}


def _facts(watched: Watched) -> Found:
    kinds = {kind: round(seconds, 2) for kind, seconds in watched.samples[-1].cpu_s.items()}
    peaks = {kind: round(peak) for kind, peak in watched.peak_mb.items()}
    return {"wall_s": watched.wall_s, "cpu_s": watched.cpu_s, "cpu_s_of_kinds": kinds, "peak_mb": peaks}


def measure_kernels(recipe: Path, out: Path) -> Found:
    """CPU seconds of the kernels of a block, in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.pipeline_kernels", str(recipe), str(out)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def compare(recipes: dict[str, Path], work: Path, compiled: Path) -> Found:
    """The runs of recipes of the same blocks by runtime, torch first, beside the plain script."""
    (torch, recipe), *others = recipes.items()
    found: Found = {"blocks": len(plain_job(recipe, work / "none")["blocks"]), "runs": {}}
    found["runs"]["cold"] = measure_run(recipe, work / "cold", compiled)
    found["runs"]["script"] = measure_script(recipe, work)
    found["runs"][torch] = measure_run(recipe, work / torch, compiled)
    for name, other in others:
        found["runs"][name] = measure_run(other, work / name, compiled)
    found["runs"]["again"] = measure_run(recipe, work / torch, compiled)
    found["kernels"] = {name: measure_kernels(path, work / name) for name, path in recipes.items()}
    return found


def country(work: Path) -> Found:
    """Eight blocks of a synthetic country."""
    make_country(
        work / "country", seed=1, bounds=Bounds(*COUNTRY_BOUNDS), zoom=ZOOM, training_scenes=0, coverage_samples=0,
        provinces=PROVINCES,
    )  # fmt: skip
    runtimes = ["torch", *(["openvino"] if importlib.util.find_spec("openvino") else [])]
    recipes = {name: country_recipe(work, work / "country", runtime=name) for name in runtimes}
    return compare(recipes, work, work / "compiled")


def swellendam(work: Path) -> Found | None:
    """The real images, where they are."""
    if DATA_VARIABLE not in os.environ:
        print(f"{DATA_VARIABLE} is not set; the real images are left out", file=sys.stderr)
        return None
    return compare({"torch": swellendam_recipe(work)}, work, work / "compiled")


PARTS: dict[str, Callable[[Path], Found | None]] = {"country": country, "swellendam": swellendam}


def main() -> None:
    """Measure the parts and write them with what is kept of earlier ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts of {', '.join(PARTS)}, parted by commas")
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
            found = PARTS[part](Path(work))
        if found is None:
            continue
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
