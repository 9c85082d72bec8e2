"""Countries of several sizes, and the seconds of a plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pipeline import with_earlier_sizes
from benchmarks.pipeline_scaling import bounds_of, seconds_of_plan
from pipelines.extrapolate import Pilot, StepCost, extrapolated
from stores.grid import BlockGrid


def test_sizes_of_an_earlier_call_are_kept_beside_those_of_this_one():
    earlier = {"blocks": {"8": 1, "512": 2}, "plans": {"512": 3}, "model": "old"}
    both = with_earlier_sizes({"blocks": {"64": 5, "8": 4}, "plans": {"64": 6}, "model": "new"}, earlier)
    assert both == {"blocks": {"8": 4, "64": 5, "512": 2}, "plans": {"64": 6, "512": 3}, "model": "new"}
    assert list(both["blocks"]) == ["8", "64", "512"]


@pytest.mark.parametrize(("blocks", "rows"), [(1, 1), (8, 2), (64, 8), (512, 16)])
def test_a_country_has_as_many_blocks_as_asked_for(blocks: int, rows: int):
    found = list(BlockGrid(640).blocks_in(bounds_of(blocks)))
    assert len(found) == blocks and len({block.row for block in found}) == rows


def test_seconds_are_those_that_a_plan_adds_up():
    costs = (StepCost("mosaic", 8, 2.0, 1e6, 4, 500), StepCost("aggregate_1", 8, 0.125, 0, 0, 500))
    facts = extrapolated(Pilot(Path("pilot"), 2560, costs, once_s=30.0, export_s=0.5), 7200, 2560, 2)
    assert seconds_of_plan(facts) == {"mosaic": 7200, "aggregate_1": 450, "export": 3600, "beside the blocks": 30}
    assert facts["hours in all"].startswith("3.13 = ")
