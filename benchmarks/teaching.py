"""Teach the shipped model land that it has never seen: rounds of labelling by a person who knows the truth, in a real browser.

    python -m benchmarks.teaching -o runs/teaching

The land is croplayer's SYNTHETIC country; the model is ``default``, which learned on real scenes alone. In every round the person
labels squares in ``labels.gpkg`` as a GIS does, one square and those without any field at the page with keys and the mouse, and
judges blocks of the sample there. The server is killed while the person works, and started again. ``croplayer label round`` learns
and measures. When it says that a round has lost something, the person sets ``keep`` as it advises. In the end a copy of the folder at another place makes rounds again and compares the bytes.

A command that was stopped goes on where it was. What is there stays: the country, the run, the label project and its rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.browser import Tab, browser_tabs
from benchmarks.teaching_page import section
from benchmarks.teaching_person import Person, opened, page_cost, press
from benchmarks.written import write_section
from croplayer.active.held_out import is_held_out
from croplayer.active.judgements import read_judgements
from croplayer.active.project import FIELDS, LabelProject
from croplayer.active.reading import read_labels, read_tasks
from croplayer.active.rounds.folder import finished_rounds, round_folder
from croplayer.active.rounds.mapping import run_masks
from croplayer.active.rounds.settings import SETTINGS_FILE, Learning
from croplayer.active.rounds.shown import ShownMasks, sampled_blocks
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.tasks import Task, TaskStatus
from croplayer.cube.whole_blocks import Cube
from croplayer.landscape.country import Country
from croplayer.landscape.make import SMALL_BOUNDS, make_country
from croplayer.landscape.truth import truth_mask
from croplayer.measures.agreement import Agreement, mask_agreement
from stores.grid import BlockIndex
from stores.legends import CROPLAND, DEFAULT_CLASSES, NO_IMAGERY
from stores.run_folder import RunFolder

SEED = 7
"""Not the seed of a country that a model was trained on."""
ZOOM, BLOCK_PX, EDITION = 15, 1280, "2020"
"""Tiles and pixels of 3.9 m, which ``default`` knows."""
JUDGED = 6
"""Blocks that are judged in each round."""
MOST_CLICKS = 220
"""A square with more corners is labelled in the GIS."""
KEEP = 2.0
"""Weight of keeping the map on other land once a round has lost something."""
LOADED_S = 3.0
"""Time for a picture to appear before it is taken."""
RECIPE = """name = "teaching"
title = "Land that the model has never seen"
about = "Everything here is SYNTHETIC: land, imagery, provinces and statistics are made by croplayer's landscape generator."
edition = "{edition}"

[region]
bounds = [{bounds}]

[grid]
block_px = {block_px}
cell_px = 256
blend_px = 32

[[sources]]
name = "aster"
kind = "tiles"
template = "country/tiles/aster/{{z}}/{{x}}/{{y}}.jpg"
zoom = {zoom}

[[sources]]
name = "borealis"
kind = "tiles"
template = "country/tiles/borealis/{{z}}/{{x}}/{{y}}.jpg"
zoom = {zoom}

[terrain]
path = "country/dem.tif"

[segmentation]
model = "{model}"

[coverage]
model = "landscape_coverage"

[[admin]]
level = 1
path = "country/provinces.gpkg"

[statistics]
path = "country/statistics.csv"
"""


def main() -> None:
    """Run the rounds, print what each gave, and write it as JSON."""
    options = _arguments()
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    country = Country(options.seed)
    _make_run(out, options)
    labels = out / "labels"
    if not labels.is_dir():
        croplayer("label", "init", out / "run", "-o", labels, "--tasks", options.tasks, "--random-share", "0.4",
                  "--held-out", "0.35", "--window-px", "256", "--seed", options.project_seed)  # fmt: skip
    settings = f"[sample]\nblocks = {options.sample}\n\n[learning]\nsteps = {options.steps}\n"
    (labels / SETTINGS_FILE).write_text(settings)
    project = LabelProject.open(labels)
    numbers = RunNumbers.read(RunFolder(out / "run"), EDITION, [], DEFAULT_CLASSES.correct)
    cube = numbers.cube
    person = Person("Li", country, project.grid, options.seed)
    told = out / "teaching.json"
    for number in range(len(finished_rounds(project)) + 1, options.rounds + 1):
        if not any(task.round == number for task in read_tasks(project)):
            croplayer("label", "next", labels, "--count", options.tasks, "--random-share", "0.3")
        if _has_lost(project):
            # As the command advises.
            (labels / SETTINGS_FILE).write_text(f"{settings}keep = {KEEP:g}\n")
        killed = _work(project, cube, person, out)
        _tell(told, {f"killed in round {number}": killed})
        croplayer("label", "round", labels)
    _tell(told, {"seed": options.seed, "model": options.model, "rounds": _measured(project, numbers, country)})
    with browser_tabs(out / f"profile{time.time_ns()}") as (tab,):
        tab.open((labels / "rounds" / "report.html").as_uri())
        time.sleep(LOADED_S)
        tab.picture(out / "report.png", "body")
    _tell(told, {"made again": _made_again(out, project, options.again)})
    print(told.read_text())
    if options.write is not None:
        text = section(json.loads(told.read_text()), labels, {land: Path(folder) for land, folder in options.record})
        write_section(options.write, "teaching", text)


def _tell(path: Path, more: dict[str, Any]) -> None:
    """Add to a JSON file."""
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(known | more, indent=1) + "\n")


def croplayer(*arguments: object, cwd: Path | None = None) -> str:
    """Run a command of croplayer; returns what it said. Raises CalledProcessError if it fails."""
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *map(str, arguments)], env=environment, text=True, check=True, cwd=cwd,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    print(f"{' '.join(map(str, arguments))}: {time.monotonic() - began:.0f} s\n{done.stdout}", flush=True)
    return done.stdout


def _make_run(out: Path, options: argparse.Namespace) -> None:
    """The country and the run of the shipped model."""
    if not (out / "country" / "country.json").is_file():
        make_country(
            out / "country",
            seed=options.seed,
            bounds=SMALL_BOUNDS,
            zoom=ZOOM,
            training_scenes=0,
            coverage_samples=0,
            provinces=2,
        )
    recipe = RECIPE.format(
        edition=EDITION, bounds=", ".join(map(str, SMALL_BOUNDS)), block_px=BLOCK_PX, zoom=ZOOM, model=options.model
    )
    (out / "teaching.toml").write_text(recipe)
    croplayer("run", out / "teaching.toml", "-o", out / "run")


def _work(project: LabelProject, cube: Cube, person: Person, out: Path) -> dict[str, Any]:
    """Label all open tasks and judge some blocks; returns what a killed server had saved and what was there afterwards."""
    still = [task for task in read_tasks(project) if task.status == TaskStatus.OPEN]
    cost = {task.id: page_cost(person.drawn(task)[0]) for task in still}
    drawn = sorted((task for task in still if 0 < cost[task.id] <= MOST_CLICKS), key=lambda task: cost[task.id])[:1]
    at_page = drawn + [task for task in still if cost[task.id] == 0]
    person.label_by_layers(project, [task for task in still if task not in at_page])
    with browser_tabs(out / f"profile{time.time_ns()}") as (tab,):
        killed = {}
        for last, tasks in ((False, at_page[:1]), (True, at_page[1:])):
            with _served(project) as server:
                opened(tab, server.address, person.name)
                for _ in tasks:
                    _shown_task(tab, at_page)
                    shown = next(task for task in at_page if task.id == tab.text("#subject"))
                    if shown in drawn:
                        tab.picture(out / "page_fields.png")
                    person.label_at_the_page(tab, project, shown)
                _judge(tab, project, cube, person, JUDGED // 2)
                if not last:
                    killed["saved"] = _what_is_there(project)
                    server.kill()
        found = _what_is_there(project)
        killed["lost"] = {name: max(killed["saved"][name] - found[name], 0) for name in found}
    read_labels(project)
    return killed


def _shown_task(tab: Tab, tasks: list[Task]) -> None:
    """Go on until the page shows one of the tasks."""
    wanted = {task.id for task in tasks}
    for _ in range(200):
        if tab.text("#subject") in wanted:
            return
        press(tab, "ArrowRight")
    raise RuntimeError(f"the page shows none of {', '.join(sorted(wanted))}")


def _judge(tab: Tab, project: LabelProject, cube: Cube, person: Person, count: int) -> None:
    """Judge the next blocks of the sample; before the first round there is none."""
    if not sampled_blocks(project):
        return
    press(tab, "m")
    time.sleep(LOADED_S)
    tab.picture(project.folder.parent / "page_blocks.png")
    for _ in range(count):
        block = tab.text("#subject")
        person.judge_at_the_page(tab, ShownMasks.of(project, cube), project.settings.sources, block)
    press(tab, "m")


def _what_is_there(project: LabelProject) -> dict[str, int]:
    import geopandas as gpd

    fields = gpd.read_file(project.gpkg, layer=FIELDS)
    done = sum(task.status == TaskStatus.DONE for task in read_tasks(project))
    return {
        "judgements": len(read_judgements(project.folder)),
        "done": done,
        "drawn": int((fields.origin == "person").sum()),
    }


def _has_lost(project: LabelProject) -> bool:
    """Whether a round has mapped the held-out labels of a unit worse than the model before."""
    record = project.folder / "rounds.parquet"
    if not record.is_file():
        return False
    rows = pd.read_parquet(record)
    return bool((rows.iou < rows.iou_before).any())


class _Server:
    """A server of the page."""

    def __init__(self, project: LabelProject) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "pipelines", "label", "serve", str(project.folder)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path(__file__).parents[1]
        )
        assert self.process.stdout is not None
        found = re.match(r"open (\S+)", self.process.stdout.readline())
        if found is None:
            raise RuntimeError("the server does not say its address")
        self.address = found[1]

    def kill(self) -> None:
        """As a crash of the machine ends it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def _served(project: LabelProject) -> Iterator[_Server]:
    server = _Server(project)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait(30)


def _measured(project: LabelProject, numbers: RunNumbers, country: Country) -> list[dict[str, Any]]:
    """What every round measured on the held-out labels, and how its masks of held-out blocks agree with the truth, in the imagery
    that the map takes there."""
    record = pd.read_parquet(project.folder / "rounds.parquet")
    blocks = sorted(pd.read_parquet(round_folder(project, 1).sample).block.unique())
    seed, share = project.settings.seed, project.settings.held_out
    held = [name for name in blocks if is_held_out(BlockIndex.parse(name), seed, share)]
    truth = {name: truth_mask(country, project.grid.window(BlockIndex.parse(name)), project.grid) == 1 for name in held}
    found = []
    for number in range(finished_rounds(project)[-1] + 1):
        agreed = Agreement()
        for name in held:
            drawn = round_folder(project, number).masks(project)
            masks = (run_masks(numbers.cube, name) if number == 0 else drawn.read(name)) or {}
            taken = [mask for source, mask in masks.items() if numbers.is_usable(name, source)]
            agreed = sum((_agreement(mask, truth[name]) for mask in taken), agreed)
        row: dict[str, Any] = {"round": number, "true_iou_of_held_out_blocks": round(agreed.iou, 4)}
        rows = record[record["round"] == number]
        columns = ["name", "iou", "iou_low", "iou_high", "iou_before", "iou_blocks", "labels_new", "labels_old", "labels_measuring",
                   "labelling_minutes", "judged", "correct", "changed", "verdict"]  # fmt: skip
        row["units"] = json.loads(rows[columns].round(4).to_json(orient="records"))
        found.append(row)
    return found


def _agreement(mask: np.ndarray, truth: np.ndarray) -> Agreement:
    return mask_agreement(mask == CROPLAND, truth, mask < NO_IMAGERY)


def _made_again(out: Path, project: LabelProject, again: list[int] | None) -> list[str]:
    """What a second person sees who has the folder alone, and makes rounds again: some, or all."""
    second = out / "second" / "labels"
    shutil.rmtree(second.parent, ignore_errors=True)
    shutil.copytree(project.folder, second)
    return [
        croplayer("label", "round", second, "--rebuild", number, "--run", out / "run", cwd=out).strip()
        for number in finished_rounds(project)
        if again is None or number in again
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=20, help="squares that are labelled in each round")
    parser.add_argument("--sample", type=int, default=8, help="blocks of a unit that each round maps, about")
    parser.add_argument("--steps", type=int, default=Learning.steps, help="training steps of a round")
    parser.add_argument("--seed", type=int, default=SEED, help="of the country")
    parser.add_argument("--project-seed", type=int, default=8, help="of the label project")
    parser.add_argument("--model", default="default", help="model that the rounds start from")
    parser.add_argument("--again", type=int, nargs="*", help="rounds that are made again; all by default")
    parser.add_argument("--write", type=Path, help="page whose section is written anew, such as docs/labels.md")
    parser.add_argument(
        "--record", nargs=2, action="append", type=str, default=[], metavar=("LAND", "FOLDER"),
        help="another label project whose rounds the section shows",
    )  # fmt: skip
    return parser.parse_args()


if __name__ == "__main__":
    main()
