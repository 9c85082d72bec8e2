"""A training goes on only from what the same code left."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys

from shared.places import REPOSITORY

from croplayer.models.training import training
from croplayer.models.training.cross_validation import cross_validate
from croplayer.models.training.training import TrainingConfig, train_segmentation

CONFIG = TrainingConfig("pidnet", steps=4, crop_px=64, batch=2, gsd_m=(2.0, 3.0), checkpoint_every=2, threads=1)


def test_other_code_goes_on_from_no_checkpoint(painted_scenes, tmp_path, monkeypatch):
    def steps_of(name: str, stop: int = 99) -> list[int]:
        def step(report):
            seen.append(report.step)
            if report.step == stop:
                raise KeyboardInterrupt

        seen: list[int] = []
        with contextlib.suppress(KeyboardInterrupt):
            train_segmentation(
                painted_scenes, CONFIG, tmp_path / name, work=tmp_path, training_data="-", licence="-", on_step=step
            )
        return seen

    assert steps_of("stopped", stop=3) == [1, 2, 3]
    with monkeypatch.context() as changed:
        changed.setattr(training, "training_code", lambda: "other")
        assert steps_of("other") == [1, 2, 3, 4]
    assert steps_of("continued") == [3, 4]


def test_other_code_takes_no_fold(painted_scenes, tmp_path, monkeypatch):
    def trained_steps(code: str) -> int:
        monkeypatch.setattr(training, "training_code", lambda: code)
        reports: list[object] = []
        cross_validate(painted_scenes, CONFIG, 2, tmp_path, on_step=lambda *report: reports.append(report))
        return len(reports)

    assert [trained_steps(code) for code in ("one", "one", "two")] == [8, 0, 8]


def test_the_code_of_training_is_that_of_its_sources(tmp_path):
    left_out = shutil.ignore_patterns("shipped", "__pycache__")
    for package in ("croplayer", "stores"):
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=left_out)

    def digest() -> str:
        code = "from croplayer.models.training.training_code import training_code; print(training_code())"
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def changed(path: str) -> str:
        with (tmp_path / "croplayer" / path).open("a") as file:
            file.write("\nADDED = 1\n")
        return digest()

    first = digest()
    assert changed("report/charts.py") == first
    found = [changed(path) for path in ("models/training/losses.py", "models/networks/unet.py", "kernels/stitch.py")]
    assert len({first, *found}) == 4
