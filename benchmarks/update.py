"""Cost of an update beside that of the first run: ``python -m benchmarks.update --page docs/editions.md``.

Small blocks with two sources, a network, terrain, a product and admin units, as `benchmarks.nation` has them. For the later
edition one source is renewed in a square of one block in a hundred, in a file of its own, so the files of every block are
compared. Blocks are as small as the network takes them, so what is measured is what an update costs beside computing.
`benchmarks.update_real` adds what blocks of the real size cost.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rasterio
from rasterio.windows import Window

from benchmarks.machine import processor
from benchmarks.nation_run import BLOCK_PX, make_inputs, write_recipe
from benchmarks.processes import by_step, run_watched
from benchmarks.update_real import in_words, measure_real
from benchmarks.written import write_section
from stores.ledger import Ledger
from stores.run_folder import RunFolder

MOST_SHARE = 0.03
"""Goal for the CPU time of an update in which one tile in a hundred changed."""
FIRST, LATER = "1", "2"
GOAL_BLOCKS = 10_000
"""Blocks for which the goal is stated."""
SHOWN = 6
"""Steps that the page names."""
STEPS = ("mosaic", "segment", "integrate")
WORDS = {"start": "start, carrying over and comparing files", "end": "end of the run"}
"""What the page calls parts that are no steps."""


def renew(inputs: Path, side: int) -> int:
    """A copy of the first source in which a square of one block in a hundred is of another day; returns the blocks of the square."""
    edge = max(1, round(side / 10))
    path = Path(shutil.copy(inputs / "a.tif", inputs / "a_later.tif"))
    first = (2 + side // 2 - edge // 2) * BLOCK_PX
    window = Window(first, first, edge * BLOCK_PX, edge * BLOCK_PX)
    with rasterio.open(path, "r+") as file:
        file.write(255 - file.read(window=window), window=window)
    return edge * edge


def measure(work: Path, blocks: int, workers: int) -> dict[str, Any]:
    """Both editions of a run, and what each took."""
    side = max(10, round(blocks**0.5))
    make_inputs(work / "inputs", side, BLOCK_PX)
    first = write_recipe(work, side)
    text = first.read_text().replace('name = "nation"', f'name = "nation"\nedition = "{FIRST}"')
    first.write_text(text)
    later = work / "later.toml"
    later.write_text(text.replace(f'edition = "{FIRST}"', f'edition = "{LATER}"').replace("a.tif", "a_later.tif"))
    out = work / "out"
    found: dict[str, Any] = {"blocks": side * side, "block_px": BLOCK_PX, "renewed": renew(work / "inputs", side)}
    for name, recipe, folder in (("first", first, out), ("update", later, out / "editions" / LATER)):
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pipelines", "run", str(recipe), "-o", str(out), "--workers", str(workers)]
        watched = run_watched(command, folder / "run.log")
        steps = {step: taken.all_cpu_s for step, taken in by_step(watched).items()}
        found[name] = {
            "wall_s": watched.wall_s,
            "cpu_s": watched.cpu_s,
            "steps": steps,
            "kinds": dict(watched.samples[-1].cpu_s),
        }
    return found | _space(RunFolder(out), RunFolder(out / "editions" / LATER))


def _space(first: RunFolder, later: RunFolder) -> dict[str, Any]:
    """Blocks whose files are links to those of the edition before, by step, and bytes of the others."""
    linked: dict[str, int] = {}
    own = carried = 0
    for step in STEPS:
        for _, record in Ledger(later.ledger(step)).newest():
            paths = [later.own_cube / key for key in record.files]
            are_linked = [path.stat().st_nlink > 1 for path in paths]
            linked[step] = linked.get(step, 0) + all(are_linked)
            own += sum(
                path.stat().st_blocks * 512 for path, is_linked in zip(paths, are_linked, strict=True) if not is_linked
            )
            carried += sum(
                not path.samefile(first.own_cube / path.relative_to(later.own_cube).as_posix().replace(f"{LATER}/", f"{FIRST}/", 1))
                for path, is_linked in zip(paths, are_linked, strict=True) if is_linked
            )  # fmt: skip
    return {"linked": linked, "own_bytes": own, "carried_bytes": carried}


def section(runs: Sequence[dict[str, Any]], date: str, real: dict[str, Any] | None = None) -> str:
    """The figures of runs of several sizes as a section of a page, the largest last.

    Parameters
    ----------
    real : what `measure_real` found; it is told beside two or more runs
    """
    largest = runs[-1]
    names = sorted(largest["update"]["steps"], key=lambda step: -largest["update"]["steps"][step])[:SHOWN]
    rows = [
        _row("blocks", runs, lambda found, which: f"{found['blocks']:,}"),
        _row("CPU time of all processes, s", runs, lambda found, which: f"{found[which]['cpu_s']:,.1f}"),
        *(
            _row(f"of it: {WORDS.get(name, name)}, s", runs, lambda found, which, name=name: f"{found[which]['steps'].get(name, 0.0):,.1f}")
            for name in names
        ),
        _row("wall time, s", runs, lambda found, which: f"{found[which]['wall_s']:,.0f}"),
        _row("blocks with other imagery", runs, lambda found, which: "" if which == "first" else f"{found['renewed']:,}"),
        *(
            _row(f"carried over in {step}", runs, lambda found, which, step=step: "" if which == "first" else f"{found['linked'][step]:,}")
            for step in STEPS
        ),
        _row("bytes of carried blocks", runs, lambda found, which: "" if which == "first" else f"{found['carried_bytes']:,}"),
        _row("bytes of other blocks", runs, lambda found, which: "" if which == "first" else f"{found['own_bytes']:,}"),
    ]  # fmt: skip
    header = [f"{which} of {found['blocks']:,}" for found in runs for which in ("first edition", "update")]
    shares = ", ".join(f"{100 * _share(found):.1f} % with {found['blocks']:,} blocks" for found in runs)
    lines = [
        f"Blocks of {largest['block_px']} px, of which one in a hundred, a square, has other imagery in one of two sources; the files of "
        f"all are compared. Measured on {date}, beside other work: {processor()}, {os.cpu_count()} cores.",
        "",
        f"|  | {' | '.join(header)} |",
        "|---|" + "---|" * len(header),
        *rows,
        "",
        f"The update takes {shares} of the CPU time of the first edition.",
    ]
    if len(runs) > 1:
        first, update = (_line(runs, which) for which in ("first", "update"))
        share = update(GOAL_BLOCKS) / first(GOAL_BLOCKS)
        lines[-1] += (
            f" On a straight line through these runs it is {100 * share:.1f} % with {GOAL_BLOCKS:,} blocks; the goal of "
            f"{100 * MOST_SHARE:.0f} % is {'met' if share <= MOST_SHARE else 'missed there'}, with blocks that cost next to nothing. {update(0):,.0f} s of it are the same for any "
            f"number of blocks, and each block costs {1000 * (update(1) - update(0)):,.1f} ms where one in a hundred changed; in the first "
            f"edition it costs {1000 * (first(1) - first(0)):,.0f} ms, which grows with its pixels, as the cost of carrying it over does not."
        )
        if real is not None:
            lines += ["", in_words(real, first(0), update(GOAL_BLOCKS), GOAL_BLOCKS, MOST_SHARE)]
    return "\n".join(lines)


def _row(title: str, runs: Sequence[dict[str, Any]], text: Callable[[dict[str, Any], str], str]) -> str:
    return f"| {title} | " + " | ".join(text(found, which) for found in runs for which in ("first", "update")) + " |"


def _share(found: dict[str, Any]) -> float:
    return float(found["update"]["cpu_s"] / found["first"]["cpu_s"])


def _line(runs: Sequence[dict[str, Any]], which: str) -> Callable[[int], float]:
    """CPU seconds by number of blocks, on a straight line through the smallest and the largest run."""
    (n, low), (m, high) = ((found["blocks"], found[which]["cpu_s"]) for found in (runs[0], runs[-1]))
    slope = (high - low) / (m - n)
    return lambda blocks: float(low + slope * (blocks - n))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", default="400,2500", help="numbers of blocks, parted by commas, ascending")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-real", action="store_true", help="leave out the blocks of the real size")
    parser.add_argument(
        "--country", type=Path, help="folder of the country of the real size, which is made where it is missing"
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="page with the marks between which the figures are written")
    a = parser.parse_args()
    date, runs = datetime.now(UTC).date().isoformat(), []
    for count in map(int, a.blocks.split(",")):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
            runs.append(measure(Path(temporary), count, a.workers))
        print(json.dumps(runs[-1]), flush=True)
    real = None
    if not a.no_real:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
            real = measure_real(Path(temporary), a.workers, a.country)
        print(json.dumps(real), flush=True)
    if a.json:
        a.json.write_text(json.dumps({"date": date, "runs": runs, "real": real}, indent=1) + "\n")
    if a.page:
        write_section(a.page, "update", section(runs, date, real))


if __name__ == "__main__":
    main()
