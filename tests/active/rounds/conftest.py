"""A label project of the small run whose tasks are finished by script."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from shared.labelled_rounds import EDGE, HELD_OUT, SEED, SETTINGS, label_all
from shared.made_once import made_once

from croplayer.active.choosing import Wanted, choose
from croplayer.active.project import LabelProject, create_project
from croplayer.active.rounds.making import RunSide
from croplayer.active.rounds.mapping import MappingSettings
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.tasks import ChosenBy
from croplayer.files.tables import read_csv
from stores.durable import digest_file
from stores.legends import DEFAULT_CLASSES
from stores.run_folder import RunFolder


@pytest.fixture(scope="session")
def side(finished_small_run: Path) -> RunSide:
    folder = RunFolder(finished_small_run)
    numbers = RunNumbers.read(folder, "2020", ["coarse"], DEFAULT_CLASSES.correct)
    units: pd.DataFrame = read_csv(folder.table("units_1.csv"))
    return RunSide(numbers, MappingSettings(64, 16, 1, 0.5), units, digest_file(folder.blocks).sha256)


@pytest.fixture(scope="session")
def model(finished_small_run: Path, models: Path) -> Path:
    (found,) = models.glob("small_segmentation-*")
    return found


@pytest.fixture(scope="session")
def labelled(side: RunSide, finished_small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> LabelProject:
    """Six finished tasks, three of them in held-out blocks; tests must leave it as it is."""

    def make(out: Path) -> None:
        tasks = choose(side.numbers, Wanted(6, 0.5, SEED, 1, EDGE, HELD_OUT))
        assert sum(task.chosen_by == ChosenBy.RANDOM for task in tasks) == 3
        project = create_project(out / "labels", finished_small_run, side.numbers.cube, EDGE, SEED, tasks, HELD_OUT)
        label_all(project)
        (project.folder / "rounds.toml").write_text(SETTINGS, encoding="utf-8")

    return LabelProject.open(made_once(tmp_path_factory, "labelled", make) / "labels")
