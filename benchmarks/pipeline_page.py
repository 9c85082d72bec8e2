"""What `benchmarks.pipeline` measured, as a page of Markdown with the goals beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.processes import BETWEEN, END, START

Found = Mapping[str, Any]

OF_BLOCKS = ("mosaic", "assess", "segment", "describe", "integrate", "compare", "aggregate", "evaluate")
"""Steps that work on blocks."""
TABLES = "tables"
ROWS = (START, *OF_BLOCKS, TABLES, "report", "export", BETWEEN, END)
NETWORK = "segment"
MOST_OVER_KERNELS = 3.0
WHY: dict[str, str] = {}
"""Why a step takes more than MOST_OVER_KERNELS times its kernels, by step."""
NAMES = {"script": "plain script", "cold": "cold", "torch": "warm", "openvino": "warm, OpenVINO"}
"""Runs of the tables, in their order."""
GOAL_WITHOUT_NETWORK, GOAL_TORCH, GOAL_BEST, GOAL_WALL = 15.0, 2.8, 3.5, 3.0
PART_TITLES = {
    "country": "Synthetic tiles of zoom 16, two sources, eight products",
    "swellendam": "Real images of Swellendam, one source, one product",
}
HEAD = """# Whole runs against a plain script

Written by `make bench-pipeline` (`benchmarks/pipeline.py`). `croplayer run` with two workers and a plain script of the usual
libraries with two processes (`benchmarks/plain_script.py`) work on the same blocks of 2,560 px from the same files with the same
network, one after the other. CPU seconds are those of all processes of a run, looked at every 0.1 s and cut where the run's
log says that a step began or ended. A cold run finds no compiled code; a warm run finds what the cold run compiled. "Kernels"
is the time of the kernels alone on the same blocks, on one thread of a process that does nothing else; for the step segment
the bare passes of the network. The script makes no report, and "export" stands for its polygons."""


def page(figures: Found) -> str:
    """The page of all parts."""
    lines = [HEAD]
    for part, title in PART_TITLES.items():
        if part in figures:
            lines += ["", f"## {title}", "", *_comparison(figures[part])]
    return "\n".join(lines) + "\n"


def row_of(step: str) -> str:
    """The row of the tables that a step of a run is counted in."""
    stage = re.sub(r"_\d+$", "", step)
    return stage if stage in ROWS else TABLES


def cpu_by_row(run: Found) -> dict[str, float]:
    """CPU seconds of all processes by row, of a run or of the plain script."""
    return _by_row(run, lambda step: sum(step["cpu_s"].values()), "step_cpu_s")


def wall_by_row(run: Found) -> dict[str, float]:
    """Wall seconds by row."""
    return _by_row(run, lambda step: step["wall_s"], "step_wall_s")


def _by_row(run: Found, of_step: Any, of_script: str) -> dict[str, float]:
    if of_script in run:
        return dict(run[of_script])
    rows: dict[str, float] = {}
    for name, step in run["steps"].items():
        rows[row_of(name)] = rows.get(row_of(name), 0.0) + of_step(step)
    return rows


def ratios(found: Found) -> Iterator[tuple[str, float, float | None]]:
    """What the script takes over what a warm run takes: name, ratio, goal."""
    runs = found["runs"]
    script, warm = cpu_by_row(runs["script"]), cpu_by_row(runs["torch"])
    of_blocks = [step for step in OF_BLOCKS if step != NETWORK]
    yield (
        "CPU of the steps over blocks, without segment",
        sum(script.get(step, 0.0) for step in of_blocks) / sum(warm.get(step, 0.0) for step in of_blocks),
        GOAL_WITHOUT_NETWORK,
    )
    rest = [run["cpu_s"] - rows.get(NETWORK, 0.0) for run, rows in ((runs["script"], script), (runs["torch"], warm))]
    yield "CPU of everything but segment, with start, report and export", rest[0] / rest[1], None
    yield "CPU in all, with torch", runs["script"]["cpu_s"] / runs["torch"]["cpu_s"], GOAL_TORCH
    best = min((runs[name] for name in ("torch", "openvino") if name in runs), key=lambda run: run["cpu_s"])
    yield "CPU in all, with the best runtime", runs["script"]["cpu_s"] / best["cpu_s"], GOAL_BEST
    yield "wall time, with torch", runs["script"]["wall_s"] / runs["torch"]["wall_s"], None
    yield "wall time, with the best runtime", runs["script"]["wall_s"] / best["wall_s"], GOAL_WALL


def _comparison(found: Found) -> list[str]:
    runs, blocks = found["runs"], found["blocks"]
    shown = {name: title for name, title in NAMES.items() if name in runs}
    lines = [f"{found['date']}, {found['machine']}, {found['cores']} cores; {blocks} blocks.{_busy(found)}", ""]
    lines += _cpu_table(found, shown, blocks)
    lines += ["", "Wall seconds of the whole run by step:", ""]
    walls = {name: wall_by_row(runs[name]) for name in shown}
    rows = [[row, *(_text(walls[name].get(row)) for name in shown)] for row in ROWS]
    rows.append(["in all", *(_text(runs[name]["wall_s"]) for name in shown)])
    lines += _table(["step", *shown.values()], rows)
    again = runs["again"]
    lines += [
        "",
        f"The same run again, with nothing to do: {_text(again['wall_s'])} s, {_text(again['cpu_s'])} s of CPU.",
    ]
    goals = [[name, f"{ratio:.2f}", f"{goal:g}" if goal else ""] for name, ratio, goal in ratios(found)]
    lines += ["", "What the script takes, divided by what a warm run takes:", "", *_table(["", "ratio", "goal"], goals)]
    return [*lines, "", "Processes by kind:", "", *_process_table(runs, shown)]


def _busy(found: Found) -> str:
    """A sentence on other work of the machine, where there was some."""
    if found["load"] < 0.5:
        return ""
    words = f" Other work shared the machine (load {found['load']:.1f} when the part began): wall times are upper bounds and"
    return f"{words} the ratios are rough."


def _cpu_table(found: Found, shown: Mapping[str, str], blocks: int) -> list[str]:
    """CPU seconds per block by step, with the kernels' own."""
    runs, kernels = found["runs"], found["kernels"]["torch"]
    cpu = {name: cpu_by_row(runs[name]) for name in shown}
    rows = []
    for row in ROWS:
        own, warm = kernels.get(row), cpu["torch"].get(row, 0.0) / blocks
        script = cpu["script"].get(row)
        over = warm / own if own else None
        rows.append([
            row, *(_text(cpu[name][row] / blocks if row in cpu[name] else None) for name in shown),
            _text(script / blocks / warm if script and warm else None), _text(own), _text(over),
            WHY.get(row, "") if over is None or over > MOST_OVER_KERNELS else "",
        ])  # fmt: skip
    total = [runs[name]["cpu_s"] / blocks for name in shown]
    rows.append(["in all", *map(_text, total), _text(runs["script"]["cpu_s"] / runs["torch"]["cpu_s"]), "", "", ""])
    header = ["step", *shown.values(), "script / warm", "kernels", "warm / kernels", "why"]
    return ["CPU seconds per block by step:", "", *_table(header, rows)]


def _process_table(runs: Found, shown: Mapping[str, str]) -> list[str]:
    """CPU seconds of the whole run and the largest memory of one process, by kind of process."""
    kinds = sorted({kind for name in shown for kind in runs[name]["peak_mb"]})
    rows = [
        [kind, *(_text(runs[name]["cpu_s_of_kinds"].get(kind)) for name in shown)]
        + [_text(runs[name]["peak_mb"].get(kind)) for name in shown]
        for kind in kinds
    ]
    header = [f"{what}, {title}" for what in ("CPU s", "peak MB") for title in shown.values()]
    return _table(["process", *header], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def _text(value: float | None) -> str:
    """Three digits; empty where there is no value."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else f"{value:.1g}"
