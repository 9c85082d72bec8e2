"""What `benchmarks.nation` measured, as a page of Markdown with the goals beside it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.machine import processor

Found = Mapping[str, Any]

GROUPS = {"schedule_64": "64 blocks per task", "schedule_625": "625 blocks per task"}
MOST_SCHEDULING_MS, MOST_RESUME_S, MOST_OPEN_S = 0.15, 60, 0.3
MOST_GROWTH = 0.1


def page(figures: Found) -> str:
    """The page of all runs of the benchmark."""
    runs: dict[str, list[Found]] = {}
    for found in figures["runs"]:
        runs.setdefault(found["part"], []).append(found)
    makers = {"schedule": _schedule, "resume": _resume, "verify": _verify, "open": _open, "stages": _stages}
    head = [
        "# Cost of a run by its number of blocks",
        "",
        f"Written by `make bench-nation` (`benchmarks/nation.py`) on {figures['date']}: {processor()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}. All inputs are synthetic.",
        *(["", figures["note"]] if figures["note"] else []),
    ]
    return "\n".join([*head, *(line for part, found in runs.items() for line in makers[part](found))]) + "\n"


def _table(title: str, about: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["", f"## {title}", "", about, "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def _schedule(runs: Sequence[Found]) -> list[str]:
    about = (
        "The overhead of a block: blocks without work pass from the client through the real workers into the ledger, which "
        f"is synced to the disk. The goal is at most {MOST_SCHEDULING_MS} ms per block and a client that stays below 1 GB "
        "and does not grow."
    )
    header = ["blocks", *(f"ms per block, {words}" for words in GROUPS.values()), "client, MB"]
    rows = [
        [f"{r['blocks']:,}", *(f"{r[group]['ms_per_block']:.3f}" for group in GROUPS), f"{r['client_mb']:.0f}"]
        for r in runs
    ]
    growth = max(r["client_mb"] for r in runs) / runs[0]["client_mb"] - 1
    words = f"The client grows by at most {growth:.0%}; the goal is {MOST_GROWTH:.0%}."
    return [*_table("Scheduling", about, header, rows), "", words]


def _resume(runs: Sequence[Found]) -> list[str]:
    about = (
        "The time to find that nothing is left to do, for a mosaic of two sources (every file of every block is checked) "
        f"and for a step with 40 values per block. The goal for a nation is below {MOST_RESUME_S} s. Afterwards the values "
        "are read as a table, which takes 8 bytes per value."
    )
    header = ["blocks", "files, s", "values, s", "ledgers, MB", "client, MB", "values as a table, s", "client then, MB"]
    rows = [
        [
            f"{r['blocks']:,}", f"{r['mosaic_s']:.1f}", f"{r['assess_s']:.1f}",
            f"{r['mosaic_ledger_mb'] + r['assess_ledger_mb']:.0f}", f"{r['checked_mb']:.0f}",
            f"{r['table_s']:.1f}", f"{r['client_mb']:.0f}",
        ]
        for r in runs
    ]  # fmt: skip
    return _table("Resuming a finished run", about, header, rows)


def _verify(runs: Sequence[Found]) -> list[str]:
    about = (
        "`croplayer verify` of that mosaic reads every byte of its files (200 bytes each here) and of its ledger. It keeps "
        "one number per file in memory."
    )
    rows = [[f"{r['blocks']:,}", f"{4 * r['blocks']:,}", f"{r['verify_s']:.1f}", f"{r['client_mb']:.0f}"] for r in runs]
    return _table("Verifying", about, ["blocks", "files", "s", "MB"], rows)


def _open(runs: Sequence[Found]) -> list[str]:
    (found,) = runs
    about = (
        f"A cube of the rectangle around China with {found['blocks_of_the_cube']:,} blocks of 512 px. It is opened, a window "
        "of 1,024 px is read, and the map of counties of three sizes is read whole. The goal for opening is below "
        f"{MOST_OPEN_S} s. The time for a county should be proportional to its number of blocks."
    )
    rows = [["open", f"{found['open_s']:.2f}", ""], ["open and read a window", f"{found['window_s']:.2f}", ""]]
    rows += [
        [f"open and read a county of {blocks:,} blocks", f"{seconds:.2f}", f"{1000 * seconds / blocks:.1f}"]
        for blocks, seconds in found["counties"]
    ]
    return _table("Opening and querying", about, ["", "s", "ms per block"], rows)


def _stages(runs: Sequence[Found]) -> list[str]:
    about = (
        f"Every stage of a real run on blocks of {runs[0]['block_px']} px with two sources, a network, terrain, a product and "
        "admin units. Such small blocks show the cost that does not depend on the size of a block. Times of steps are "
        "milliseconds of a worker. Memory is the peak of a process of each kind."
    )
    steps = [k for k in runs[0] if k.endswith("_ms_per_block")]
    names = {
        "blocks": "blocks", "run_s": "whole run, s", "again_s": "again with nothing to do, s",
        **{k: f"{k.removesuffix('_ms_per_block')}, ms per block" for k in steps},
        "files_per_block": "files per block", "client_mb": "client, MB", "fork_server_mb": "fork server, MB",
        "block_process_mb": "block process, MB",
    }  # fmt: skip
    rows = [[words, *(_plain(r[key]) for r in runs)] for key, words in names.items()]
    return _table("Stages", about, ["", *(f"{r['blocks']:,} blocks" for r in runs)], rows[1:])


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
