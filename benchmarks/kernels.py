"""Time every kernel against the libraries it replaces, in one process: one thread, then all cores.

    python -m benchmarks.kernels [--json FILE] [--only KERNEL] [--rounds N]

Times are medians over rounds in which kernel and references take turns, so that whatever disturbs the machine
disturbs them alike; the ratios are what counts. All-core times are per call, with as many calls at once as cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Yardstick:
    """A library's way to what a kernel does."""

    name: str
    run: Callable[[], object]
    goal: float | None = None
    """the library's time over the kernel's, at least"""


@dataclass(frozen=True)
class Case:
    """One kernel on one scene."""

    kernel: str
    scene: str
    run: Callable[[], object]
    yardsticks: list[Yardstick]
    goal_ms: float | None = None
    """the kernel's own time in milliseconds, at most"""
    rounds: int | None = None
    """rounds where fewer than usual do, for very slow references"""


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
    reached: bool | None
    cores: int
    kernel_all_cores_ms: float = field(default=float("nan"))
    reference_all_cores_ms: float = field(default=float("nan"))
    ratio_all_cores: float = field(default=float("nan"))


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the table to this file")
    parser.add_argument("--only", help="a kernel's name")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per case (default 5)")
    arguments = parser.parse_args()
    from benchmarks.cases import all_cases

    rows: list[Row] = []
    for case in all_cases(arguments.only):
        for row in measure(case, arguments.rounds):
            rows.append(row)
            if len(rows) == 1:
                print(HEADER)
            print(line(row), flush=True)
    if not rows:
        sys.exit(f"no kernel is called '{arguments.only}'")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


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
    alone = [statistics.median(t) for t in times]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    together = [statistics.median(at_once(run, cores) for _ in range(1 if case.rounds else 3)) for run in runs]
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
    f"{'kernel':<10} {'scene':<26} {'reference':<34} {'kernel':>9} {'reference':>10} {'ratio':>7} {'goal':>6}"
    f"   | all cores: {'kernel':>8} {'reference':>10} {'ratio':>7}   (milliseconds)"
)


def line(row: Row) -> str:
    """A row as text."""
    goal = "" if row.goal is None else f"{row.goal:.4g}"
    mark = {None: " ", True: "+", False: "-"}[row.reached]
    return (
        f"{row.kernel:<10} {row.scene:<26} {row.reference:<34} {row.kernel_ms:9.2f} {row.reference_ms:10.1f} "
        f"{row.ratio:7.4g} {goal:>6} {mark} | {'':10} {row.kernel_all_cores_ms:8.2f} "
        f"{row.reference_all_cores_ms:10.1f} {row.ratio_all_cores:7.4g}"
    )


if __name__ == "__main__":
    main()
