"""Runs of recipes through the command line, and the same work through the plain script, measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pipeline_inputs import plain_job
from benchmarks.processes import Watched, by_step, run_watched
from croplayer.cube.opening import open_cube
from stores.columns import CROPLAND_MASK
from stores.ledger import Ledger
from stores.legends import CROPLAND
from stores.run_folder import RunFolder

WORKERS = 2

Found = dict[str, Any]


def measure_run(recipe: Path, out: Path, caches: Path) -> Found:
    """What `croplayer run` takes by step; compiled code and what else is kept for later runs lies in a folder."""
    command = [sys.executable, "-m", "pipelines", "run", str(recipe), "-o", str(out), "--workers", str(WORKERS)]
    folder = RunFolder(out)
    kept = {"NUMBA_CACHE_DIR": str(caches / "kernels"), "XDG_CACHE_HOME": str(caches)}
    watched = run_watched(command, folder.log, {**os.environ, **kept})
    ledgers = {path.stem: [r.seconds for _, r in Ledger(path).newest()] for path in out.glob("ledger/*.jsonl")}
    return {
        **_facts(watched),
        "workers": WORKERS,
        "block_count": max(map(len, ledgers.values()), default=0),
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


def compare(recipes: dict[str, Path], work: Path, caches: Path) -> Found:
    """The runs of recipes of the same blocks by runtime, torch first, beside the plain script.

    Every run but the cold one finds what a run of its recipe kept before.
    """
    (torch, recipe), *others = recipes.items()
    job = plain_job(recipe, work / "none")
    model = Path(job["model"]).name
    found: Found = {"blocks": len(job["blocks"]), "sources": len(job["sources"]), "model": model, "runs": {}}
    found["runs"]["cold"] = measure_run(recipe, work / "cold", caches)
    found["runs"]["script"] = measure_script(recipe, work)
    found["runs"][torch] = measure_run(recipe, work / torch, caches)
    for name, other in others:
        measure_run(other, work / f"first {name}", caches)
        found["runs"][name] = measure_run(other, work / name, caches)
    found["runs"]["again"] = measure_run(recipe, work / torch, caches)
    found["iou_with_torch"] = {name: cropland_iou(work / torch, work / name) for name, _ in others}
    found["kernels"] = {name: measure_kernels(path, work / name) for name, path in recipes.items()}
    return found


def cropland_iou(run: Path, other: Path) -> float:
    """Intersection over union of the cropland in the masks of all sources of two runs of the same blocks."""
    one, two = (open_cube(folder)[CROPLAND_MASK].to_numpy() == CROPLAND for folder in (run, other))
    return float(np.count_nonzero(one & two) / np.count_nonzero(one | two))
