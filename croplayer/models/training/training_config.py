"""What a training run of the segmentation depends on, and what it tells about itself."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from croplayer.models.networks.architectures import architecture_config
from croplayer.models.training.augmentation import Augmentation

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything a training run depends on but the scenes."""

    architecture: str = "segformer"
    size: str = "tiny"
    steps: int = 1000
    """The budget."""
    crop_px: int = 256
    """Edge of the windows; a multiple of 32."""
    batch: int = 8
    """Windows seen at once by all workers together."""
    accumulation: int = 1
    """Batches whose gradients are averaged into one step, where memory holds no larger batch."""
    learning_rate: float = 1e-3
    """Highest rate, reached after the warm-up; falls to zero along a cosine."""
    warmup_steps: int = 50
    weight_decay: float = 0.01
    seed: int = 0
    gsd_m: tuple[float, float] = (1.0, 5.0)
    """Range of ground sample distances that windows are brought to, in metres."""
    boundary_weight: float = 1.0
    """Additional weight of pixels near a field's edge."""
    average_decay: float = 0.99
    """The weights shipped are the running average of the weights with this decay per step."""
    patience: int = 0
    """Looks at the stopping scenes without a better IoU after which training ends; 0 uses the whole budget."""
    stopping_fraction: float = 0.15
    """Share of the scenes kept from training to decide when to stop; nothing is reported on them."""
    look_every: int = 200
    """Steps between two looks at the stopping scenes."""
    checkpoint_every: int = 100
    """Steps between two checkpoints; 0 keeps none."""
    threads: int = 2
    """CPU threads of the run; fixed, because sums depend on it in the last bits."""
    precision: str = "float32"
    """Of the network's convolutions on a CPU: float32 or bfloat16; on CUDA they are always bfloat16."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
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
        if not 0 < self.gsd_m[0] <= self.gsd_m[1]:
            raise ValueError(f"training field 'gsd_m' is {self.gsd_m}; expected 0 < smallest <= largest metres")
        if not (self.learning_rate > 0 and 0 <= self.average_decay < 1 and self.checkpoint_every >= 0):
            raise ValueError(
                f"training fields learning_rate={self.learning_rate}, average_decay={self.average_decay}, "
                f"checkpoint_every={self.checkpoint_every}; expected above 0, 0..1 below 1, and 0 or more"
            )
        if self.patience < 0 or not 0 < self.stopping_fraction < 1:
            raise ValueError(
                f"training fields patience={self.patience}, stopping_fraction={self.stopping_fraction}; "
                "expected 0 or more, and a share between 0 and 1"
            )

    def plain(self) -> dict[str, Any]:
        """The configuration as plain values, as the manifest keeps it."""
        return asdict(self) | {"augmentation": self.augmentation._asdict(), "gsd_m": list(self.gsd_m)}


def learning_rate_at(step: int, steps: int, warmup_steps: int, highest: float) -> float:
    """Rate of step 0..steps-1: linear warm-up (at most a tenth of the steps), then a cosine that ends at zero."""
    warmup = min(warmup_steps, steps // 10)
    if step < warmup:
        return highest * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - warmup, 1)
    return highest * 0.5 * (1 + math.cos(math.pi * progress))


class StepReport(NamedTuple):
    """What one step did."""

    step: int
    """Steps done, from 1."""
    steps: int
    """Steps in all."""
    loss: float
    learning_rate: float
    stopping_iou: float | None = None
    """IoU on the stopping scenes where this step looked at them."""
