"""The file of a comparison of models: the columns of the paper's Table 6, for any scenes. Loads no torch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from croplayer.models.networks.manifest import RANDOM
from stores.durable import write_durable
from stores.file_names import file_name

COMPARISON_NAME = "comparison.json"
_MEASURES = ("training_s", "iou", "boundary_iou", "f1")


class Contestant(NamedTuple):
    """A network that takes part: an architecture in one size, and what its training starts from."""

    architecture: str
    size: str
    start: str = RANDOM
    """As `TrainingConfig.start`"""

    @classmethod
    def of(cls, text: str) -> Contestant:
        """The contestant of ARCHITECTURE-SIZE or ARCHITECTURE-SIZE:START.

        Raises ValueError for other texts.

        Examples
        --------
        >>> Contestant.of("unet-efficientnet-lite2:imagenet")
        Contestant(architecture='unet', size='efficientnet-lite2', start='imagenet')
        """
        network, colon, start = text.partition(":")
        architecture, _, size = network.partition("-")
        if not architecture or not size or bool(colon) != bool(start):
            raise ValueError(
                f"model '{text}' to compare; expected ARCHITECTURE-SIZE or ARCHITECTURE-SIZE:START, such as pidnet-s or "
                "unet-efficientnet-lite2:imagenet"
            )
        return cls(architecture, size, start or RANDOM)

    @property
    def title(self) -> str:
        """Words for people, such as "unet efficientnet-lite2 from imagenet"."""
        return f"{self.architecture} {self.size}" + ("" if self.start == RANDOM else f" from {self.start}")

    @property
    def folder_name(self) -> str:
        """Name of the folder of its bundle."""
        name = f"{self.architecture}-{self.size}"
        if self.start == RANDOM:
            return name
        # Several starts may have the same name when only letters and digits are kept.
        return file_name(f"{name}-from-{self.start}", f"-{hashlib.sha256(self.start.encode()).hexdigest()[:8]}")


class Figures(NamedTuple):
    """What came of a training."""

    n_parameters: int
    training_s: float
    """Duration of the training in seconds; depends on the machine and its load. NaN where the training was interrupted"""
    iou: float
    """Over all pixels of the validation scenes, 0..1; NaN where undefined, as are boundary_iou and f1"""
    boundary_iou: float
    f1: float
    px_per_s: float
    """Pixels mapped per second by ``predict_block``; depends on the machine and its load"""
    device: str
    """What it was trained and timed on"""
    ended: str
    """Day on which the training ended, UTC, as YYYY-MM-DD"""


class ComparisonRow(NamedTuple):
    """One row of a comparison."""

    contestant: Contestant
    figures: Figures | None
    """None where the training failed"""
    failure: str = ""
    """Why it failed"""
    made_of: str = ""
    """Digest of the configuration, scenes, labels and code of a training that did not fail"""


class Comparison(NamedTuple):
    """Networks that were trained on the same scenes with the same budget by the same code."""

    training_data: str
    n_training: int
    n_validation: int
    """Scenes that the figures are measured on"""
    budget: Mapping[str, Any]
    """The fields of ``TrainingConfig`` that all contestants share"""
    rows: tuple[ComparisonRow, ...]
    data: str = ""
    """Digest of the scenes and labels; empty in files of earlier versions, as is ``code``"""
    code: str = ""
    """Digest of the code that trained"""

    def differs_from(self, other: Comparison) -> str:
        """What makes this another comparison, in words; empty where rows of both may stand side by side."""
        budgets = [_plain(each.budget) for each in (self, other)]
        names = sorted(name for name in budgets[0] | budgets[1] if budgets[0].get(name) != budgets[1].get(name))
        if names:
            mine, others = (budget.get(names[0]) for budget in budgets)
            return f"another budget ({names[0]} {mine}, here {others})"
        if self.code != other.code:
            return "trainings by another version of croplayer, torch or transformers"
        return "other scenes or labels, or another split of them" if self.data != other.data else ""


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write a comparison durably as JSON; `read_comparison` reads it. Undefined measures become null."""
    rows = []
    for row in comparison.rows:
        figures = row.figures._asdict() if row.figures else {}
        undefined = {name: None for name in _MEASURES if figures and math.isnan(figures[name])}
        ended = {"made_of": row.made_of} if row.figures else {"failure": row.failure}
        rows.append(row.contestant._asdict() | figures | undefined | ended)
    stored = comparison._asdict() | {"budget": dict(comparison.budget), "rows": rows}
    write_durable(path, (json.dumps(stored, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_comparison(place: Path) -> Comparison:
    """The comparison in a file, or in ``comparison.json`` of a folder.

    Raises FileNotFoundError if it is not there, ValueError, in one sentence, if it is no comparison.
    """
    path = comparison_file(place)
    try:
        stored = json.loads(path.read_bytes())
        return Comparison(
            str(stored["training_data"]),
            int(stored["n_training"]),
            int(stored["n_validation"]),
            dict(stored["budget"]),
            tuple(map(_row, stored["rows"])),
            str(stored.get("data", "")),
            str(stored.get("code", "")),
        )
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist; `croplayer models compare` writes it") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is no comparison of `croplayer models compare`: {error!r}") from error


def _plain(budget: Mapping[str, Any]) -> dict[str, Any]:
    """A budget as it is read from a file."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(budget)))
    return plain


def comparison_file(place: Path) -> Path:
    """The file of a comparison, given itself or its folder."""
    return place / COMPARISON_NAME if place.is_dir() else place


def _row(stored: Mapping[str, Any]) -> ComparisonRow:
    contestant = Contestant(*(str(stored[name]) for name in Contestant._fields))
    if "failure" in stored:
        return ComparisonRow(contestant, None, str(stored["failure"]))
    measures = {name: math.nan if stored[name] is None else float(stored[name]) for name in _MEASURES}
    figures = Figures(
        n_parameters=int(stored["n_parameters"]),
        px_per_s=float(stored["px_per_s"]),
        device=str(stored["device"]),
        ended=str(stored["ended"]),
        **measures,
    )
    return ComparisonRow(contestant, figures, made_of=str(stored["made_of"]))
