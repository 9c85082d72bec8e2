"""Label projects of the small run for the tests of rounds."""

from __future__ import annotations

import shutil
from pathlib import Path

import shapely

from croplayer.active.project import LabelProject
from croplayer.active.reading import read_tasks
from shared.label_edits import clear, draw, finish

SEED, HELD_OUT, EDGE = 2, 0.5, 32
SETTINGS = """[learning]
steps = 4
crop_px = 32
batch = 2
checkpoint_every = 2
threads = 1
[sample]
blocks = 4
"""


def label_all(project: LabelProject) -> None:
    """Finish every task: in every one a field on its left half."""
    tasks = read_tasks(project)
    clear(project)
    for task in tasks:
        draw(project, task, shapely.box(0, 0, EDGE / 2, EDGE))
    finish(project, *tasks)


def copied(project: LabelProject, folder: Path) -> LabelProject:
    shutil.copytree(project.folder, folder)
    return LabelProject.open(folder)
