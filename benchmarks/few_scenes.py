"""What ten labelled scenes of another land are worth: training from known weights against training from nothing.

    python -m benchmarks.few_scenes --minutes 10 60 --start default random -o few_scenes.json

The other land is croplayer's SYNTHETIC country, which stands in for the scenes that a user drew. No included model of cropland for
real land learned from it: ``default`` saw none of it. Ten scenes are trained on and ten others, elsewhere in the country, are
judged. Each start has its own time on one CPU thread; the IoU on the judged scenes is written at ten moments.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from croplayer.landscape.country import Country
from croplayer.landscape.make import SMALL_BOUNDS
from croplayer.landscape.samples import write_training_scenes
from croplayer.models.training import fitting
from croplayer.models.training.evaluation import score_scenes
from croplayer.models.training.fitting import fit
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.torchrun import ALONE
from croplayer.models.training.training import fixed_threads
from croplayer.models.training.training_config import StepReport, TrainingConfig

COUNTRY_SEED = 11
"""Not the seed of a country that a model was trained on."""
ZOOM = 16
SCENES = 20
LOOKS = 10
WARM_UP = 5
"""Steps that are timed to know how many fit into the time."""


def main() -> None:
    """Train from each start for its time, print the curves and write them as JSON."""
    arguments = _arguments()
    found: dict[str, Any] = {"scenes": "synthetic", "seed": COUNTRY_SEED, "curves": {}}
    with tempfile.TemporaryDirectory() as scratch, fixed_threads(1):
        country = Country(COUNTRY_SEED)
        write_training_scenes(country, Path(scratch), SMALL_BOUNDS, ZOOM, SCENES)
        scenes = LabelledScenes.open(Path(scratch) / "images", Path(scratch) / "parcels.gpkg")
        learn, judged = scenes.subset(scenes.names[::2]), scenes.subset(scenes.names[1::2])
        for start, minutes in zip(arguments.start, arguments.minutes, strict=True):
            found["curves"][start] = _curve(learn, judged, start, minutes)
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")


def _config(start: str, steps: int, look_every: int) -> TrainingConfig:
    return TrainingConfig(
        architecture="unet", size="efficientnet-lite2", start=start, steps=steps, crop_px=256, batch=4,
        encoder_rate=1.0 if start == "random" else 0.3, weight_decay=0.02, gsd_m=(1.8, 4.0), look_every=look_every,
        patience=10**6, checkpoint_every=0, threads=1,
    )  # fmt: skip


def _curve(learn: LabelledScenes, judged: LabelledScenes, start: str, minutes: float) -> list[dict[str, float]]:
    """Minutes of CPU in training steps and IoU at some moments; the judging itself is not counted."""
    clock = _Clock()
    with _scored(clock), tempfile.TemporaryDirectory() as none:
        clock.start()
        fit(learn, None, _config(start, WARM_UP, WARM_UP), Path(none) / "no", ALONE, clock.step)
        steps = round(minutes * 60 / (clock.spent / WARM_UP))
        print(f"{start}: {steps} steps in {minutes:g} minutes", flush=True)
        clock.start()
        fit(learn, judged, _config(start, steps, max(steps // LOOKS, 1)), Path(none) / "no", ALONE, clock.step)
    return clock.looks


class _Clock:
    """CPU seconds of this process in training steps."""

    def start(self) -> None:
        """Begin to count."""
        self.spent, self._last = 0.0, time.process_time()
        self.looks: list[dict[str, float]] = []

    def pause(self) -> None:
        """Leave out what comes until ``go_on``."""
        self.spent += time.process_time() - self._last

    def go_on(self) -> None:
        """Count again."""
        self._last = time.process_time()

    def step(self, report: StepReport) -> None:
        """Note a look at the judged scenes."""
        self.pause()
        if report.stopping_iou is not None:
            row = {"step": report.step, "minutes": round(self.spent / 60, 2), "iou": round(report.stopping_iou, 4)}
            self.looks.append(row)
            print(row, flush=True)
        self.go_on()


@contextmanager
def _scored(clock: _Clock) -> Iterator[None]:
    """Stop the clock while the judged scenes are scored."""
    score = score_scenes

    def scored(*arguments: Any) -> Any:
        clock.pause()
        result = score(*arguments)
        clock.go_on()
        return result

    with mock.patch.object(fitting, "score_scenes", scored):
        yield


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", nargs="+", default=["default", "random"], help="models to start from, or random")
    parser.add_argument("--minutes", nargs="+", type=float, default=[10.0, 60.0], help="of CPU, for each start")
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
