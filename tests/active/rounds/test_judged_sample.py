"""The page hands out the sample of the last round, with the masks of that round."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from shared.label_edits import draw
from shared.labelled_rounds import copied

from croplayer.active.judgements import JudgementKind, read_judgements
from croplayer.active.page.desk import Desk
from croplayer.active.page.items import SAMPLED, Work
from croplayer.active.page.pictures import LINE, Pictures
from croplayer.active.page.session import Session
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_tasks
from croplayer.active.rounds.folder import round_folder
from croplayer.active.rounds.making import RunSide, make_round
from croplayer.active.rounds.shown import sampled_blocks
from stores.legends import CROPLAND, DEFAULT_CLASSES

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_sample_is_judged_at_the_page_by_the_masks_of_the_last_round(
    labelled: LabelProject, side: RunSide, model: Path, tmp_path: Path
) -> None:
    project = copied(labelled, tmp_path / "labels")
    desk = Desk(project, Pictures(project, side.numbers.cube), DEFAULT_CLASSES.labels)
    assert not any(SAMPLED in item.about for item in desk.items(Work.BLOCKS))
    make_round(project, side, model)
    items = desk.items(Work.BLOCKS)
    sample = sampled_blocks(project)
    assert [item.subject for item in items[: len(sample)]] == sample
    assert [SAMPLED in item.about for item in items] == [True] * len(sample) + [False] * (len(items) - len(sample))
    source = desk.sources[0]
    masks = round_folder(project, 1).masks(project).read(sample[0])
    shown = desk.pictures.map(items[0], source)
    assert masks is not None and shown is not None
    line = (shown.rgba == LINE).all(axis=-1)
    cropland = masks[source] == CROPLAND
    inner = (
        cropland
        & np.roll(cropland, 1, 0)
        & np.roll(cropland, -1, 0)
        & np.roll(cropland, 1, 1)
        & np.roll(cropland, -1, 1)
    )
    assert not (line & ~cropland).any() and not (line & inner)[1:-1, 1:-1].any()
    assert (line | inner)[1:-1, 1:-1].sum() == cropland[1:-1, 1:-1].sum()


def test_a_mask_that_a_round_has_changed_is_judged_again(
    labelled: LabelProject, side: RunSide, model: Path, tmp_path: Path
) -> None:
    project = copied(labelled, tmp_path / "labels")
    make_round(project, side, model)
    session = Session(Desk(project, Pictures(project, side.numbers.cube), DEFAULT_CLASSES.labels), "Li")
    while session.work != Work.BLOCKS:
        session.press("m")
    first = session.item
    assert first is not None
    for key in ("1", "6", "w"):
        session.press(key)
    assert first.claim in session.desk.done(Work.BLOCKS)
    task = next(t for t in read_tasks(project) if not project.is_held_out(t))
    draw(project, task, shapely.box(18, 0, 30, 32))
    text = (project.folder / "rounds.toml").read_text()
    strict = text.replace("steps = 4", "steps = 4\nlearning_rate = 0.05").replace(
        "blocks = 4", "blocks = 4\nsame_mask = 1.0"
    )
    (project.folder / "rounds.toml").write_text(strict)
    assert make_round(project, side, None) == 2
    before, now = (round_folder(project, n).masks(project).read(first.subject) for n in (1, 2))
    assert before is not None and now is not None
    assert any((before[s] != now[s]).any() for s in before)
    assert first.claim not in session.desk.done(Work.BLOCKS)
    assert round_folder(project, 2).finished < datetime.now(UTC) + timedelta(seconds=1)
    changed = [s for s in before if (before[s] != now[s]).any()]
    desk, second = session.desk, session.item
    # The second block is on the screen since round 1, so that its verdict is of that mask; then the new one is shown.
    assert second is not None and second.subject in sampled_blocks(project)
    assert session.shown == "round 1"
    session.press("1")
    said = desk.said(JudgementKind.CORRECTNESS, second.subject, desk.sources[0], "Li")
    assert said is not None and said.shown == "round 1"
    assert session.shown == "round 2" and "look again" in session.message
    # A note on the old verdict does not make it one of the new mask, nor does taking a later one back.
    session.press("ArrowLeft")
    assert session.item == first and session.shown == "round 2"
    session.note("hills")
    assert first.claim not in desk.done(Work.BLOCKS)
    for source in desk.sources:
        assert (session.value(JudgementKind.CORRECTNESS, source) == "") == (source in changed)
    for key in ("16"[desk.sources.index(source)] for source in changed):
        session.press(key)
    assert first.claim in desk.done(Work.BLOCKS)
    of_first = [j for j in read_judgements(project.folder) if j.subject == first.subject and j.source in changed]
    assert [j.shown for j in of_first] == ["round 2"] * len(changed)
    for _ in changed:
        session.press("z")
    assert first.claim not in desk.done(Work.BLOCKS)
    assert {j.note for j in read_judgements(project.folder) if j.subject == first.subject} == {"hills"}
