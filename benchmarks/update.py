"""Cost of an update beside that of the first run: ``python -m benchmarks.update --blocks 2500 --page docs/editions.md``.

Small blocks with two sources, a network, terrain, a product and admin units, as `benchmarks.nation` has them. For the later
edition one source is renewed in a square of one block in a hundred, in a file of its own, so the files of every block are
compared. Blocks are as small as the network takes them, so what is measured is what an update costs beside computing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rasterio
from rasterio.windows import Window

from benchmarks.machine import processor
from benchmarks.nation_run import BLOCK_PX, make_inputs, write_recipe
from benchmarks.processes import by_step, run_watched
from stores.ledger import Ledger
from stores.run_folder import RunFolder

MOST_SHARE = 0.03
"""Goal for the CPU time of an update in which one tile in a hundred changed."""
FIRST, LATER = "1", "2"
SHOWN = 6
"""Steps that the page names."""
BEGIN, END = "<!-- written by benchmarks.update -->", "<!-- end -->"


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
    for step in ("mosaic", "segment", "integrate"):
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


def section(found: dict[str, Any]) -> str:
    """The figures as a section of a page."""
    first, update = found["first"], found["update"]
    share = update["cpu_s"] / first["cpu_s"]
    fixed = sum(update["steps"].get(step, 0.0) for step in ("start", "between steps", "end"))
    names = sorted(first["steps"].keys() | update["steps"].keys(), key=lambda s: -update["steps"].get(s, 0.0))[:SHOWN]
    return "\n".join(
        [
            f"{found['blocks']:,} blocks of {found['block_px']} px, of which {found['renewed']} have other imagery in one of two sources; "
            f"the files of all are compared. Measured on {found['date']}: {processor()}, {os.cpu_count()} cores.",
            "",
            "|  | first edition | update |",
            "|---|---|---|",
            f"| CPU time of all processes, s | {first['cpu_s']:,.1f} | {update['cpu_s']:,.1f} ({100 * share:.1f} %) |",
            *(
                f"| of it: {name}, s | {first['steps'].get(name, 0.0):,.1f} | {update['steps'].get(name, 0.0):,.1f} |"
                for name in names
            ),
            f"| wall time, s | {first['wall_s']:,.1f} | {update['wall_s']:,.1f} |",
            f"| blocks carried over: imagery, segmentation, map |  | {', '.join(f'{n:,}' for n in found['linked'].values())} |",
            f"| space of carried blocks, bytes |  | {found['carried_bytes']:,} |",
            f"| space of blocks done again, bytes |  | {found['own_bytes']:,} |",
            "",
            f"The goal of {100 * MOST_SHARE:.0f} % of the CPU time is {'met' if share <= MOST_SHARE else 'missed'}. "
            f"{fixed:,.1f} s of the update do not depend on blocks: start, what lies between the steps, and the end.",
        ]
    )


def write_section(page: Path, text: str) -> None:
    """Put the figures between their marks on a page; raises ValueError for a page without them."""
    before, mark, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{page} has no place for the figures; expected a line {BEGIN} and a line {END}")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=2500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="page with the marks between which the figures are written")
    parser.add_argument("--keep", type=Path, help="folder for the run; by default a temporary one")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as temporary:
        work = a.keep or Path(temporary)
        found = {"date": datetime.now(UTC).date().isoformat(), **measure(work.absolute(), a.blocks, a.workers)}
    print(json.dumps(found), flush=True)
    if a.json:
        a.json.write_text(json.dumps(found, indent=1) + "\n")
    if a.page:
        write_section(a.page, section(found))


if __name__ == "__main__":
    main()
