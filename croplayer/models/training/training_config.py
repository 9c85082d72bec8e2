"""The configuration of a training run of the segmentation or of the coverage types, and the report of a step.

Loads no torch.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from croplayer.models.networks.manifest import RANDOM

ARCHITECTURES = ("segformer", "mask2former", "pidnet", "pspnet", "unet")
"""Names of the architectures (``networks.architectures.ARCHITECTURES``)."""
AVERAGES_WINDOWS = ("pidnet", "pspnet")
"""Architectures that normalise one mean per window over a batch, which is nothing for a single window."""
PRECISIONS = ("float32", "bfloat16")
STORED_AS = ("float32", "float16")
VALIDATION_FRACTION = 0.2
"""Share of the scenes that the figures of a segmentation are measured on, where a training says no other."""
CoverageSize = Literal["tiny", "resnet-18", "resnet-34", "resnet-50"]
"""Sizes of the coverage type network."""


class Augmentation(NamedTuple):
    """Strength of the random changes; 0 everywhere leaves the colours unchanged."""

    colour: float = 1.0
    """Strength of brightness, contrast, saturation and gamma changes."""
    haze: float = 0.15
    """Share of windows under white haze."""
    blur: float = 0.25
    """Share of windows blurred."""
    noise: float = 0.25
    """Share of windows with sensor noise."""
    jpeg: float = 0.15
    """Share of windows compressed like map tiles, at quality 40 to 95."""
    mix: float = 0.0
    """Share of windows that get a rectangle of another window of the batch (CutMix, Yun et al. 2019)."""
    turned: float = 0.0
    """Share of windows turned by up to 12 degrees, beside the quarter turns of all."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that a training run depends on, except the scenes."""

    architecture: str = "segformer"
    size: str = "tiny"
    steps: int = 1000
    """Largest number of steps; fewer only with ``patience``."""
    crop_px: int = 256
    """Edge of the windows in pixels; a multiple of 32."""
    batch: int = 8
    """Windows per batch, over all processes together."""
    accumulation: int = 1
    """Batches whose gradients are averaged in one step, for when memory does not fit a larger batch."""
    start: str = RANDOM
    """What the training starts from: "random", "imagenet" (the encoder), or weights that exist (``start.start_from``)."""
    learning_rate: float = 1e-3
    """Highest rate, reached after the warm-up; it then falls to zero along a cosine."""
    encoder_rate: float = 1.0
    """Learning rate of the encoder as a share of ``learning_rate``; below 1 where the encoder has learned before."""
    warmup_steps: int = 50
    weight_decay: float = 0.01
    seed: int = 0
    gsd_m: tuple[float, float] = (1.0, 5.0)
    """Range of the ground sample distances that windows are resampled to, in metres."""
    boundary_weight: float = 1.0
    """Additional weight of pixels near a field's edge."""
    average_decay: float = 0.99
    """Decay per step of the running average of the weights, which is what the bundle holds; 0..1, below 1."""
    patience: int = 0
    """Evaluations on the stopping scenes without a better IoU after which training ends; 0 trains all steps."""
    stopping_fraction: float = 0.15
    """Share of the scenes held out to decide when to stop; no figures are reported on them."""
    look_every: int = 200
    """Steps between two evaluations on the stopping scenes."""
    checkpoint_every: int = 100
    """Steps between two checkpoints; 0 writes none."""
    threads: int = 2
    """CPU threads of the run. Fixed, because the last bits of sums depend on it."""
    precision: str = "float32"
    """Precision of the convolutions on a CPU, float32 or bfloat16; on CUDA it is always bfloat16."""
    stored_as: str = "float32"
    """Floating point type of the weights in the bundle; the figures are those of the stored weights."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    keeps_statistics: bool = False
    """Whether batch norms keep the statistics of the start, as they do when the network maps. Those of a few windows of one kind of
    land would replace what the start knows of others."""
    keep: float = 0.0
    """Weight of keeping, on imagery without a label, what the start maps there (`losses.kept_loss`), as far as the labels find it
    right (`fitting.trust_of`); needs a start that maps. A few labels of some kinds of land would make it forget the others. 0 keeps
    nothing."""

    def __post_init__(self) -> None:
        from croplayer.models.networks.architectures import architecture_config

        architecture_config(self.architecture, self.size)
        for name in ("steps", "batch", "accumulation", "crop_px", "threads", "look_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"training field '{name}' is {getattr(self, name)}; expected at least 1")
        if self.crop_px % 32:
            raise ValueError(f"training field 'crop_px' is {self.crop_px}; expected a multiple of 32")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"training field 'precision' is '{self.precision}'; expected one of {', '.join(PRECISIONS)}"
            )
        if self.stored_as not in STORED_AS:
            raise ValueError(
                f"training field 'stored_as' is '{self.stored_as}'; expected one of {', '.join(STORED_AS)}"
            )
        if not 0 < self.encoder_rate <= 1:
            raise ValueError(f"training field 'encoder_rate' is {self.encoder_rate}; expected above 0, at most 1")
        if not 0 < self.gsd_m[0] <= self.gsd_m[1]:
            raise ValueError(f"training field 'gsd_m' is {self.gsd_m}; expected 0 < smallest <= largest metres")
        if not (self.learning_rate > 0 and 0 <= self.average_decay < 1 and self.checkpoint_every >= 0):
            raise ValueError(
                f"training fields learning_rate={self.learning_rate}, average_decay={self.average_decay}, "
                f"checkpoint_every={self.checkpoint_every}; expected above 0, 0..1 below 1, and 0 or more"
            )
        if not 0 <= self.keep < math.inf:
            raise ValueError(f"training field 'keep' is {self.keep}; expected 0 or more")
        if self.patience < 0 or not 0 < self.stopping_fraction < 1:
            raise ValueError(
                f"training fields patience={self.patience}, stopping_fraction={self.stopping_fraction}; "
                "expected 0 or more, and a share between 0 and 1"
            )
        self.check_batch()

    def check_batch(self, workers: int = 1) -> None:
        """Raise ValueError if the windows of one of the processes are too few for the architecture."""
        if self.architecture in AVERAGES_WINDOWS and self.batch // workers < 2:
            raise ValueError(
                f"training field 'batch' is {self.batch} for {workers} process(es); {self.architecture} normalises over the "
                f"windows of a batch, so give at least {2 * workers}"
            )

    def plain(self) -> dict[str, Any]:
        """The configuration as plain values, as the manifest stores it."""
        values = asdict(self) | {"augmentation": self.augmentation._asdict(), "gsd_m": list(self.gsd_m)}
        for later in (
            "keeps_statistics",
            "keep",
        ):  # bundles that were trained before a field was there stay as they are
            if not values[later]:
                del values[later]
        return values


@dataclass(frozen=True)
class CoverageConfig:
    """Everything that a training run of the coverage type network depends on, except the samples."""

    size: CoverageSize = "tiny"
    start: str = RANDOM
    """What the training starts from: "random", or weights of a ResNet that exist (``start.start_from``)."""
    steps: int = 300
    """Number of steps; the training is always run to the end."""
    batch: int = 32
    """Samples per step; every class has the same chance."""
    learning_rate: float = 2e-3
    warmup_steps: int = 20
    weight_decay: float = 0.01
    seed: int = 0
    validation_fraction: float = 0.25
    """Share of each class held out for the validation and for fitting the temperature, in 0..1 exclusive."""
    gsd_m: tuple[float, float] = (1.0, 100.0)
    """Range of ground sample distances of the thumbnails, in metres, for the manifest."""
    threads: int = 2
    """CPU threads of the run. Fixed, because the last bits of sums depend on it."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"coverage training field '{name}' is {getattr(self, name)}; expected at least 1")
        if not (0 < self.validation_fraction < 1 and self.learning_rate > 0):
            raise ValueError(
                f"coverage training fields validation_fraction={self.validation_fraction}, "
                f"learning_rate={self.learning_rate}; expected 0..1 exclusive and above 0"
            )


def learning_rate_at(step: int, steps: int, warmup_steps: int, highest: float) -> float:
    """Learning rate of a step in 0..steps-1: linear warm-up over at most a tenth of the steps, then a cosine to zero."""
    warmup = min(warmup_steps, steps // 10)
    if step < warmup:
        return highest * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - warmup, 1)
    return highest * 0.5 * (1 + math.cos(math.pi * progress))


class StepReport(NamedTuple):
    """The report of one training step."""

    step: int
    """Steps done, from 1."""
    steps: int
    """Number of steps of the run."""
    loss: float
    learning_rate: float
    stopping_iou: float | None = None
    """IoU on the stopping scenes, if this step evaluated them."""
