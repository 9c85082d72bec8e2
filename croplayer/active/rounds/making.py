"""Make a round: read, learn, map a sample, measure, decide. It appears whole, goes on after a kill, and can be made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from croplayer.active.held_out import taught_blocks
from croplayer.active.judgements import Judgement, read_judgements
from croplayer.active.project import LabelProject
from croplayer.active.reading import Reading, read_copy, read_labels
from croplayer.active.rounds.folder import (
    RoundFolder,
    begun_folder,
    changed_files,
    copy_bundle,
    digest_of,
    digests,
    finished_rounds,
    keep_start,
    put_in_place,
    read_kept_judgements,
    round_folder,
    write_facts,
    write_judgements,
    write_record,
)
from croplayer.active.rounds.keeping import pictures_by_unit, unlabelled_pictures
from croplayer.active.rounds.labels import Role, label_table, skipped_by_unit
from croplayer.active.rounds.learning import scenes_of, shown_scenes, train_round, usable_scenes
from croplayer.active.rounds.mapping import MappingSettings, held_out_agreement, map_blocks
from croplayer.active.rounds.measures import SampleSides, iou_by_unit, sample_table
from croplayer.active.rounds.sample import unit_sample
from croplayer.active.rounds.settings import SETTINGS_FILE, RoundSettings, read_settings
from croplayer.active.rounds.shown import ShownMasks
from croplayer.active.rounds.table import Found, unit_rows
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.scenes import labelled_scenes
from croplayer.active.tasks import ChosenBy, TaskStatus
from croplayer.files.tables import write_parquet
from croplayer.models.networks.manifest import MANIFEST_NAME, bundle_digest, read_manifest
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training_config import StepReport
from stores import __version__
from stores.durable import PARTIAL, digest_file, digest_text, write_durable


@dataclass(frozen=True)
class RunSide:
    """What a round takes from the run that its project was made from."""

    numbers: RunNumbers
    mapping: MappingSettings
    units: pd.DataFrame
    """The run's table of areas by unit, empty where it has none."""
    digest: str
    """Of the run's block table."""

    @property
    def units_digest(self) -> str:
        """Of the table of areas, which has the statistics."""
        return digest_text(self.units.to_csv(index=False))


@dataclass(frozen=True)
class Heard:
    """Who wants to know how a round goes on."""

    say: Callable[[str], None] = lambda _text: None
    """Called with a sentence as each part begins."""
    on_step: Callable[[StepReport], None] | None = None
    """Called after each step of the training."""
    on_block: Callable[[], None] | None = None
    """Called after each block that was mapped."""


@dataclass(frozen=True)
class _Inputs:
    """Everything that one round is made from."""

    project: LabelProject
    number: int
    reading: Reading
    judgements: tuple[Judgement, ...]
    settings: RoundSettings
    run: RunSide

    @property
    def before(self) -> RoundFolder:
        """The round before; of the first one the folder of the run's model."""
        return round_folder(self.project, self.number - 1)

    @cached_property
    def pictures_digest(self) -> str:
        """Of the imagery of all finished tasks that is there."""
        done = sorted((t for t in self.reading.tasks if t.status == TaskStatus.DONE), key=lambda task: task.id)
        paths = [self.project.picture(task, source) for task in done for source in self.project.settings.sources]
        return digest_of(
            [[str(path.relative_to(self.project.folder)), digest_file(path).sha256] for path in paths if path.is_file()]
        )

    def made_from(self) -> dict[str, Any]:
        """What identifies the inputs."""
        return {
            "round": self.number,
            "labels": self.reading.copy.name,
            "labels_sha256": digest_file(self.reading.copy).sha256,
            "settings": self.settings.to_toml(),
            "start_sha256": bundle_digest(self.before.model),
            "run_sha256": self.run.digest,
            "units_sha256": self.run.units_digest,
            "pictures_sha256": self.pictures_digest,
            "edition": self.project.settings.edition,
            "earlier": [str(round_folder(self.project, n).finished) for n in range(1, self.number)],
            "croplayer": __version__,
        }


def make_round(project: LabelProject, run: RunSide, model: Path | None, heard: Heard | None = None) -> int:
    """Make the next round of a project. Returns its number.

    Settings are checked before anything else. A round that was killed goes on where it was if labels, judgements and settings
    are those that it began with; otherwise it begins again. Without new labels the model stays as it was, and only the
    figures are made anew.

    Parameters
    ----------
    run : of the finished run
    model : bundle of the run's segmentation; not needed after the first round
    heard : is told how it goes on

    Raises
    ------
    ValueError, FileNotFoundError or OSError, each saying what to do; ``LabelError`` for labels that cannot be used;
    `NothingNewError` if nothing has changed since the round before.
    """
    heard = heard or Heard()
    settings = read_settings(project.folder / SETTINGS_FILE)
    done = finished_rounds(project)
    if done:
        write_record(project)  # a command that was killed may have left it behind
    reading = read_labels(project)
    keep_start(project, model)
    inputs = _Inputs(project, len(done) + 1, reading, read_judgements(project.folder), settings, run)
    begun = begun_folder(project, inputs.number)
    _check_anything_new(inputs, begun)
    _make(inputs, begun, heard)
    put_in_place(begun, _facts(inputs, begun), round_folder(project, inputs.number))
    if not (project.folder / SETTINGS_FILE).exists():
        write_durable(project.folder / SETTINGS_FILE, settings.to_toml().encode())
    write_record(project)
    return inputs.number


def rebuild_round(project: LabelProject, number: int, run: RunSide, heard: Heard | None = None) -> list[str]:
    """Make a round once more from what it pinned, beside it, and compare every byte. The round itself is not changed.

    Returns
    -------
    files that differ; none if the round is the same to the byte. Another kind of processor may give other last bits.

    Raises
    ------
    FileNotFoundError or ValueError if the round, or something that it was made from, is not there as it was.
    """
    heard = heard or Heard()
    place = round_folder(project, number)
    if number not in finished_rounds(project):
        raise FileNotFoundError(f"{place.root} is not there; the rounds are {_listed(finished_rounds(project))}")
    facts = place.read_facts()
    changed = changed_files(place.root, facts["files"])
    if changed:
        raise ValueError(f"{place.root / changed[0]} was changed since the round was made; take it back from a copy")
    copy = project.history / facts["made_from"]["labels"]
    inputs = _Inputs(
        project, number, read_copy(copy, project.grid), read_kept_judgements(place.judgements),
        read_settings(place.settings), run,
    )  # fmt: skip
    _check_same(inputs, facts["made_from"])
    begun = RoundFolder(place.root.with_name(f".{place.root.name}.rebuilt{PARTIAL}"))
    shutil.rmtree(begun.root, ignore_errors=True)
    try:
        _make(inputs, begun, heard)
        shutil.rmtree(begun.work, ignore_errors=True)
        made = digests(begun.root)
    finally:
        shutil.rmtree(begun.root, ignore_errors=True)
    stated: Mapping[str, str] = facts["files"]
    return sorted(name for name in made.keys() | stated.keys() if made.get(name) != stated.get(name))


class NothingNewError(ValueError):
    """A round would be the one before once more."""


_NEWS = ("labels_sha256", "judgements", "settings", "run_sha256", "units_sha256", "pictures_sha256")
"""Facts of which another value makes another round."""


def _check_anything_new(inputs: _Inputs, begun: RoundFolder) -> None:
    """Raise NothingNewError if a round would be the one before once more."""
    if inputs.number == 1:
        return
    now, last = _facts(inputs, begun), inputs.before.read_facts()["made_from"]
    if all(now[name] == last.get(name) for name in _NEWS):
        raise NothingNewError(
            f"nothing has changed since round {inputs.number - 1}: no label, judgement, setting or statistic; finish tasks, judge masks of "
            f"the sample, or change {SETTINGS_FILE}"
        )


def _check_same(inputs: _Inputs, stated: Mapping[str, Any]) -> None:
    """Raise ValueError if something that a round was made from is another one today."""
    words = {
        "labels_sha256": f"the copy {inputs.reading.copy} of its labels",
        "settings": "its settings",
        "start_sha256": f"the model {inputs.before.model} that it started from",
        "run_sha256": "the run",
        "units_sha256": "the run's table of areas and statistics",
        "pictures_sha256": "the imagery of its tasks",
        "earlier": "a round before it",
        "croplayer": f"croplayer, which was {stated.get('croplayer')}",
    }
    now = inputs.made_from()
    for name, what in words.items():
        if now[name] != stated.get(name):
            raise ValueError(
                f"round {inputs.number} cannot be made again: {what} is not the same as then; take it back from a copy"
            )


def _make(inputs: _Inputs, begun: RoundFolder, heard: Heard) -> None:
    """Make everything of a round in its temporary folder, or what is left of it.

    The network works on the threads of the settings throughout: the last bits of a mask depend on their number, as a model does.
    """
    from croplayer.models.training.training import fixed_threads

    _begin(inputs, begun)
    with fixed_threads(inputs.settings.learning.threads):
        _make_parts(inputs, begun, heard)


def _make_parts(inputs: _Inputs, begun: RoundFolder, heard: Heard) -> None:
    settings, run, project = inputs.settings, inputs.run, inputs.project
    before = inputs.before if inputs.number > 1 else None
    taught = taught_blocks(read_manifest(round_folder(project, 0).model).seen_scenes, project.grid)
    labels = label_table(
        project, inputs.reading, None if before is None else pd.read_parquet(before.labels), settings.learning.replayed,
        seed=project.settings.seed + inputs.number, taught=taught,
    )  # fmt: skip
    leaked = labels[(labels.chosen_by == ChosenBy.RANDOM) & (labels.role == Role.UNUSED)]
    if len(leaked):
        heard.say(
            f"{len(leaked)} held-out tasks measure nothing, because the run's model has learned from their blocks in another "
            "project; one with the --seed and --held-out of that project holds out the same blocks"
        )
    scenes = usable_scenes(labelled_scenes(project, inputs.reading), run.numbers)
    unlabelled = _unlabelled(inputs, labels)
    if not (begun.model / MANIFEST_NAME).is_file():
        _learn(inputs, begun, labels, scenes, unlabelled, heard)
    measuring = scenes_of(scenes, labels, Role.MEASURES)
    heard.say(f"measure: {len(measuring)} held-out pictures")
    iou_before, iou = (
        iou_by_unit(held_out_agreement(model, measuring, run.mapping), labels, settings.sample.confidence)
        for model in (inputs.before.model, begun.model)
    )  # fmt: skip
    sample = unit_sample(run.numbers, settings.sample.blocks, project.settings.seed)
    heard.say(f"map: {len(sample)} blocks of {sample.unit.nunique()} units")
    map_blocks(run.numbers.cube, begun.model, sample.block, run.mapping, begun.masks(project), heard.on_block)
    shown = ShownMasks.of(project, run.numbers.cube, inputs.number)
    sides = SampleSides(
        None if before is None else before.masks(project), shown, inputs.judgements, settings.sample.same_mask
    )  # fmt: skip
    table = sample_table(run.numbers, sample, begun.masks(project), sides)
    known = set() if before is None else set(read_kept_judgements(before.judgements))
    facts = inputs.made_from()
    found = Found(
        inputs.number, labels, skipped_by_unit(project, inputs.reading), pictures_by_unit(unlabelled, run.numbers), iou, iou_before, table, [j for j in inputs.judgements if j not in known], run.units,
        {
            "labels_sha256": facts["labels_sha256"],
            "judgements_sha256": digest_file(begun.judgements).sha256,
            "model_sha256": bundle_digest(begun.model), "start_sha256": facts["start_sha256"],
        },
    )  # fmt: skip
    write_parquet(begun.labels, labels)
    write_parquet(begun.sample, table)
    write_parquet(begun.units, unit_rows(found, run.numbers, settings, _earlier(inputs)))


def _begin(inputs: _Inputs, begun: RoundFolder) -> None:
    """Make the temporary folder, or keep that of a killed command which was making the same."""
    stated = _facts(inputs, begun)
    if begun.root.is_dir():
        try:
            is_same = begun.read_facts()["made_from"] == stated
        except (ValueError, KeyError):
            is_same = False
        if is_same:
            return
        shutil.rmtree(begun.root)
    begun.root.mkdir(parents=True)
    write_judgements(begun.judgements, inputs.judgements)
    write_durable(begun.settings, inputs.settings.to_toml().encode())
    write_facts(begun, stated)


def _facts(inputs: _Inputs, begun: RoundFolder) -> dict[str, Any]:
    said = sorted(map(repr, inputs.judgements))
    return inputs.made_from() | {"judgements": digest_of(said)}


def _learn(
    inputs: _Inputs,
    begun: RoundFolder,
    labels: pd.DataFrame,
    scenes: LabelledScenes,
    unlabelled: LabelledScenes,
    heard: Heard,
) -> None:
    """Train the model of a round; without anything new to learn it is that of the round before."""
    new = int((labels.role == Role.NEW).sum())
    if not new:
        if inputs.number == 1:
            raise ValueError(
                "no finished task may teach: all of them lie in held-out blocks, so finish tasks that were not drawn at random"
            )
        heard.say("learn: nothing new, so the model stays as it was")
        copy_bundle(inputs.before.model, begun.model)
        return
    shown = shown_scenes(scenes, labels, inputs.settings.learning.new_times)
    old = int((labels.role == Role.OLD).sum())
    heard.say(
        f"learn: {new} new labels and {old} old ones, {inputs.settings.learning.steps} steps; the map is kept on {len(unlabelled)} "
        "pictures of other land"
    )
    start = inputs.before.model.relative_to(inputs.project.folder).as_posix()
    words = f"{new + old} windows that people labelled, round {inputs.number}"
    train_round(inputs.project, shown, start, inputs.settings.learning, begun.model, words, unlabelled, heard.on_step)


def _unlabelled(inputs: _Inputs, labels: pd.DataFrame) -> LabelledScenes:
    """The pictures without a label on which a round keeps the map of the model before; none where it learns nothing."""
    learning, project = inputs.settings.learning, inputs.project
    done = [task.window for task in inputs.reading.tasks if task.status == TaskStatus.DONE]
    count = learning.kept_pictures if learning.keep and (labels.role == Role.NEW).any() else 0
    return unlabelled_pictures(project, inputs.run.numbers, done, count, project.settings.seed + inputs.number)


def _earlier(inputs: _Inputs) -> pd.DataFrame:
    tables = [pd.read_parquet(round_folder(inputs.project, n).units) for n in range(1, inputs.number)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"
