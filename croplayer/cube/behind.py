"""The cube behind a dataset: where the imagery beside a selection is read from.

``open_cube`` notes in the encoding of the imagery and the maps which cube they are of. Selections, chunking, copies, pickles
and dask keep an encoding; computing new values from an array drops it. So what carries the note is the cube's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from croplayer.cube.whole_blocks import Cube
from stores.block_list import BlockList
from stores.columns import CROPLAND_MASK, IMAGERY_VALID, RGB
from stores.finished import STEP_OF_ARRAY, finished_blocks
from stores.grid import BlockIndex, PixelWindow
from stores.legends import INTEGRATED
from stores.places import has_key, is_remote
from stores.run_folder import CubePlace, RunFolder

NOTE = "croplayer_cube"
"""Key of the encoding; writers of files leave it out."""


@dataclass(frozen=True)
class Behind:
    """The cube that a dataset was opened from, by its place, so that it can be sent anywhere."""

    cube: str
    edition: str
    run: str | None
    """Folder of the run whose ledgers tell which imagery is finished; None where there are none."""
    snapshot: str | None = None
    """Folder or address of the snapshot that the cube lies in; None for others."""

    @classmethod
    def of(cls, cube: Cube, place: CubePlace) -> Behind:
        """The note for an opened cube."""
        has_run = place.folder is not None and place.folder.has_ledgers
        run = str(place.folder.root.absolute()) if place.folder and has_run else None
        snapshot = None if place.snapshot is None else _anywhere(place.snapshot)
        return cls(_anywhere(cube.path), cube.edition, run, snapshot)

    def open(self) -> Cube:
        """The cube."""
        return Cube.open(self.cube, self.edition)

    def blocks_with_imagery(self, cube: Cube, window: PixelWindow) -> BlockList:
        """Blocks under a window whose imagery is in the cube; without ledgers, those that have files."""
        inside = window.common(cube.blocks.window(cube.grid))
        blocks = BlockList.under(inside, cube.grid.block_px)
        if self.run is not None:
            folder = RunFolder(Path(self.run))
            return finished_blocks(folder, cube.path, cube.edition, STEP_OF_ARRAY[RGB], blocks)
        return BlockList.of(block for block in blocks if _is_written(cube, block))


def _anywhere(place: str | Path) -> str:
    """A place as it is called from any working folder."""
    return str(place) if is_remote(place) else str(Path(place).absolute())


def link(dataset: xr.Dataset, behind: Behind) -> xr.Dataset:
    """The dataset with the note in its imagery and maps."""
    for name in (RGB, IMAGERY_VALID, INTEGRATED, CROPLAND_MASK):
        if name in dataset:
            dataset[name].encoding[NOTE] = behind
    return dataset


def unlink(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset without the note, of imagery and maps that are not of one cube."""
    for name in (RGB, IMAGERY_VALID, INTEGRATED, CROPLAND_MASK):
        if name in dataset:
            dataset[name].encoding.pop(NOTE, None)
    return dataset


def cube_behind(dataset: xr.Dataset) -> Behind | None:
    """What a dataset's imagery is of; None for imagery that was computed, or read from another file."""
    notes = {dataset[name].encoding.get(NOTE) if name in dataset else None for name in (RGB, IMAGERY_VALID)}
    note = notes.pop()
    return note if not notes and isinstance(note, Behind) else None


def map_behind(dataset: xr.Dataset, source: str | None) -> Behind | None:
    """What a dataset's map is of, that of a source or the integrated one; None for a map that was computed, or read elsewhere."""
    name = INTEGRATED if source is None else CROPLAND_MASK
    # Pixels in memory may have been changed in place.
    note = dataset[name].encoding.get(NOTE) if name in dataset and dataset[name].chunks else None
    return note if isinstance(note, Behind) else None


def imagery_around(cube: Cube, window: PixelWindow, source: str, held: BlockList) -> tuple[np.ndarray, np.ndarray]:
    """Imagery of a window that may reach beyond the cube.

    Parameters
    ----------
    held : blocks whose imagery is in the cube; the others are without imagery

    Returns
    -------
    (h, w, 3) uint8 and (h, w) bool, where there is imagery
    """
    rgb = np.zeros((window.height, window.width, 3), np.uint8)
    valid = np.zeros((window.height, window.width), bool)
    for block in cube.grid.blocks_under(window):
        if block in held:
            part = window.common(cube.grid.window(block))
            area = part.slices_in(window)
            rgb[area] = cube.read_window(RGB, part, source)
            valid[area] = cube.read_window(IMAGERY_VALID, part, source)
    return rgb, valid


def _is_written(cube: Cube, block: BlockIndex) -> bool:
    """Whether a block has imagery files: every block is written, also one without imagery."""
    return has_key(cube.path, cube.block_key(IMAGERY_VALID, block, cube.sources[0]))
