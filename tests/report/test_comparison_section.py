"""The section on a comparison of networks."""

from __future__ import annotations

import math

from croplayer.models.judging.comparison_file import Comparison, ComparisonRow, Contestant, Figures
from croplayer.report.page import Gap, Report, Table
from croplayer.report.sections_comparison import comparison_section

BUDGET = {"steps": 100, "batch": 4, "accumulation": 1, "crop_px": 256, "threads": 2}
UNET = Figures(4_900_000, 812.4, 0.93, 0.41, 0.96, 2_500_000.0, "CPU", "2026-11-25")
PIDNET = Figures(1_040_277, 29.2, 0.833, math.nan, 0.909, 4_947_870.0, "CPU", "2026-11-26")
FINISHED = (
    ComparisonRow(Contestant("unet", "efficientnet-lite2", "imagenet"), UNET),
    ComparisonRow(Contestant("pidnet", "tiny"), PIDNET),
)
FAILED = ComparisonRow(Contestant("pspnet", "tiny"), None, "the loss is <not> finite")


def test_the_table_has_accuracy_time_and_size_and_says_where_it_comes_from():
    section = comparison_section(
        Comparison("24 scenes", 24, 6, BUDGET, (*FINISHED, FAILED)), "compared/comparison.json"
    )
    origin, table, gap = section.parts
    assert origin == "Read from compared/comparison.json." and isinstance(table, Table)
    assert table.header == ["network", "training, s", "IoU", "boundary IoU", "F1", "pixels per second", "parameters"]
    assert list(map(list, table.rows)) == [
        ["unet efficientnet-lite2 from imagenet", "812", "0.930", "0.410", "0.960", "2,500,000", "4,900,000"],
        ["pidnet tiny", "29", "0.833", "–", "0.909", "4,947,870", "1,040,277"],
        ["pspnet tiny", "–", "–", "–", "–", "–", "–"],
    ]
    assert "24 scenes with the same budget of 100 steps of 4 windows of 256 px" in table.caption
    assert "measured on 6 scenes" in table.caption and "Trained 2026-11-25 to 2026-11-26;" in table.caption
    assert gap == Gap("pspnet tiny failed: the loss is <not> finite")
    html = Report("-", [], [], [section]).to_html()
    assert "the loss is &lt;not&gt; finite" in html


def test_without_a_finished_training_there_is_a_gap():
    section = comparison_section(Comparison("24 scenes", 24, 6, BUDGET, (FAILED,)), "x")
    assert section.parts[1] == Gap("None of the networks could be trained.")
