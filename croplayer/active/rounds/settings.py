"""``rounds.toml``: every number of a project's rounds."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from croplayer.active.stopping import StopRule
from stores.near_names import did_you_mean

SETTINGS_FILE = "rounds.toml"


class _Bounds(NamedTuple):
    """The numbers that a setting may have."""

    low: float
    high: float = math.inf
    is_open: bool = False
    """Whether the lower end itself is no value."""


_SHARE, _COUNT = _Bounds(0, 1), _Bounds(1)


def _setting(default: Any, about: str, bounds: _Bounds) -> Any:
    """A field of settings with its default, its meaning as the file states it, and its bounds."""
    return field(default=default, metadata={"about": about, "bounds": bounds})


@dataclass(frozen=True)
class Learning:
    """How the model of a round learns; the fields say what they mean as ``rounds.toml`` does."""

    steps: int = _setting(150, "training steps of a round", _COUNT)
    crop_px: int = _setting(
        256,
        "edge of the windows that it learns from, pixels, a multiple of 32; at most that of a task with its margins",
        _Bounds(32),
    )
    batch: int = _setting(4, "windows per step", _COUNT)
    learning_rate: float = _setting(1e-3, "highest learning rate", _Bounds(0, 1, True))
    # The encoder knows what land looks like; what cropland is here has to be learned by the rest, in few steps.
    encoder_rate: float = _setting(0.3, "rate of the encoder as a share of that", _Bounds(0, 1, True))
    new_times: int = _setting(3, "how often a new label is shown for each time that an old one is", _COUNT)
    replayed: float = _setting(1.0, "share of the old labels that are shown again", _SHARE)
    # Chosen squares show few villages, roads and rivers, which a model may forget; but where the map before is poor, keeping it
    # costs more than that: docs/labels.md has what rounds gave with and without it.
    keep: float = _setting(
        0.0,
        "weight of keeping what the model before maps on land without a label, such as 2; 0 lets it forget",
        _Bounds(0, 100),
    )
    kept_pictures: int = _setting(
        40, "pictures of land without a label on which it is kept, drawn anew in each round", _Bounds(0)
    )
    checkpoint_every: int = _setting(50, "steps after which a killed round can go on, 0 for none", _Bounds(0))
    threads: int = _setting(2, "CPU threads; the last bits of the weights and of the masks depend on them", _COUNT)
    seed: int = _setting(0, "any number; the same one gives the same model", _Bounds(0))


@dataclass(frozen=True)
class Sampling:
    """The blocks of each unit that a round maps."""

    blocks: int = _setting(30, "blocks of a unit that are mapped, about; all of a smaller unit", _Bounds(3))
    same_mask: float = _setting(
        0.95, "a judgement still counts for a mask in which this share of the pixels is the same", _SHARE
    )
    confidence: float = _setting(0.95, "of every interval", _Bounds(0.5, 0.9999))


@dataclass(frozen=True)
class RoundSettings:
    """Everything that a round depends on beside labels, judgements, model and run."""

    learning: Learning = field(default_factory=Learning)
    sample: Sampling = field(default_factory=Sampling)
    stop: StopRule = field(default_factory=StopRule)

    def to_toml(self) -> str:
        """The settings as a file, each with its meaning; reading it gives the same settings."""
        lines = [
            "# How the rounds of this project learn, what they map and when they stop. All of it may be changed between rounds;",
            "# every round keeps the settings that it was made with.",
        ]
        for name, part in _parts(self):
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {_toml(value)}  # {_stated(part, key)[0]}" for key, value in vars(part).items()]
        return "\n".join(lines) + "\n"


_STOP: Mapping[str, tuple[str, _Bounds | None]] = {
    "iou": ("least pixel IoU on held-out labels (paper: 0.85)", _SHARE),
    "correct": ("least share of masks that people judge correct (paper: 0.85)", _SHARE),
    "area": ("least agreement of the area with the statistic, for either source (paper: 0.8)", _SHARE),
    "further_rounds": (
        "rounds after the first in which only the area fails, before an exception (paper: 3)",
        _Bounds(0),
    ),
    "poor_imagery": ("share of blocks without usable imagery that makes an exception", _SHARE),
    "by_interval": ("whether a whole interval must meet its threshold; false takes the figure alone (the paper)", None),
    "needs_statistic": ("whether a unit without a statistic goes on; false lets the first two levels decide", None),
}
"""Meaning and bounds of the fields of `stopping.StopRule`; those without bounds are true or false."""


def read_settings(path: Path) -> RoundSettings:
    """The settings of a project; those that the file leaves out, and a missing file, are the defaults.

    Raises ValueError with a line for every value that cannot be used, naming file, table and name.
    """
    if not path.is_file():
        return RoundSettings()
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}; correct it, or remove it for the defaults") from None
    defaults = RoundSettings()
    problems = list(_problems(stored, defaults))
    if problems:
        raise ValueError("\n".join(f"{path} {problem}" for problem in problems))
    return dataclasses.replace(
        defaults, **{name: dataclasses.replace(part, **stored.get(name, {})) for name, part in _parts(defaults)}
    )


def _problems(stored: Mapping[str, Any], defaults: RoundSettings) -> Iterator[str]:
    parts = dict(_parts(defaults))
    for name, values in stored.items():
        if name not in parts or not isinstance(values, dict):
            yield f"[{name}] is unknown; expected {', '.join(f'[{p}]' for p in parts)}{did_you_mean(name, parts)}"
            continue
        known = _names(parts[name])
        for key, value in values.items():
            if key not in known:
                yield f"[{name}] has an unknown '{key}'; expected {', '.join(known)}{did_you_mean(key, known)}"
            elif (problem := _problem(value, getattr(parts[name], key), _stated(parts[name], key)[1])) is not None:
                yield f"[{name}] {key} is {_toml(value)}; expected {problem}"
    crop = stored.get("learning", {})
    crop_px = crop.get("crop_px") if isinstance(crop, dict) else None
    if isinstance(crop_px, int) and crop_px >= 32 and crop_px % 32:
        yield f"[learning] crop_px is {crop_px}; expected a multiple of 32"


def _problem(value: Any, default: object, bounds: _Bounds | None) -> str | None:
    """What was expected of a value; None for one that can be used."""
    if bounds is None:
        return None if isinstance(value, bool) else "true or false"
    whole = isinstance(default, int)
    low = f"{'above' if bounds.is_open else 'at least'} {bounds.low:g}"
    words = f"{'a whole number' if whole else 'a number'}, {low}"
    words += f" and at most {bounds.high:g}" if math.isfinite(bounds.high) else ""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return words
    is_low = value <= bounds.low if bounds.is_open else value < bounds.low
    return words if is_low or not value <= bounds.high else None


def _stated(part: Any, key: str) -> tuple[str, _Bounds | None]:
    """Meaning and bounds of a setting."""
    found = {f.name: f.metadata for f in dataclasses.fields(part)}[key]
    return (found["about"], found["bounds"]) if found else _STOP[key]


def _parts(settings: RoundSettings) -> list[tuple[str, Any]]:
    return [(f.name, getattr(settings, f.name)) for f in dataclasses.fields(settings)]


def _names(part: Any) -> list[str]:
    return [f.name for f in dataclasses.fields(part)]


def _toml(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}'"
    return str(value).lower() if isinstance(value, bool) else str(value)
