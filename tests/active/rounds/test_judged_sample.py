"""The page hands out the sample of the last round, with the masks of that round."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from shared.label_edits import draw
from shared.labelled_rounds import copied

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
