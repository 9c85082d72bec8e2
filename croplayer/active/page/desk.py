"""What all people at one page share: the project's files, read again only where they changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from croplayer.active.claims import claim_first
from croplayer.active.geopackage import RawLayer, read_layers
from croplayer.active.judgements import Judgement, JudgementKind, append, read_judgements
from croplayer.active.page.handing_out import from_here, left_for, places_left, wanted_people
from croplayer.active.page.items import Item, Work, block_items, point_items, task_items
from croplayer.active.page.outlines import Outline, outlines_in
from croplayer.active.page.pictures import Pictures
from croplayer.active.page.samples import Sample
from croplayer.active.project import TASKS, LabelProject
from croplayer.active.reading import tasks_in
from croplayer.active.rounds.folder import finished_rounds, round_folder
from croplayer.active.rounds.settings import SETTINGS_FILE, read_settings
from croplayer.active.rounds.shown import ShownMasks, sampled_blocks
from croplayer.active.row_edits import ChangedElsewhereError, RowEdit, edit_rows
from croplayer.active.tasks import Task, TaskStatus


@dataclass
class Desk:
    """The files that people work on, and who is done with what."""

    project: LabelProject
    pictures: Pictures
    classes: tuple[str, ...]
    """Labels of the run's classes of correctness."""
    sample: Sample | None = None
    double: float = 0.0
    """Share of the blocks and points that two people judge."""
    _seen: tuple[object, ...] = ()
    _layers: dict[str, RawLayer] = field(default_factory=dict)
    _tasks: tuple[Task, ...] = ()
    _outlines: dict[Item, list[Outline]] = field(default_factory=dict)
    _heard: tuple[object, ...] = ()
    _standing: dict[tuple[str, str, str, str], Judgement] = field(default_factory=dict)
    _finished: tuple[object, ...] = ()
    _shown: ShownMasks | None = None
    _unwritten: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # What was judged while the sample's file was in use, or before a crash.
        if self.sample is not None:
            self._unwritten = {j.subject for j in self.standing().values() if j.source == self.sample.name}
            with suppress(ChangedElsewhereError):
                self.write_sample()

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources of the imagery."""
        return self.project.settings.sources

    @property
    def works(self) -> tuple[Work, ...]:
        """Kinds of work that there is something for."""
        blocks = [Work.BLOCKS] if self.pictures.cube is not None else []
        return (Work.FIELDS, *blocks, *([Work.POINTS] if self.sample and self.pictures.cube else []))

    def tasks(self) -> tuple[Task, ...]:
        """The tasks as they stand in ``labels.gpkg`` now; raises LabelError or OSError."""
        self._refresh()
        return self._tasks

    def layers(self) -> dict[str, RawLayer]:
        """The layers of ``labels.gpkg`` now."""
        self._refresh()
        return self._layers

    def items(self, work: Work) -> list[Item]:
        """Everything of a kind of work, in the order in which it is handed out."""
        if work == Work.FIELDS:
            return task_items(self.tasks())
        if work == Work.BLOCKS:
            return block_items(self.tasks(), self.project.grid, sampled_blocks(self.project))
        return point_items(self.sample.points, self.project.grid) if self.sample else []

    def outlines(self, item: Item) -> list[Outline]:
        """The polygons in the picture of a task."""
        layers = self.layers()
        if item not in self._outlines:
            shown = self.pictures.imagery(item, self.sources[0]).window
            self._outlines[item] = outlines_in(layers, item.window, shown, self.project.grid)
        return self._outlines[item]

    def task(self, item: Item) -> tuple[int, Task]:
        """A task and the number of its row."""
        task = next(t for t in self.tasks() if t.id == item.subject)
        rows = self.layers()[TASKS].features
        return next(f.number for f in rows if str(f.values.get("id") or "").strip() == task.id), task

    def said(self, kind: JudgementKind, subject: str, source: str, person: str) -> Judgement | None:
        """What a person said that stands."""
        return self.standing().get((str(kind), subject, source, person))

    def standing(self) -> dict[tuple[str, str, str, str], Judgement]:
        """All judgements that stand, by their key; read again where a journal changed."""
        folder = self.project.folder
        now = tuple(_signature(path) for path in sorted((folder / "judgements").glob("*.jsonl")))
        if now != self._heard:
            self._standing = {one.key: one for one in read_judgements(folder)}
            self._heard = now
        return self._standing

    def judge(self, judgement: Judgement) -> None:
        """Save a judgement; raises OSError when it could not be, or when the sample's file could not take it over.

        Raises `ChangedElsewhereError` when another program has set the point's label; then only the judgement is saved.
        """
        append(self.project.folder, judgement)
        if judgement.kind == JudgementKind.POINT:
            self._unwritten.add(judgement.subject)
            self.write_sample()

    def write_sample(self) -> None:
        """Write the labels of points that were judged into the sample's file.

        Raises OSError, and tries again the next time. Raises `ChangedElsewhereError`, once all others are written, where another
        program has set a label; it stays as it is there.
        """
        if self.sample is None:
            return
        settled = None
        for point in sorted(self._unwritten & {name for name, _, _ in self.sample.points}):
            said = [j for j in self.standing().values() if (j.subject, j.source) == (point, self.sample.name)]
            try:
                self.sample.write(self.project.folder, point, self.sample.row(said))
            except ChangedElsewhereError as error:
                settled = error
            except OSError as error:
                raise OSError(f"your answer is kept, but not yet in the sample: {error}") from None
            self._unwritten.discard(point)
        if settled is not None:
            raise ChangedElsewhereError(f"your answer is kept, but {settled}")

    def edit(self, edits: list[RowEdit]) -> list[RowEdit]:
        """Edit rows of ``labels.gpkg`` in one transaction; returns what takes it back, in the same order."""
        return edit_rows(self.project.gpkg, edits)

    def done(self, work: Work) -> dict[str, set[str]]:
        """The people who are done with each item of a kind of work, by its claim."""
        items = self.items(work)
        if work == Work.FIELDS:
            finished = {t.id: t.person or "somebody" for t in self.tasks() if t.status != TaskStatus.OPEN}
            return {i.claim: {finished[i.subject]} for i in items if i.subject in finished}
        parts = self._parts(work)
        said: dict[tuple[str, str], set[tuple[str, str]]] = {}
        holds = self._holds()
        for one in self.standing().values():
            if holds(one):
                said.setdefault((one.subject, one.person), set()).add((str(one.kind), one.source))
        people: dict[str, set[str]] = {}
        for (subject, person), done in said.items():
            if parts <= done:
                people.setdefault(f"{work}:{subject}", set()).add(person)
        return {i.claim: people[i.claim] for i in items if i.claim in people}

    def holds(self, judgement: Judgement) -> bool:
        """Whether a judgement is of the mask that is shown now, or of one that is nearly the same."""
        return judgement.kind != JudgementKind.CORRECTNESS or self._holds()(judgement)

    def _holds(self) -> Callable[[Judgement], bool]:
        shown = self.shown_masks()
        if shown is None:
            return lambda one: True
        same_mask = read_settings(self.project.folder / SETTINGS_FILE).sample.same_mask
        return lambda one: one.kind != JudgementKind.CORRECTNESS or shown.is_still(one, same_mask)

    def shown_masks(self) -> ShownMasks | None:
        """The masks of blocks, read again when a round was finished; None without the run."""
        cube = self.pictures.cube
        if cube is None:
            return None
        rounds = [round_folder(self.project, n) for n in finished_rounds(self.project)]
        now = tuple(_signature(one.facts) for one in rounds)
        if self._shown is None or now != self._finished:
            self._shown, self._finished = ShownMasks.of(self.project, cube), now
        return self._shown

    def as_shown(self, judgement: Judgement) -> Judgement:
        """A judgement that names the masks which it is about, also when it is said again at another time."""
        shown = self.shown_masks()
        if shown is None or judgement.kind == JudgementKind.POINT:
            return judgement
        return replace(judgement, shown=shown.name_of(judgement))

    def left(self, work: Work, person: str) -> list[Item]:
        """What a person may still be handed."""
        items = self.items(work)
        mine = left_for(person, items, self.done(work), self._wanted(items))
        others = self._begun_by_others(work, person)
        return sorted(mine, key=lambda item: item.subject in others)

    def _begun_by_others(self, work: Work, person: str) -> set[str]:
        """Ids of the tasks that somebody else has begun; they are handed out last, once nobody claims them."""
        return {t.id for t in self.tasks() if t.person not in ("", person)} if work == Work.FIELDS else set()

    def hand_out(self, work: Work, person: str, after: str, now: datetime) -> Item | None:
        """The next item for a person, which nobody else is handed until the person goes on; None when none is left."""
        items, left = self.items(work), self.left(work, person)
        order = from_here(left, after)
        if after and after not in {item.subject for item in left}:
            later = [i.subject for i in from_here(items, after)]
            order = sorted(left, key=lambda item: later.index(item.subject))
        others = self._begun_by_others(work, person)
        order = sorted(order, key=lambda item: item.subject in others)
        places = places_left(items, self.done(work), self._wanted(items))
        claim = claim_first(self.project.folder, person, now, [i.claim for i in order], places)
        return next((i for i in order if i.claim == claim), None)

    def claim(self, item: Item, person: str, now: datetime) -> bool:
        """Whether a person may work on an item now; the person's claim is renewed."""
        places = {item.claim: self.wanted(item)}
        return claim_first(self.project.folder, person, now, [item.claim], places) is not None

    def wanted(self, item: Item) -> int:
        """How many people shall judge an item."""
        return wanted_people(item, self.double, self.project.settings.seed)

    def _wanted(self, items: list[Item]) -> dict[str, int]:
        return {item.claim: self.wanted(item) for item in items}

    def _parts(self, work: Work) -> set[tuple[str, str]]:
        """Kind and source of what must be said of an item before it is done."""
        if work == Work.POINTS:
            return {(str(JudgementKind.POINT), self.sample.name if self.sample else "")}
        choice = {(str(JudgementKind.INTEGRATION), "")} if len(self.sources) == 2 else set()
        return {(str(JudgementKind.CORRECTNESS), source) for source in self.sources} | choice

    def _refresh(self) -> None:
        now = tuple(_signature(path) for path in _parts_of(self.project.gpkg))
        if now != self._seen or not self._layers:
            layers = read_layers(self.project.gpkg)
            self._layers, self._tasks = layers, tuple(tasks_in(layers, self.project))
            self._outlines.clear()
            self._seen = now


def _parts_of(gpkg: Path) -> Iterator[Path]:
    yield from (gpkg, gpkg.with_name(f"{gpkg.name}-wal"))


def _signature(path: Path) -> tuple[str, int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (path.name, 0, 0, 0)
    return (path.name, found.st_ino, found.st_size, found.st_mtime_ns)
