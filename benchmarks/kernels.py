"""Time every kernel against the libraries it replaces, in one process: one thread, then all cores.

    python -m benchmarks.kernels [--json FILE] [--markdown FILE] [--only KERNEL] [--rounds N]

Times are the smallest over rounds in which kernel and references take turns: what disturbs the machine only ever
makes a call slower. The ratios are what counts. All-core times are per call, with as many calls at once as cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.case import Case
from benchmarks.cases import all_cases
from benchmarks.machine import processor

ROUNDS = 5


@dataclass
class Row:
    """A line of the table; times in milliseconds."""

    kernel: str
    scene: str
    reference: str
    kernel_ms: float
    reference_ms: float
    ratio: float
    goal: float | None
    goal_ms: float | None
    reached: bool | None
    cores: int
    kernel_all_cores_ms: float = field(default=float("nan"))
    reference_all_cores_ms: float = field(default=float("nan"))
    ratio_all_cores: float = field(default=float("nan"))


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    parser.add_argument("--markdown", type=Path, help="also write the table, with machine and versions, to this page")
    parser.add_argument("--only", help="a kernel's name")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds per case (default {ROUNDS})")
    arguments = parser.parse_args()
    rows: list[Row] = []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    for case in all_cases(arguments.only):
        for row in measure(case, arguments.rounds):
            rows.append(row)
            if len(rows) == 1:
                print(HEADER)
            print(line(row), flush=True)
        # After every case, so that a run that is stopped leaves what it has measured.
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
        if arguments.markdown:
            arguments.markdown.write_text(page(rows, load, arguments.rounds))
    if not rows:
        sys.exit(f"no kernel is called '{arguments.only}'")


def measure(case: Case, rounds: int) -> Iterator[Row]:
    """Time a case on one thread, then on all cores."""
    runs = [case.run, *(yardstick.run for yardstick in case.yardsticks)]
    rounds = min(rounds, case.rounds or rounds)
    case.run()
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for k, run in enumerate(runs):
            for _ in range(3 if k == 0 else 1):
                start = time.perf_counter()
                run()
                times[k].append(1e3 * (time.perf_counter() - start))
    alone = [min(t) for t in times]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    together = [min(at_once(run, cores) for _ in range(1 if case.rounds else min(3, rounds))) for run in runs]
    for k, yardstick in enumerate(case.yardsticks, start=1):
        ratio = alone[k] / alone[0]
        yield Row(
            kernel=case.kernel,
            scene=case.scene,
            reference=yardstick.name,
            kernel_ms=alone[0],
            reference_ms=alone[k],
            ratio=ratio,
            goal=yardstick.goal,
            goal_ms=None if yardstick.goal is None else case.goal_ms,
            reached=None if yardstick.goal is None else ratio >= yardstick.goal and alone[0] <= (case.goal_ms or 1e9),
            cores=cores,
            kernel_all_cores_ms=together[0],
            reference_all_cores_ms=together[k],
            ratio_all_cores=together[k] / together[0],
        )


def at_once(run: Callable[[], object], cores: int) -> float:
    """Milliseconds per call with one call per core at a time."""
    with ThreadPoolExecutor(cores) as pool:
        start = time.perf_counter()
        for done in [pool.submit(run) for _ in range(cores)]:
            done.result()
        return 1e3 * (time.perf_counter() - start) / cores


HEADER = (
    f"{'kernel':<10} {'scene':<26} {'reference':<34} {'kernel':>9} {'reference':>10} {'ratio':>7} {'goal':>13}  "
    f"   | all cores: {'kernel':>8} {'reference':>10} {'ratio':>7}   (milliseconds)"
)


def line(row: Row) -> str:
    """A row as text."""
    goal = goal_text(row)
    mark = {None: " ", True: "+", False: "-"}[row.reached]
    return (
        f"{row.kernel:<10} {row.scene:<26} {row.reference:<34} {row.kernel_ms:9.2f} {row.reference_ms:10.1f} "
        f"{row.ratio:7.4g} {goal:>13} {mark} | {'':10} {row.kernel_all_cores_ms:8.2f} "
        f"{row.reference_all_cores_ms:10.1f} {row.ratio_all_cores:7.4g}"
    )


NOTES = """Notes on the cases:

* `gdaldem` is run three times as a command. It reads and writes files, as it does for its users; the kernels work in
  memory. If the command is missing, GDAL from rasterio's wheel is used and the row says so.
* Decoding and warping together are compared with decoding the same tiles alone, by cv2 (the fastest of the usual
  decoders) and by Pillow.
* The 16 blocks of one layer are 640 px wide, because `union_all` of blocks of 2,560 px takes minutes.
* Fields: a user's watershed knows no tiles, so its basins are other ones, and its graph joins by colour alone. The graph is of a
  sixteenth of the block, because that of a block takes minutes. The sums by scipy are four of the eleven, without perimeters. No
  row of fields has a goal.
* Haze and seams have no goal except to be cheap compared with the other measures of a block.
* All-core times are the time of as many simultaneous calls as there are cores, divided by their number."""


def goal_text(row: Row) -> str:
    """What a row's ratio or time is held against."""
    if row.goal is None:
        return ""
    if row.goal_ms is not None:
        return f"<= {row.goal_ms:g} ms"
    return f">= {row.goal:g}x" if row.goal >= 1 else f"time <= {1 / row.goal:.3g}x"


def page(rows: list[Row], load: float, rounds: int) -> str:
    """The table as a page of Markdown, with what it was measured on."""
    libraries = (
        "numpy",
        "numba",
        "scikit-image",
        "opencv-python-headless",
        "rasterio",
        "shapely",
        "pillow",
        "simplejpeg",
    )
    versions = []
    for name in libraries:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} not installed")
    cores = rows[0].cores
    busy = ""
    if load > 0.5:
        busy = f" Other work shared the machine (load {load:.1f} on {cores} cores at the start): the times are upper"
        busy += " bounds and the ratios are rough."
    lines = [
        "# Speed of the kernels",
        "",
        "Written by `make bench` (`python -m benchmarks.kernels --markdown docs/kernels.md"
        f"{f' --rounds {rounds}' if rounds != ROUNDS else ''}`); `benchmarks/kernels.py` describes the measurement.",
        "Blocks are 2,560 x 2,560 px. The tests check that the kernels equal their references; they measure no times.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {cores} cores, Python {platform.python_version()}, "
        f"{', '.join(versions)}.{busy}",
        "",
        "| kernel | scene | reference | kernel ms | reference ms | ratio | goal | reached | kernel ms, all cores |"
        " ratio, all cores |",
        "|---|---|---|---:|---:|---:|---|---|---:|---:|",
    ]
    for row in rows:
        reached = {None: "", True: "yes", False: "**no**"}[row.reached]
        lines.append(
            f"| {row.kernel} | {row.scene} | {row.reference} | {row.kernel_ms:.2f} | {row.reference_ms:.1f} | "
            f"{row.ratio:.3g} | {goal_text(row)} | {reached} | {row.kernel_all_cores_ms:.2f} | {row.ratio_all_cores:.3g} |"
        )
    short = [row for row in rows if row.reached is False]
    lines += ["", f"{sum(row.reached is True for row in rows)} goals reached, {len(short)} not."]
    lines += [
        f"* {row.kernel}, {row.scene}, against {row.reference}: {row.ratio:.3g} instead of {goal_text(row)}."
        for row in short
    ]
    return "\n".join([*lines, "", NOTES]) + "\n"


if __name__ == "__main__":
    main()
