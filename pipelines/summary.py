"""What a run came to: one line about its blocks and its cropland, and whether its map is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipelines.engine.rules import Done
from pipelines.engine.steps import BlockStep, StepResult
from stores.columns import AREA_KM2, KNOWN, map_column
from stores.legends import INTEGRATED
from stores.records import Status
from stores.results import STATUSES, Results

MAP_STEP = "integrate"
LAST_OF = (MAP_STEP, "compare", "segment", "assess", "mosaic")
"""Steps over all blocks, the last first."""


class Summary(NamedTuple):
    """The blocks of a run, and the cropland on its map."""

    blocks: int
    """Blocks of the region."""
    done: int
    """Those that are finished and have imagery."""
    failed: int
    without_imagery: int
    unmapped: int
    """Those with imagery of which the map knows nothing, because no imagery of them could be used."""
    cropland_km2: float | None
    """None without a map."""

    def line(self) -> str:
        """One line that sums up."""
        area = "" if self.cropland_km2 is None else f"; {self.cropland_km2:,.6g} km2 of cropland"
        blocks = "1 block" if self.blocks == 1 else f"{self.blocks} blocks"
        return f"{blocks}: {self.done} done, {self.failed} failed, {self.without_imagery} without imagery{area}"

    def emptiness(self) -> str | None:
        """Why the map is empty, in one sentence; None if it is not, or if there is none."""
        if self.cropland_km2 is None or not self.done:
            return None if self.cropland_km2 is None or self.failed else "the map is empty: no block has imagery"
        if 2 * self.unmapped > self.done:
            return (
                f"the map is empty in {self.unmapped} of the {self.done} blocks with imagery, because their imagery has gaps "
                "or shows clouds or snow; see coverage_type in blocks.parquet, and nodata_above in [coverage]"
            )
        if self.cropland_km2 == 0:
            return (
                "the map has no cropland at all; check whether the model knows this kind of land, these colours and this size of "
                "pixel (`croplayer plan`)"
            )
        return None


def summary_of(blocks: int, done: Mapping[str, Done], results: Sequence[StepResult]) -> Summary | None:
    """The summary of a run of so many blocks.

    Parameters
    ----------
    done : the steps of the run that are finished, by name
    results : what the command did

    Returns
    -------
    The summary; None where no step over all blocks was asked for
    """
    last = next((name for name in LAST_OF if name in done), None)
    if last is None:
        return None
    failed = {record.block for result in results for record in result.failed}
    found = done[last].results
    empty = _without_imagery(done["mosaic"].results if "mosaic" in done else found)
    finished = len(found.blocks) - empty
    if last != MAP_STEP:
        return Summary(blocks, finished, len(failed), empty, 0, None)
    area, unknown = 0.0, 0
    for values in found.values():
        area += float(values.get(map_column(AREA_KM2, INTEGRATED)) or 0.0)
        unknown += not values.get(map_column(KNOWN, INTEGRATED))
    return Summary(blocks, finished, len(failed), empty, max(unknown - empty, 0), area)


def _without_imagery(results: Results) -> int:
    return int((results.status == STATUSES.index(Status.NO_IMAGERY.value)).sum())


def steps_over_blocks(done: Mapping[str, tuple[str, Done]]) -> dict[str, Done]:
    """The steps over blocks among those that a run went through."""
    return {name: step for name, (_, step) in done.items() if isinstance(step.step, BlockStep)}
