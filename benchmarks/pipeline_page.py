"""What `benchmarks.pipeline` measured, as a page of Markdown with the goals beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.processes import BETWEEN, BLOCK_PROCESS, END, FORK_SERVER, START
from croplayer.models.bundles.runtimes import RUNTIMES

Found = Mapping[str, Any]

OF_BLOCKS = ("mosaic", "assess", "segment", "describe", "integrate", "compare", "aggregate", "evaluate")
"""Steps that work on blocks."""
TABLES = "tables"
ROWS = (START, *OF_BLOCKS, TABLES, "report", "export", BETWEEN, END)
NETWORK = "segment"
MOST_OVER_KERNELS = 3.0
WHY: dict[str, str] = {
    "mosaic": "tiles are decoded, rasters read and warped; 20 MB a source are compressed, digested and made durable",
    "assess": "20 MB a source are decompressed",
    "describe": "masks and scores are read from the store and compared; a step's start and its ledger",
    "integrate": "masks are read and written durably; a step's start and its ledger",
    "compare": "the products' files are read, digested and looked up in another projection",
    "aggregate": "the products' files are read and digested again; boundaries are read",
    "evaluate": "masks are read from the store; a step's start and its ledger",
}
"""Why a step takes more than MOST_OVER_KERNELS times its kernels, by step."""
NAMES = {
    "script": "plain script", "cold": "cold", "torch": "warm", "openvino": "warm, OpenVINO",
    "openvino-bf16": "warm, OpenVINO bfloat16",
}  # fmt: skip
"""Runs of the tables, in their order."""
MOST_MOSAIC_S, MOST_LOOKS_S, MOST_COMPARE_S, MOST_AGGREGATE_S = 0.35, 0.2, 0.15, 0.15
MOST_REPORT_S, MOST_COMPILE_S, MOST_AGAIN_S = 6.0, 15.0, 2.0
GOAL_WITHOUT_NETWORK, GOAL_TORCH, GOAL_BEST, GOAL_WALL = 15.0, 2.8, 3.5, 3.0
PART_TITLES = {
    "country": "Synthetic tiles of zoom 16, two sources, eight products",
    "swellendam": "Real images of Swellendam, one source, one product",
}
HEAD = """# Whole runs against a plain script

Written by `make bench-pipeline` (`benchmarks/pipeline.py`). `croplayer run` with two workers and a plain script of the usual
libraries with two processes (`benchmarks/plain_script.py`) work on the same blocks of 2,560 px from the same files with the same
network, one after the other. CPU seconds are those of all processes of a run, looked at every 0.1 s and cut where the run's
log says that a step began or ended; what is below a few tenths of a second of the whole run is below that resolution. What the
process that block processes are forked from imports for all of them counts as start, as the script's imports do. A cold run finds no
compiled kernels and none of croplayer's caches, but bytecode of Python and files in memory; a warm run finds what an earlier one kept,
of OpenVINO also the converted network. "Kernels" is the time of the kernels alone on the same blocks, on one thread of a process that
does nothing else; for the step segment the bare passes of the network. The script makes no report and no tables, and "export" stands
for its polygons.

The script passes 81 windows of 512 px with half overlap of a block and source, as such scripts do, a run at most 36 cells of 576 px. The
script's network is as it was loaded; a run folds its batch norms."""


def page(figures: Found) -> str:
    """The page of all parts."""
    lines = [HEAD]
    for part, title in PART_TITLES.items():
        if part in figures:
            lines += ["", f"## {title}", "", *_comparison(figures[part])]
    if "scaling" in figures:
        lines += ["", "## Cost of a block by the number of blocks", "", *_scaling(figures["scaling"])]
    return "\n".join(lines) + "\n"


def row_of(step: str) -> str:
    """The row of the tables that a step of a run is counted in."""
    stage = re.sub(r"_\d+$", "", step)
    return stage if stage in ROWS else TABLES


def cpu_by_row(run: Found) -> dict[str, float]:
    """CPU seconds of all processes by row, of a run or of the plain script."""
    return _by_row(_with_imports_at_the_start(run), lambda step: sum(step["cpu_s"].values()), "step_cpu_s")


def wall_by_row(run: Found) -> dict[str, float]:
    """Wall seconds by row."""
    return _by_row(run, lambda step: step["wall_s"], "step_wall_s")


def _rows_of(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The rows that any run has."""
    return [row for row in ROWS if any(row in rows for rows in found.values())]


def _by_row(run: Found, of_step: Any, of_script: str) -> dict[str, float]:
    if of_script in run:
        return dict(run[of_script])
    rows: dict[str, float] = {}
    for name, step in run["steps"].items():
        rows[row_of(name)] = rows.get(row_of(name), 0.0) + of_step(step)
    return rows


def _with_imports_at_the_start(run: Found) -> Found:
    """The run, in which the server that block processes are forked from takes its imports at the start.

    It imports for all steps, while the first of them has begun. The script's imports are in its start, too.
    """
    if "steps" not in run:
        return run
    imports = sum(step["cpu_s"].get(FORK_SERVER, 0.0) for step in run["steps"].values())
    steps = {
        name: {**step, "cpu_s": {**step["cpu_s"], FORK_SERVER: imports if name == START else 0.0}}
        for name, step in run["steps"].items()
    }
    return {**run, "steps": steps}


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
    others = [name for name in RUNTIMES if name in runs and name != "torch"]
    for name in others:
        goal = GOAL_BEST if name == others[-1] else None
        yield f"CPU in all, with {_runtime(name)}", runs["script"]["cpu_s"] / runs[name]["cpu_s"], goal
    yield "wall time, with torch", runs["script"]["wall_s"] / runs["torch"]["wall_s"], None if others else GOAL_WALL
    for name in others:
        goal = GOAL_WALL if name == others[-1] else None
        yield f"wall time, with {_runtime(name)}", runs["script"]["wall_s"] / runs[name]["wall_s"], goal


def _runtime(name: str) -> str:
    return NAMES[name].removeprefix("warm, ")


def _head(found: Found, about: str) -> list[str]:
    """Date and machine of a part, and what it measured."""
    busy = ""
    if found["load"] > 0.5:
        busy = f" Other work shared the machine (load {found['load']:.1f} when the part began): wall times are upper"
        busy += " bounds and the ratios are rough."
    return [f"{found['date']}, {found['machine']}, {found['cores']} cores; {about}.{busy}", ""]


def limits(found: Found) -> Iterator[tuple[str, float, float]]:
    """What a warm run takes of what has a goal of its own: name, value, most."""
    run, blocks, sources = found["runs"]["torch"], found["blocks"], found["sources"]
    cpu = {row: seconds / blocks for row, seconds in cpu_by_row(run).items()}
    yield "mosaic, CPU s a block and source", cpu["mosaic"] / sources, MOST_MOSAIC_S
    yield "assess and describe, CPU s a block and source", (cpu["assess"] + cpu["describe"]) / sources, MOST_LOOKS_S
    yield "compare, CPU s a block", cpu["compare"], MOST_COMPARE_S
    if "aggregate" in cpu:
        yield "aggregate, CPU s a block", cpu["aggregate"], MOST_AGGREGATE_S
    yield "report, wall s of the run", wall_by_row(run)["report"], MOST_REPORT_S
    yield "what a first run takes more, CPU s of the run", found["runs"]["cold"]["cpu_s"] - run["cpu_s"], MOST_COMPILE_S
    yield "the same run again, with nothing to do, wall s", found["runs"]["again"]["wall_s"], MOST_AGAIN_S


def _comparison(found: Found) -> list[str]:
    runs, blocks = found["runs"], found["blocks"]
    shown = {name: title for name, title in NAMES.items() if name in runs}
    lines = _head(found, f"{blocks} blocks, segmented with the included model `{found['model']}`")
    lines += _cpu_table(found, shown, blocks)
    lines += ["", "Wall seconds of the whole run by step:", ""]
    walls = {name: wall_by_row(runs[name]) for name in shown}
    rows = [[row, *(_text(walls[name].get(row)) for name in shown)] for row in _rows_of(walls)]
    rows.append(["in all", *(_text(runs[name]["wall_s"]) for name in shown)])
    lines += _table(["step", *shown.values()], rows)
    goals = [[name, _text(ratio), f"{goal:g}" if goal else ""] for name, ratio, goal in ratios(found)]
    lines += ["", "What the script takes, divided by what a warm run takes:", "", *_table(["", "ratio", "goal"], goals)]
    for name, iou in found.get("iou_with_torch", {}).items():
        lines += ["", f"The masks of the run with {_runtime(name)} have an IoU of {iou:.5f} with those of torch."]
    most = [[name, _text(value), f"{most:g}"] for name, value, most in limits(found)]
    lines += ["", "What has a limit of its own:", "", *_table(["", "measured", "at most"], most)]
    return [*lines, "", "Processes by kind:", "", *_process_table(runs, shown)]


def _cpu_table(found: Found, shown: Mapping[str, str], blocks: int) -> list[str]:
    """CPU seconds per block by step, with the kernels' own."""
    runs, kernels = found["runs"], found["kernels"]["torch"]
    cpu = {name: cpu_by_row(runs[name]) for name in shown}
    rows = []
    for row in _rows_of(cpu):
        own, warm = kernels.get(row), cpu["torch"].get(row, 0.0) / blocks
        script = cpu["script"].get(row)
        over = warm / own if own else None
        rows.append([
            row, *(_text(cpu[name][row] / blocks if row in cpu[name] else None) for name in shown),
            _text(script / blocks / warm if script and warm else None), _text(own), _text(over),
            WHY.get(row, "") if over is not None and over > MOST_OVER_KERNELS else "",
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


def _scaling(found: Found) -> list[str]:
    """What blocks cost in runs of several sizes, and what a plan said of them."""
    runs: dict[str, Found] = found["blocks"]
    header = ["", *(f"{int(size):,} blocks" for size in runs)]
    cpu, wall = ({size: by(run) for size, run in runs.items()} for by in (cpu_by_row, wall_by_row))

    def per_block(rows: Mapping[str, Mapping[str, float]], row: str) -> list[str]:
        return [row, *(_text(rows[size][row] / int(size) if row in rows[size] else None) for size in runs)]

    lines = _head(found, f"two sources, eight products, {found['model']}")
    in_all = ["in all", *(_text(run["cpu_s"] / int(size)) for size, run in runs.items())]
    lines += ["CPU seconds per block:", "", *_table(header, [*(per_block(cpu, row) for row in _rows_of(cpu)), in_all])]
    in_all = ["in all", *(_text(run["wall_s"] / int(size)) for size, run in runs.items())]
    lines += [
        "",
        "Wall seconds per block:",
        "",
        *_table(header, [*(per_block(wall, row) for row in _rows_of(wall)), in_all]),
    ]
    lines += ["", "What is not the work of a block:", "", *_table(header, _overheads(runs))]
    lines += [
        "",
        "The client holds the map of one unit at a time while it exports; the same four provinces grow with the country.",
    ]
    for size, planned in found["plans"].items():
        words = f"What `croplayer plan` foretold of {int(size):,} blocks from the run of {min(map(int, runs))}, wall seconds:"
        pilot = runs[min(runs, key=int)]
        header = ["step", "planned", "measured", "error", "error at the same speed"]
        lines += ["", words, "", *_table(header, _plan_rows(planned, runs[size], speed(runs[size]) / speed(pilot)))]
    words = "The same speed: as if a process had got the same share of a core during the pilot as during the run."
    return [*lines, "", words]


def speed(run: Found) -> float:
    """CPU seconds that block processes took for each second in which a worker had a block."""
    steps = [step for name, step in run["steps"].items() if row_of(name) in OF_BLOCKS]
    return sum(step["cpu_s"].get(BLOCK_PROCESS, 0.0) for step in steps) / _busy_s(run)


def _busy_s(run: Found) -> float:
    """Seconds in which workers had a block, of all workers."""
    return sum(run["seconds_of_blocks"].values()) * run["block_count"]


def _overheads(runs: Mapping[str, Found]) -> list[list[str]]:
    """Times of the run that do not belong to the work on a block, and memory, by size."""
    rows: dict[str, dict[str, float]] = {}
    for size, run in runs.items():
        steps = [step for name, step in run["steps"].items() if row_of(name) in OF_BLOCKS]
        idle = run["workers"] * sum(step["wall_s"] for step in steps) - _busy_s(run)
        kinds = {kind: sum(step["cpu_s"].get(kind, 0.0) for step in steps) for kind in run["peak_mb"]}
        rest = [step["wall_s"] for name, step in run["steps"].items() if row_of(name) not in OF_BLOCKS]
        found = {
            "start, s of the run": run["steps"][START]["wall_s"],
            "all but the steps over blocks, s of the run": sum(rest),
            "CPU s of block processes for each second of a worker with a block": speed(run),
            "workers without a block during the steps over blocks, s per block": idle / int(size),
            **{f"{kind} during the steps over blocks, CPU s per block": s / int(size) for kind, s in kinds.items()},
            **{f"{kind}, peak MB": peak for kind, peak in run["peak_mb"].items()},
            "cube, GB": run["cube_gb"],
        }
        for name, value in found.items():
            rows.setdefault(name, {})[size] = value
    return [[name, *(_text(values.get(size)) for size in runs)] for name, values in rows.items()]


def _plan_rows(planned: Mapping[str, float], run: Found, faster: float) -> Iterator[list[str]]:
    """Planned and measured seconds by step, and of the whole run, which had ``faster`` processes than the pilot."""
    walls, rows = wall_by_row(run), {row_of(step) for step in planned}
    beside = sum(seconds for row, seconds in walls.items() if row == TABLES or row not in rows)
    measured: dict[str, float] = {step: beside if row_of(step) == TABLES else walls[row_of(step)] for step in planned}
    measured["in all"] = run["wall_s"]
    for step, seconds in [*planned.items(), ("in all", sum(planned.values()))]:
        took = measured[step]
        errors = (f"{seconds / by / took - 1:+.0%}" for by in (1.0, faster))
        yield [step, _text(seconds), _text(took), *errors]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows)]


def _text(value: float | None) -> str:
    """Three digits; empty where there is no value."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else f"{value:.1g}"
