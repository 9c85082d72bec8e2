"""What a sample of a run's map is drawn from, and whether that map is finished and still the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stores.block_list import BlockList
from stores.change import ChangeFolder
from stores.run_folder import RunFolder, edition_at

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from croplayer.evaluation.frame import Frame


def units_of(boundaries: Path, run: Path, level: int | None) -> gpd.GeoDataFrame | None:
    """Admin units of a level; None without one."""
    import geopandas as gpd

    if level is None:
        return None
    if not boundaries.exists():
        raise FileNotFoundError(f"{run} has no {boundaries.name}: its recipe names no [[admin]] units")
    known = gpd.read_parquet(boundaries)
    units = known[known.level == level].reset_index(drop=True)
    if units.empty:
        levels = ", ".join(str(each) for each in sorted({int(each) for each in known.level}))
        raise ValueError(f"{run} has no admin units of level {level}; it has units of level {levels}")
    return units


def frame_of(run: Path, level: int | None) -> Frame:
    """The sampling frame of a run, measured with a progress bar."""
    import pandas as pd
    from tqdm import tqdm

    from croplayer.cube.whole_blocks import Cube
    from croplayer.evaluation.frame import Population, measure_frame
    from stores.grid import BlockIndex

    folder = edition_at(run)
    if not folder.blocks.exists() and ChangeFolder(folder.root).comparison.is_file():
        raise FileNotFoundError(
            f"{run} is a comparison of two maps, not a run; give --change to draw from what changed"
        )
    if not folder.blocks.exists():
        raise FileNotFoundError(f"{run} holds no finished map: it has no {folder.blocks.name}; run its recipe first")
    units = units_of(folder.boundaries, run, level)
    blocks = tuple(BlockIndex.parse(n) for n in pd.read_parquet(folder.blocks, columns=["block"]).block)
    cube = Cube.open(folder.cube, folder.edition)
    check_map(folder, cube.edition, BlockList.of(blocks))
    progress = tqdm(range(len(blocks)), unit="block", disable=None, leave=False)
    return measure_frame(Population(cube, blocks, units), progress)


def changed_since(points: pd.DataFrame, run: Path) -> int:
    """At how many points of a sample the map of a run is not what it was when they were drawn; the map must be finished there."""
    from croplayer.cube.whole_blocks import Cube
    from croplayer.evaluation.frame import changed_points
    from stores.grid import BlockIndex

    folder = edition_at(run)
    cube = Cube.open(folder.cube, folder.edition)
    blocks = BlockList.of(BlockIndex.parse(str(name)) for name in points.block.unique())
    check_map(folder, cube.edition, blocks)
    return changed_points(cube, blocks, points)


def check_map(folder: RunFolder, edition: str, blocks: BlockList) -> None:
    """Raise ValueError unless a run's map is finished everywhere: an interval is of one map."""
    from stores.finished import MissingBlocksError, check_finished
    from stores.step_memory import STEPS_OF_CUBE

    entries = folder.memory.entries()
    begun = [step for step in STEPS_OF_CUBE if step not in entries or entries[step].is_open]
    if begun:
        raise ValueError(
            f"the map of {folder.root} is not finished: the step '{begun[0]}' is still to be done; finish the run first"
        )
    try:
        check_finished(folder, folder.cube, edition, blocks, STEPS_OF_CUBE)
    except MissingBlocksError as error:
        sentence = str(error).partition("; ")[0]
        raise ValueError(f"{sentence}; finish the run first: a sample and its areas are of a whole map") from None
