"""One person at the page: the item that is shown, what each key does, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from croplayer.active.judgements import Judgement, JudgementKind
from croplayer.active.page.clock import Clock
from croplayer.active.page.desk import Desk
from croplayer.active.page.drawing import Drawing
from croplayer.active.page.items import Item, Work
from croplayer.active.page.keys import Act, Key, keys_of
from croplayer.active.row_edits import ChangedElsewhereError, RowEdit
from croplayer.active.tasks import TaskStatus

STEPS_BACK = 200
"""Number of steps that can be undone."""
RENEWED = timedelta(minutes=2)
"""A claim is renewed when a key is pressed later than this after the last time."""
LOOK = (Act.MAP, Act.AROUND, Act.FIT, Act.CLOSER, Act.FARTHER, Act.NOTE)
"""What changes only the view; the page does it."""


@dataclass(frozen=True)
class _Step:
    """Something that can be undone."""

    item: Item
    label: str
    back: Callable[[], None]


class Session:
    """What one person does at the page.

    Everything that is said is on disk before a method returns. Where it could not be saved, ``message`` says why, and what is
    shown is what is on disk.

    Parameters
    ----------
    desk : what all people share
    person : the person's name
    now : gives the time
    """

    def __init__(self, desk: Desk, person: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        if not person.strip():
            raise ValueError("the name is empty; write your name")
        self.desk, self.person, self._now = desk, " ".join(person.split()), now
        self.work = desk.works[0]
        self.item: Item | None = None
        self.message = ""
        """What the person should know now."""
        self.failed = False
        """Whether the last thing could not be saved."""
        self.saved = 0
        """Number of things that were saved."""
        self.map_shown, self.around_shown = True, False
        self.shown = ""
        """Masks of the block that are on the screen, by `ShownMasks.name`."""
        self._steps: list[_Step] = []
        self._history: list[Item] = []
        self._unsaid = ""  # a note on something that is not judged yet
        self._clock, self._claimed = Clock(now()), now()
        self.drawing = Drawing(desk)
        self.keys: dict[str, Key] = {}
        self._begin(self.work)

    def press(self, name: str) -> Act | None:
        """Do what a key says; returns what it does, None for a key without a meaning here."""
        self._clock.tick(self._now())
        key = self.keys.get(name)
        if key is None:
            return None
        self.message, self.failed = "", False
        try:
            self._renew()
            self._do(key)
            self.see()
        except (OSError, ValueError) as error:
            self.message, self.failed = str(error), True
        return key.act

    def look(self) -> None:
        """The person moved the picture."""
        self._clock.tick(self._now())

    def note(self, text: str) -> None:
        """Save a note on the item."""
        self._clock.tick(self._now())
        if self.item is None or text.strip() == self.noted:
            return
        self.message, self.failed = "", False
        try:
            self._note(self.item, text.strip())
            self.see()
        except (OSError, ValueError) as error:
            self.message, self.failed = str(error), True

    @property
    def noted(self) -> str:
        """The note on the item."""
        if self.item is None:
            return ""
        if self.item.work == Work.FIELDS:
            return str(self.drawing.row(self.item).get("note") or "")
        return next((j.note for j in self._own(self.item) if j.note), self._unsaid)

    def see(self) -> str:
        """The note on the item, which the person sees from now on; what changes it in a file later is not written over."""
        if self.item is not None and self.item.work == Work.FIELDS:
            return self.drawing.look(self.item)
        return self.noted

    def draw(self, xs: list[float], ys: list[float]) -> None:
        """Corners of the outline that is drawn or edited, in pixels of the picture; it is saved with its key."""
        self._clock.tick(self._now())
        self.drawing.take(xs, ys)

    def select(self, x: float, y: float) -> None:
        """Select the outline at a place of the picture."""
        self._clock.tick(self._now())
        if self.item is not None and self.item.work == Work.FIELDS and not self.drawing.mode:
            self.drawing.select_at(self.item, x, y)

    def value(self, kind: JudgementKind, source: str = "") -> str:
        """What the person said of the item; empty for nothing, and for what was said of a mask that has changed since."""
        said = None if self.item is None else self.desk.said(kind, self.item.subject, source, self.person)
        return said.value if said and self.desk.holds(said) else ""

    def is_complete(self) -> bool:
        """Whether the person is done with the item."""
        return self.item is not None and self.item.subject not in {i.subject for i in self._undone()}

    def progress(self) -> tuple[int, int, int]:
        """Number of items that the person is done with, that are left for the person, and of all."""
        done = self.desk.done(self.work)
        mine = sum(self.person in people for people in done.values())
        return mine, len(self.desk.left(self.work, self.person)), len(self.desk.items(self.work))

    # What keys do

    def _do(self, key: Key) -> None:
        if key.act in (Act.NEXT, Act.BACK, Act.WORK, Act.UNDO):
            self._go(key.act)
        elif key.act == Act.MAP:
            self.map_shown = not self.map_shown
        elif key.act == Act.AROUND:
            self.around_shown = not self.around_shown
        elif self.item is not None and key.act not in LOOK:
            was_complete, item = self.is_complete(), self.item
            if key.act in (Act.JUDGE, Act.CHOOSE, Act.POINT):
                self._judge(item, key)
            else:
                self._edit(item, key)
            if not was_complete and self.is_complete():
                self._next(f"{item.subject} is complete")
            elif self.shown != self._newest(item):
                self.shown = self._newest(item)
                self.message = "a round has changed the masks meanwhile; the new ones are shown now, so look again"

    def _renew(self) -> None:
        """Keep the item claimed while the person works on it."""
        if self.item is not None and self._now() - self._claimed > RENEWED:
            self._claimed = self._now()
            # What the person says matters more than who else may be handed the item.
            with suppress(OSError):
                if not self.desk.claim(self.item, self.person, self._now()):
                    self.message = "you were away, and somebody else was handed this meanwhile"

    def _go(self, act: Act) -> None:
        if act == Act.NEXT:
            self._next("")
        elif act == Act.WORK:
            works = self.desk.works
            if len(works) == 1:
                self.message = "this is the only kind of work here"
                return
            self._begin(works[(works.index(self.work) + 1) % len(works)])
        elif act == Act.UNDO:
            self._undo()
        elif self._history:
            before = self._history.pop()
            with suppress(OSError):
                self.desk.claim(before, self.person, self._now())
            self._show(before)
        else:
            self.message = "this is the first one that you saw"

    def _begin(self, work: Work) -> None:
        # Handed out first: where that fails, what is shown stays.
        found = self.desk.hand_out(work, self.person, "", self._now())
        self.work, self._history = work, []
        groups = keys_of(work, self.desk.sources, self.desk.classes)
        self.keys = {key.key: key for group in groups.values() for key in group}
        self._show(None)
        self._take(found, "")

    def _next(self, said: str) -> None:
        subject = self.item.subject if self.item else ""
        self._take(self.desk.hand_out(self.work, self.person, subject, self._now()), said)

    def _take(self, found: Item | None, said: str) -> None:
        """Show what was handed out, or say that nothing is left."""
        before = self.item
        if found is None:
            self.message = f"{said}; nothing is left for you here" if said else "nothing is left for you here"
            self.message = self.message[0].upper() + self.message[1:]
            if before is None or said:
                self._leave(before)
            return
        if found == before:
            self.message = "this is the last one that is left for you"
            return
        self._leave(before)
        self._show(found)
        self.message = said

    def _newest(self, item: Item | None) -> str:
        """Name of the newest masks of a block; empty for another item."""
        masks = self.desk.shown_masks() if item is not None and item.work == Work.BLOCKS else None
        return masks.name(item.subject) if item is not None and masks is not None else ""

    def _leave(self, before: Item | None) -> None:
        if before is not None:
            self._history.append(before)
        self._show(None)

    def _show(self, item: Item | None) -> None:
        self.item, self._clock, self.shown = item, Clock(self._now()), self._newest(item)
        self._claimed = self._now()
        self._unsaid = ""
        self.drawing.begin()
        self.see()

    def _undo(self) -> None:
        if self.drawing.mode:
            self.drawing.begin()
            return
        if not self._steps:
            self.message = "there is nothing to undo"
            return
        step = self._steps[-1]
        try:
            step.back()
        except ChangedElsewhereError:
            if step.item.work == Work.POINTS:  # the answer is taken back; only the sample's file stays as it is
                self._steps.pop()
            raise
        self._steps.pop()
        self.saved += 1
        if step.item.work != self.work:
            self._begin(step.item.work)
        if self.item != step.item:
            self._show(step.item)
        self.drawing.begin()
        self.message = f"taken back: {step.label}"

    def _judge(self, item: Item, key: Key) -> None:
        kind = {Act.JUDGE: JudgementKind.CORRECTNESS, Act.CHOOSE: JudgementKind.INTEGRATION}.get(
            key.act, JudgementKind.POINT
        )
        source = self.desk.sample.name if kind == JudgementKind.POINT and self.desk.sample else key.source
        before = self.desk.said(kind, item.subject, source, self.person)
        if before is not None and before.value == key.value and self.desk.holds(before):
            return
        note = self.noted
        seconds = self._clock.seconds
        one = Judgement(kind, item.subject, source, key.value, self.person, self._now(), seconds, note, self.shown)
        back = replace(one, value="") if before is None else before
        # Also when the sample's file could not be written, the judgement is kept and can be undone.
        self._steps = [*self._steps, self._judged(item, back, f"{key.label} of {item.subject}")][-STEPS_BACK:]
        try:
            self.desk.judge(one)
        except (OSError, ChangedElsewhereError):
            if self.desk.said(kind, item.subject, source, self.person) == before:
                self._steps.pop()
            raise
        self._clock.take()
        self.saved += 1

    def _judged(self, item: Item, back: Judgement, label: str) -> _Step:
        named = self.desk.as_shown(back)
        return _Step(item, label, lambda: self.desk.judge(replace(named, time=self._now(), seconds=float("nan"))))

    def _edit(self, item: Item, key: Key) -> None:
        done = self.drawing.do(item, key, self.person, self._now(), self._clock)
        if done is None:
            return
        label, inverse = done
        self._steps = [*self._steps, _Step(item, label, lambda: self._take_back(inverse))][-STEPS_BACK:]
        self.saved += 1

    def _take_back(self, inverse: list[RowEdit]) -> None:
        self.desk.edit(inverse)

    def _note(self, item: Item, text: str) -> None:
        if item.work == Work.FIELDS:
            inverse = self.drawing.note(item, text, self.person, self._now(), self._clock)
            self._steps.append(_Step(item, f"note on {item.subject}", lambda: self._take_back(inverse)))
        else:
            said = self._own(item)
            if not said:
                self._unsaid = text
                self.message = "the note is saved with what you judge"
                return
            for one in said:
                again = replace(self.desk.as_shown(one), note=text, time=self._now(), seconds=self._clock.seconds)
                self.desk.judge(again)
                self._clock.take()
        self.saved += 1

    def _own(self, item: Item) -> list[Judgement]:
        kinds = {Work.BLOCKS: (JudgementKind.CORRECTNESS, JudgementKind.INTEGRATION)}.get(
            item.work, (JudgementKind.POINT,)
        )
        sample = self.desk.sample.name if self.desk.sample else ""
        return [
            j
            for j in self.desk.standing().values()
            if j.person == self.person and j.subject == item.subject and j.kind in kinds
            and (j.kind != JudgementKind.POINT or j.source == sample)
        ]  # fmt: skip

    def _undone(self) -> list[Item]:
        if self.work == Work.FIELDS:
            still = {t.id for t in self.desk.tasks() if t.status == TaskStatus.OPEN}
            return [item for item in self.desk.items(self.work) if item.subject in still]
        done = self.desk.done(self.work)
        return [item for item in self.desk.items(self.work) if self.person not in done.get(item.claim, ())]
