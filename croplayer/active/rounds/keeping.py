"""Land without a label on which the model of a round keeps what the model before mapped.

The squares that people label are chosen where the map errs, so villages, roads or rivers are rare in them, and a model that learns
from them alone forgets these. The pictures of other land come from the run's cube. What is kept there is the map, which may be wrong; it
needs nobody's label.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from shapely.geometry.base import BaseGeometry

from croplayer.active.held_out import block_of, held_out_blocks
from croplayer.active.imagery import picture_window
from croplayer.active.project import LabelProject
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.tasks import task_id, window_of_task
from croplayer.active.windows import beside_any, pixel_m, places, windows_of
from croplayer.cube.whole_blocks import Cube
from croplayer.models.training.scenes import LabelledScenes, RepairReport, SceneArrays
from stores.columns import IMAGERY_VALID, RGB
from stores.grid import PixelWindow


@dataclass(frozen=True)
class UnlabelledPicture:
    """A window of a source in the run's cube with a margin like that of a task's picture; a scene without a label."""

    cube: Cube
    window: PixelWindow
    source: str

    @property
    def name(self) -> str:
        """Name of the window as a task would have it, and source."""
        return f"{task_id(self.window, self.cube.grid)}.{self.source}"

    @property
    def gsd_m(self) -> float:
        """Ground sample distance in metres."""
        return pixel_m(self.window, self.cube.grid)

    @property
    def polygons(self) -> tuple[BaseGeometry, ...]:
        """None are known."""
        return ()

    def read(self) -> SceneArrays:
        """Its pixels; nothing is labelled."""
        shown = picture_window(self.window, self.cube)
        rgb, valid = (self.cube.read_window(name, shown, self.source) for name in (RGB, IMAGERY_VALID))
        nothing = np.zeros(valid.shape, np.int32)
        return SceneArrays(np.ascontiguousarray(rgb), nothing, valid.astype(bool), nothing > 0)


def unlabelled_pictures(
    project: LabelProject, numbers: RunNumbers, labelled: Collection[PixelWindow], count: int, seed: int
) -> LabelledScenes:
    """Pictures of windows drawn in turn from every unit, of every source whose imagery the map takes there. Sorted by name.

    None lies in a held-out block, and none is a labelled window or beside one. The same project, run, labels and seed give the same.

    Parameters
    ----------
    labelled : windows that people labelled
    count : pictures that are wanted, 0 or more; there are fewer where the land is too small
    seed : any integer, another one in each round
    """
    found: list[UnlabelledPicture] = []
    used = places([*labelled])
    turns = deque(_drawn_orders(project, numbers, np.random.default_rng(seed)))
    while turns and len(found) < count:
        order = turns.popleft()
        for window in order:
            shown = _usable(numbers, window)
            if shown and not beside_any(places([window]), used)[0]:
                found += shown
                turns.append(order)
                break
    return LabelledScenes(tuple(sorted(found[:count], key=lambda scene: scene.name)), RepairReport((), ()))


def pictures_by_unit(pictures: LabelledScenes, numbers: RunNumbers) -> dict[str, int]:
    """Number of pictures by the unit that holds the centre of their window."""
    grid = numbers.cube.grid
    return dict(Counter(numbers.units_of([window_of_task(n.partition(".")[0], grid) for n in pictures.names])))


def _drawn_orders(project: LabelProject, numbers: RunNumbers, rng: np.random.Generator) -> list[Iterator[PixelWindow]]:
    """The windows of every unit in a drawn order, without those of held-out blocks and of blocks without usable imagery."""
    grid, edge = numbers.cube.grid, project.settings.window_px
    held = held_out_blocks(numbers.names, project.settings.seed, project.settings.held_out)
    free = [
        b for b in numbers.names if b not in held and any(numbers.is_usable(b.name, s) for s in numbers.cube.sources)
    ]
    units = np.array(numbers.units_of([grid.window(block) for block in free]), object)
    in_block = (grid.block_px // edge) ** 2

    def order(rows: np.ndarray) -> Iterator[PixelWindow]:
        numbered = (divmod(number, in_block) for number in rng.permutation(len(rows) * in_block).tolist())
        return (windows_of(free[rows[row]], grid, edge)[place] for row, place in numbered)

    return [order(np.flatnonzero(units == unit)) for unit in sorted(set(units.tolist()))]


def _usable(numbers: RunNumbers, window: PixelWindow) -> list[UnlabelledPicture]:
    """The pictures of a window that the map takes and that are not blank."""
    cube = numbers.cube
    block = block_of(window, cube.grid).name
    sources = [source for source in cube.sources if numbers.is_usable(block, source)]
    return [
        UnlabelledPicture(cube, window, s) for s in sources if cube.read_window(IMAGERY_VALID, window, s).any()
    ]  # fmt: skip
