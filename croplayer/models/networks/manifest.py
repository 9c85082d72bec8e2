"""The manifest of a model bundle: architecture, training data and accuracy of the weights."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Real
from pathlib import Path
from typing import Any

from croplayer.models.networks.layers import HAS_QUERIES, TELL_BOUNDARIES

MANIFEST_NAME = "manifest.json"
MANIFEST_SUM_NAME = "manifest.sha256"
"""Digest of the manifest, as ``sha256sum`` writes and checks it."""
MANIFEST_VERSION = 1
LARGEST_NUMBER = 1e9
"""Largest mean, spread, ground sample distance and temperature."""
LARGEST_MANIFEST = 64 * 2**20
"""Largest manifest that is read, in bytes."""
KINDS = ("segmentation", "coverage")
TRAINING_SCENES, STOPPING_SCENES, EARLIER_SCENES = SEEN = ("training_scenes", "stopping_scenes", "earlier_scenes")
"""Keys of the metrics with names of scenes: learned from, used to decide when to stop, and learned from by what was started from."""
STARTED_FROM = "started_from"
"""Key of the metrics with the name, training data and licence of the model that a training started from; of a model of a hub
that a training started from, or that was imported, with its name and revision."""
RANDOM = "random"
"""What the recipe of a manifest says of weights that all started at random (``TrainingConfig.start``)."""


@dataclass(frozen=True)
class Manifest:
    """The facts about a bundle."""

    kind: str
    """"segmentation" or "coverage"."""
    architecture: str
    size: str
    classes: tuple[str, ...]
    """Class names by index."""
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    """Per band, subtracted from values in 0..1."""
    std: tuple[float, ...]
    """Per band, the divisor of the difference."""
    ground_sample_distance_m: tuple[float, float]
    """Smallest and largest pixel size the model was trained at, in metres."""
    training_data: str
    """Description of the training data; states when they are synthetic."""
    licence: str
    """Licence of the weights and of the data behind them."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Validation figures, with the split that they were measured on."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The training configuration that reproduces the weights; empty for weights trained by others."""
    temperature: float = 1.0
    """Divisor of the logits that calibrates the probabilities."""
    instances: bool = False
    """Whether each query of the network was taught one field; bundles written before there was this field lack it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the packages that wrote the bundle, by package name."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of each file by name."""
    version: int = MANIFEST_VERSION

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"manifest field 'kind' is '{self.kind}'; expected one of {', '.join(KINDS)}")
        if self.version != MANIFEST_VERSION:
            raise ValueError(f"manifest field 'version' is {self.version}; this croplayer reads {MANIFEST_VERSION}")
        if self.instances is not False and (self.instances is not True or self.architecture != HAS_QUERIES):
            raise ValueError(
                f"manifest field 'instances' is {self.instances} for a {self.architecture}; expected false, or true for a "
                f"{HAS_QUERIES}, whose queries can be taught fields"
            )
        words = (self.architecture, self.size, self.training_data, self.licence, *self.classes, *self.bands)
        if not all(isinstance(v, str) for v in words):
            raise ValueError(
                "manifest fields 'architecture', 'size', 'classes', 'bands', 'training_data' and 'licence' are not all text"
            )
        for name in ("metrics", "recipe", "versions", "files"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"manifest field '{name}' is no list of keys and values")
        for name in SEEN:
            scenes = self.metrics.get(name, [])
            if not isinstance(scenes, list | tuple) or not all(isinstance(scene, str) for scene in scenes):
                raise ValueError(f"manifest field 'metrics' has '{name}' that is no list of names of scenes")
        gsd = self.ground_sample_distance_m
        numbers = (*self.mean, *self.std, *gsd, self.temperature)
        if not all(isinstance(number, Real) and not abs(number) > LARGEST_NUMBER for number in numbers):
            raise ValueError(
                "manifest fields 'mean', 'std', 'ground_sample_distance_m' and 'temperature' are not all numbers of at most "
                f"{LARGEST_NUMBER:g}"
            )
        colours = (*self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, colours)) or min(self.std) <= 0:
            raise ValueError("manifest fields 'mean' and 'std' are not three finite numbers each, with 'std' above 0")
        if not self.temperature > 0:
            raise ValueError(f"manifest field 'temperature' is {self.temperature}; expected above 0")
        if len(gsd) != 2 or not 0 < gsd[0] <= gsd[1]:
            raise ValueError(f"manifest field 'ground_sample_distance_m' is {gsd}; expected 0 < low <= high")

    @property
    def tells_boundaries(self) -> bool:
        """Whether the network tells the boundaries of fields as well as cropland."""
        return self.architecture in TELL_BOUNDARIES or self.instances

    @property
    def seen_scenes(self) -> frozenset[str]:
        """Names of the scenes that the weights have learned from, also before the training of this bundle began."""
        return frozenset(name for key in SEEN for name in self.metrics.get(key, ()))

    @property
    def figure(self) -> float | None:
        """IoU or accuracy that was measured with these weights themselves; None if there is none.

        The figures of a cross-validation belong to the models of its folds, each trained without the scenes that it was
        scored on, and not to the weights of the bundle, which learned from all scenes.
        """
        validation = self.metrics.get("validation")
        if not isinstance(validation, Mapping):
            found = self.metrics.get("accuracy")
        else:
            pooled = validation.get("pooled")
            found = pooled.get("iou") if isinstance(pooled, Mapping) and not validation.get("folds") else None
        return float(found) if isinstance(found, (int, float)) and abs(found) <= 1 else None

    @classmethod
    def from_json(cls, data: bytes, origin: Path) -> Manifest:
        """Parse a manifest; raises ValueError that names the file ``origin`` and the field."""
        try:
            values = json.loads(data)
        except ValueError as error:
            raise ValueError(f"{origin} is not valid JSON: {error}") from error
        known = {f.name for f in fields(cls)}
        if not isinstance(values, dict) or set(values) | {"instances"} != known:
            found = set(values) | {"instances"} if isinstance(values, dict) else set()
            raise ValueError(
                f"{origin} lacks fields {sorted(known - found)} and has unknown fields {sorted(found - known)}"
            )
        sequences = {"classes", "bands", "mean", "std", "ground_sample_distance_m"}
        try:
            typed: dict[str, Any] = {name: tuple(v) if name in sequences else v for name, v in values.items()}
            return cls(**typed)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{origin}: {error}") from error

    def to_json(self) -> bytes:
        """The manifest as JSON in UTF-8, keys sorted; the inverse of `from_json`."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle; raises FileNotFoundError when there is none, ValueError when it is damaged."""
    return Manifest.from_json(manifest_bytes(folder), folder / MANIFEST_NAME)


def manifest_bytes(folder: Path) -> bytes:
    """The stored bytes of the manifest of a bundle.

    Raises FileNotFoundError when the manifest or its digest is missing, ValueError when they do not match.
    """
    path, sum_path = folder / MANIFEST_NAME, folder / MANIFEST_SUM_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a model bundle: it holds no {MANIFEST_NAME}")
    if not sum_path.is_file():
        raise FileNotFoundError(f"model bundle {folder} lacks {MANIFEST_SUM_NAME}, the digest of its {MANIFEST_NAME}")
    if path.stat().st_size > LARGEST_MANIFEST:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes; expected at most {LARGEST_MANIFEST:,}")
    stored = path.read_bytes()
    if sum_path.read_bytes() != manifest_sum(stored):
        raise ValueError(f"{path} does not match {MANIFEST_SUM_NAME}; the model is damaged or was changed")
    return stored


def manifest_sum(stored: bytes) -> bytes:
    """The line that ``sha256sum`` writes for the bytes of a manifest."""
    return f"{hashlib.sha256(stored).hexdigest()}  {MANIFEST_NAME}\n".encode()


def bundle_digest(folder: Path) -> str:
    """sha256 of the manifest. It identifies the whole bundle, because the manifest holds the digests of all files."""
    return hashlib.sha256(manifest_bytes(folder)).hexdigest()
