"""The folders of rounds: what each holds, how one appears whole, and the record of all of them.

==================  ============================================================================
rounds/00/model     the run's model, which the first round starts from
rounds/NN/          a round, whole or not there at all
  round.json        what it was made from, the digest of every file, and when it was finished
  rounds.toml       its settings
  judgements.jsonl  the judgements that stood
  labels.parquet    every finished task and what it was for
  model/            the model that it learned
  map/BLOCK.tif     the masks of the blocks of the sample
  sample.parquet    a row for each of these blocks and source
  units.parquet     its rows of rounds.parquet
rounds.parquet      the record: a row for each round and unit (stores.round_columns)
rounds/report.html  the same as a page
==================  ============================================================================
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from croplayer.active.judgements import Judgement, JudgementKind
from croplayer.active.project import LabelProject
from croplayer.active.rounds.mapping import SampleMap
from croplayer.active.rounds.settings import SETTINGS_FILE
from croplayer.files.tables import write_parquet
from croplayer.models.bundles.bundle import read_checked
from croplayer.models.bundles.whole_folders import write_whole_folder
from croplayer.models.networks.manifest import MANIFEST_NAME, MANIFEST_SUM_NAME, manifest_bytes, manifest_sum
from stores.durable import PARTIAL, digest_file, sync_folder, write_durable

ROUNDS = "rounds"
ROUND_FILE = "round.json"


@dataclass(frozen=True)
class RoundFolder:
    """Paths of one round, also of one that is being made."""

    root: Path

    @property
    def facts(self) -> Path:
        """What the round was made from, and digests of its files."""
        return self.root / ROUND_FILE

    @property
    def settings(self) -> Path:
        """Its settings."""
        return self.root / SETTINGS_FILE

    @property
    def judgements(self) -> Path:
        """The judgements that stood."""
        return self.root / "judgements.jsonl"

    @property
    def labels(self) -> Path:
        """Its finished tasks."""
        return self.root / "labels.parquet"

    @property
    def model(self) -> Path:
        """Bundle of its model."""
        return self.root / "model"

    @property
    def work(self) -> Path:
        """Checkpoints, while it is made."""
        return self.root / "work"

    @property
    def sample(self) -> Path:
        """Its sampled blocks."""
        return self.root / "sample.parquet"

    @property
    def units(self) -> Path:
        """Its rows of the record."""
        return self.root / "units.parquet"

    def masks(self, project: LabelProject) -> SampleMap:
        """The masks of its sampled blocks."""
        return SampleMap(self.root / "map", project.grid, project.settings.sources)

    def read_facts(self) -> dict[str, Any]:
        """What `ROUND_FILE` says; raises ValueError when it is damaged."""
        try:
            found: dict[str, Any] = json.loads(self.facts.read_text(encoding="utf-8"))
            return found
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.facts} is damaged ({error}); take the folder back from a copy") from None

    @property
    def finished(self) -> datetime:
        """When it was finished; raises ValueError when `ROUND_FILE` is damaged."""
        stated = self.read_facts().get("finished")
        try:
            return datetime.fromisoformat(str(stated))
        except ValueError:
            raise ValueError(
                f"{self.facts} is damaged: finished is {stated}; take the folder back from a copy"
            ) from None


def round_folder(project: LabelProject, number: int) -> RoundFolder:
    """The folder of a round; 0 holds the model that the first one starts from."""
    return RoundFolder(project.folder / ROUNDS / f"{number:02d}")


def begun_folder(project: LabelProject, number: int) -> RoundFolder:
    """Where a round is made."""
    return RoundFolder(project.folder / ROUNDS / f".{number:02d}{PARTIAL}")


def finished_rounds(project: LabelProject) -> list[int]:
    """Numbers of the rounds that are there, from 1 on; raises ValueError when one of them is missing."""
    names = (path.parent.name for path in (project.folder / ROUNDS).glob(f"*/{ROUND_FILE}"))
    found = sorted(int(name) for name in names if name.isdecimal())
    missing = sorted(set(range(1, max(found, default=0) + 1)) - set(found))
    if missing:
        raise ValueError(
            f"{round_folder(project, missing[0]).root} is missing, and later rounds are there; take it back from a copy"
        )
    return found


def keep_start(project: LabelProject, model: Path | None) -> RoundFolder:
    """The model that the first round starts from, copied from the run once.

    Parameters
    ----------
    model : bundle of the run's segmentation; None where it is not on this machine

    Raises FileNotFoundError without any.
    """
    start = round_folder(project, 0)
    if not (start.model / MANIFEST_NAME).is_file():
        if model is None:
            raise FileNotFoundError(
                "the model of the run is not on this machine, so there is nothing to start from; give the folder of models with "
                "--models"
            )
        copy_bundle(model, start.model)
    return start


def copy_bundle(model: Path, place: Path) -> None:
    """Copy a bundle that is whole, to a folder that appears whole; raises ValueError for a damaged one."""
    _, contents = read_checked(model)
    stored = manifest_bytes(model)
    kept = contents | {MANIFEST_NAME: stored, MANIFEST_SUM_NAME: manifest_sum(stored)}
    write_whole_folder(place, kept, MANIFEST_NAME)


def write_judgements(path: Path, judgements: tuple[Judgement, ...]) -> str:
    """Write judgements in an order of their own; returns the digest. The same judgements give the same bytes."""
    lines = [json.dumps(_plain(judgement), ensure_ascii=False, sort_keys=True) for judgement in judgements]
    return write_durable(path, "".join(f"{line}\n" for line in sorted(lines)).encode()).sha256


def read_kept_judgements(path: Path) -> tuple[Judgement, ...]:
    """The judgements of a round; raises ValueError when the file is damaged."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return tuple(
            Judgement(**{
                **row, "kind": JudgementKind(row["kind"]), "time": datetime.fromisoformat(row["time"]),
                "seconds": float("nan") if row["seconds"] is None else row["seconds"],
            })
            for row in rows
        )  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}); take the folder back from a copy") from None


def _plain(judgement: Judgement) -> dict[str, object]:
    facts = {name: getattr(judgement, name) for name in ("subject", "source", "value", "person", "note")}
    facts |= {"shown": judgement.shown} if judgement.shown else {}
    seconds = None if judgement.seconds != judgement.seconds else judgement.seconds
    return facts | {"kind": str(judgement.kind), "time": judgement.time.isoformat(), "seconds": seconds}


def digests(root: Path) -> dict[str, str]:
    """sha256 of every file of a round but its facts, by path."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.name != ROUND_FILE)
    return {path.relative_to(root).as_posix(): digest_file(path).sha256 for path in files}


def changed_files(root: Path, stated: Mapping[str, str]) -> list[str]:
    """Files of a round that are missing, were changed or do not belong to it."""
    found = digests(root)
    return sorted(name for name in found.keys() | stated.keys() if found.get(name) != stated.get(name))


def put_in_place(begun: RoundFolder, made_from: Mapping[str, Any], place: RoundFolder) -> None:
    """Give a round that is complete its name, durably, without what a killed command left half written in it."""
    shutil.rmtree(begun.work, ignore_errors=True)
    for left in sorted(begun.root.rglob(f".*{PARTIAL}")):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)
    write_facts(begun, made_from, datetime.now(UTC))
    for folder in (begun.root, *(p for p in begun.root.rglob("*") if p.is_dir())):
        sync_folder(folder)
    begun.root.rename(place.root)
    sync_folder(place.root.parent)


def write_facts(begun: RoundFolder, made_from: Mapping[str, Any], finished: datetime | None = None) -> None:
    """Write what a round was made from, the digests of its files and, once it is complete, the time."""
    facts: dict[str, Any] = {"made_from": dict(made_from), "files": digests(begun.root)}
    if finished is not None:
        facts["finished"] = finished.isoformat(timespec="milliseconds")
    write_durable(begun.facts, (json.dumps(facts, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode())


def write_record(project: LabelProject) -> Path:
    """Write ``rounds.parquet`` from the folders of all rounds. Returns its path."""
    tables = [pd.read_parquet(round_folder(project, number).units) for number in finished_rounds(project)]
    return write_parquet(project.folder / "rounds.parquet", pd.concat(tables, ignore_index=True))


def digest_of(value: object) -> str:
    """sha256 of plain values."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
