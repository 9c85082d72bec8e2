"""The section of the report on other networks that were trained on the same scenes with the same budget."""

from __future__ import annotations

import pandas as pd

from croplayer.models.judging.comparison_file import Comparison, Figures
from croplayer.report.page import Column, Gap, Part, Section, table_of

GROUP = "Details"


def comparison_section(comparison: Comparison, origin: str) -> Section:
    """Accuracy, time and size of each network, and the reason for each training that failed.

    Parameters
    ----------
    origin : which file the comparison was read from
    """
    finished = [row.figures for row in comparison.rows if row.figures]
    rows = [
        {"network": row.contestant.title} | (row.figures._asdict() if row.figures else {}) for row in comparison.rows
    ]
    shown = pd.DataFrame(rows, columns=["network", *Figures._fields])
    columns = [Column("network", "network", "text"), Column("training_s", "training, s"), Column("iou", "IoU", "same")]
    columns += [Column("boundary_iou", "boundary IoU", "same"), Column("f1", "F1", "same")]
    columns += [Column("px_per_s", "pixels per second"), Column("n_parameters", "parameters")]
    parts: list[Part] = [f"Read from {origin}."]
    if finished:
        parts.append(table_of(shown, _caption(comparison, finished), columns))
    else:
        parts.append(Gap("None of the networks could be trained."))
    parts += [Gap(f"{row.contestant.title} failed: {row.failure}") for row in comparison.rows if not row.figures]
    return Section(GROUP, "Networks compared", parts)


def _caption(comparison: Comparison, finished: list[Figures]) -> str:
    budget, days = comparison.budget, sorted({figures.ended for figures in finished})
    devices = " and ".join(sorted({figures.device for figures in finished}))
    effort = (
        f"{budget.get('steps', '?')} steps of {budget.get('batch', '?')} windows of {budget.get('crop_px', '?')} px"
    )
    return (
        f"Networks trained on {comparison.training_data} with the same budget of {effort}, and measured on "
        f"{comparison.n_validation} scenes that none of them was trained on. A network starts from random weights unless the "
        f"table says otherwise. Trained {' to '.join(dict.fromkeys((days[0], days[-1])))}; durations and speeds are those of "
        f"{budget.get('threads', '?')} threads of the machine there ({devices})."
    )
