"""A label project of the small run, made once and copied for every test that edits it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from croplayer.active.choosing import Wanted, choose
from croplayer.active.project import LabelProject, create_project
from croplayer.active.run_numbers import RunNumbers
from stores.legends import DEFAULT_CLASSES
from stores.run_folder import RunFolder

EDGE = 32
"""Edge of the windows: sixteen in each of the four blocks."""


@pytest.fixture(scope="session")
def numbers(finished_small_run: Path) -> RunNumbers:
    return RunNumbers.read(RunFolder(finished_small_run), "2020", ["coarse"], DEFAULT_CLASSES.correct)


@pytest.fixture(scope="session")
def made(numbers: RunNumbers, finished_small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> LabelProject:
    """A project of five tasks; tests must leave it as it is."""
    tasks = choose(numbers, Wanted(5, 0.2, 3, 1, EDGE))
    return create_project(tmp_path_factory.mktemp("labels") / "made", finished_small_run, numbers.cube, EDGE, 3, tasks)


@pytest.fixture
def project(made: LabelProject, tmp_path: Path) -> LabelProject:
    """A copy of that project to edit."""
    shutil.copytree(made.folder, tmp_path / "labels")
    return LabelProject.open(tmp_path / "labels")
