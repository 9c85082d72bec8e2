"""Why the integrated map is better or worse than another map of the run."""

from __future__ import annotations

import pandas as pd

from croplayer.report.differences import difference_part
from croplayer.report.page import Gap
from croplayer.report.tables import ReportTables
from stores.legends import INTEGRATED, MERGE_BOTH


def run(units: dict[int, pd.DataFrame] | None = None, **changes: list[object]) -> ReportTables:
    """Six blocks in which a errs in the first four, and b and both merged nowhere."""
    blocks = pd.DataFrame({"block": [f"r0c{i}" for i in range(6)], "row": 0, "col": range(6)})
    for name in ("a", "b", MERGE_BOTH, INTEGRATED):
        counts = {"tp": [60, 50, 40, 30, 20, 10], "fp": 0, "fn": 5, "tn": 35}
        blocks = blocks.assign(**{f"{count}_{name}_t": values for count, values in counts.items()})
    blocks["tp_a_t"], blocks["fn_a_t"] = [50, 40, 30, 20, 20, 10], [15, 15, 15, 15, 5, 5]
    blocks["coverage_type_a"] = ["Cloudy", "Nodata", "Planting", "Planting", "Cloudy", "Planting"]
    blocks["correctness_a"] = ["FP", "TP", "Noise", "TP", "TP", "TP"]
    blocks = blocks.assign(**changes)
    return ReportTables(
        sources=("a", "b"), products=(), product_titles={"t": "the truth"}, reference="t", blocks=blocks, units=units or {},
        classes=("TP", "TN", "FP", "Noise", "Artifacts"), correct=("TP", "TN"),
    )  # fmt: skip


def test_it_says_by_how_much_in_which_blocks_and_what_is_wrong_there() -> None:
    text = difference_part(run(), "a", "t")
    assert isinstance(text, str)
    better, why = text.split(" The two ")
    # 210 of 240 pixels against 170 of 240.
    assert better.startswith("The integrated map is better than a by 0.167 IoU (± ") and "chance" not in better
    assert better.endswith("over the 6 blocks in which both cover the same ground.")
    assert why == (
        "differ in 4 of these blocks. In 2 of them clouds, snow or gaps hide the land in the imagery of a, in 1 its mask "
        "was judged wrong, and in 1 nothing was found wrong with it, but another choice was taken for better."
    )


def test_equal_maps_differ_by_chance_and_nowhere() -> None:
    for name, title in (("b", "b"), (MERGE_BOTH, "both merged")):
        assert difference_part(run(), name, "t") == (
            f"The integrated map is worse than {title} by 0.000 IoU (± 0.000), which may be due to chance, over the 6 blocks in "
            "which both cover the same ground."
        )


def test_without_common_ground_nothing_is_compared() -> None:
    part = difference_part(run(tn_a_t=[34] * 6), "a", "t")
    assert isinstance(part, Gap) and part.text == "In no block do the integrated map and a cover the same ground."


def test_provinces_of_both_maps_are_held_against_their_true_area() -> None:
    units = pd.DataFrame({
        "t_km2": [100.0, 100.0, 100.0, 100.0], f"{INTEGRATED}_km2": [101.0, 120.0, 95.0, 100.0], "a_km2": [111.0, 89.0, 91.0, 100.0],
        "t_known": 1.0, f"{INTEGRATED}_known": 1.0, "a_known": [1.0, 1.0, 1.0, 0.5],
    })  # fmt: skip
    assert str(difference_part(run({1: units}), "a", "t")).endswith(
        " Of the 3 provinces that both cover completely, 2 of the integrated map and 1 of a lie within 10 % of their true area."
    )
