"""What the labels of a round are for: new ones and old ones teach, held-out ones measure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
import shapely

from croplayer.active.held_out import block_of
from croplayer.active.project import LabelProject
from croplayer.active.reading import Reading
from croplayer.active.tasks import ChosenBy, FieldClass, Task, TaskStatus
from stores.grid import BlockIndex


class Role(StrEnum):
    """What a finished task does in a round."""

    NEW = "new"
    """It teaches for the first time, or was changed since the last round."""
    OLD = "old"
    """It taught in an earlier round and is shown again."""
    RESTED = "rested"
    """It taught in an earlier round, and is not shown in this one."""
    MEASURES = "measures"
    """It lies in a held-out block and was drawn at random, so it tells how good the model is."""
    UNUSED = "unused"
    """It lies in a held-out block and was chosen by scores, or the run's model has learned from its block, as one of another
    project may have: it may not teach, and it would not measure fairly."""


def label_table(
    project: LabelProject,
    reading: Reading,
    before: pd.DataFrame | None,
    replayed: float,
    seed: int,
    taught: Collection[BlockIndex] = (),
) -> pd.DataFrame:
    """One row per finished task: what it holds and what it is for. Sorted by task.

    Parameters
    ----------
    before : the table of the round before; None in the first one
    replayed : share of the old labels that teach again, 0 to 1; which ones depends on the seed
    seed : any integer, another one in each round
    taught : blocks that the first round's start has learned from; held-out tasks in them measure nothing

    Returns
    -------
    DataFrame with task, block, unit, lon and lat (centre, degrees), chosen_by, role, fields (number), cropland_share (of the
    window), positive (whether there is a field), person, minutes (NaN if not known), digest (of the drawn polygons) and
    is_new (finished or changed since the round before)
    """
    done = [task for task in reading.tasks if task.status == TaskStatus.DONE]
    known = {} if before is None else dict(zip(before.task, before.digest, strict=True))
    rows = [_row(project, reading, task) for task in sorted(done, key=lambda task: task.id)]
    table = pd.DataFrame(rows, columns=[*_COLUMNS])
    table["is_new"] = [known.get(task) != digest for task, digest in zip(table.task, table.digest, strict=True)]
    names = {block.name for block in taught}
    table["role"] = [_role(row, row["block"] in names) for row in table.to_dict("records")]
    old = table.index[table.role == Role.OLD]
    order = np.random.default_rng(seed).permutation(len(old))
    table.loc[old[order[round(replayed * len(old)) :]], "role"] = Role.RESTED
    table["role"] = table.role.astype(str)
    return table.drop(columns="held_out")


_COLUMNS = (
    "task", "block", "unit", "lon", "lat", "chosen_by", "fields", "cropland_share", "positive", "person", "minutes",
    "held_out", "digest",
)  # fmt: skip


def _row(project: LabelProject, reading: Reading, task: Task) -> tuple[object, ...]:
    fields = reading.fields[(reading.fields.task == task.id) & (reading.fields["class"] == FieldClass.CROPLAND)]
    box = shapely.box(*project.grid.window_bounds(task.window))
    shapes = fields.geometry.to_numpy()
    share = float(shapely.area(shapely.intersection(shapes, box)).sum() / box.area) if len(shapes) else 0.0
    # The order in which polygons were drawn is no difference.
    drawn = sorted(shapely.to_wkb(shapely.normalize(shapes), byte_order=1, output_dimension=2).tolist())
    minutes = np.nan if task.minutes is None else float(task.minutes)
    return (
        task.id, block_of(task.window, project.grid).name, task.unit, box.centroid.x, box.centroid.y, str(task.chosen_by),
        len(shapes), round(share, 6), len(shapes) > 0, task.person, minutes, project.is_held_out(task),
        hashlib.sha256(b"".join(drawn)).hexdigest()[:16],
    )  # fmt: skip


def skipped_by_unit(project: LabelProject, reading: Reading) -> dict[str, int]:
    """Number of skipped tasks by unit that were drawn at random in held-out blocks, and are missing where the model is measured."""
    missing = (t for t in reading.tasks if t.status == TaskStatus.SKIPPED and t.chosen_by == ChosenBy.RANDOM)
    return dict(Counter(task.unit for task in missing if project.is_held_out(task)))


def _role(row: Mapping[Any, Any], is_taught: bool) -> Role:
    if row["held_out"]:
        return Role.MEASURES if row["chosen_by"] == ChosenBy.RANDOM and not is_taught else Role.UNUSED
    return Role.NEW if row["is_new"] else Role.OLD
