"""The two editions that are compared, and whether they can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import NamedTuple

import numpy as np

from croplayer.changes.evidence import Seen
from croplayer.cube.decisions import Taken, decisions_of, read_decisions
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.corrections import uncorrected_mask
from croplayer.measures.masks import merged_mask
from stores.block_list import BlockList
from stores.columns import CORRECTION, CROPLAND_MASK, CROPLAND_PROBABILITY, IMAGERY_VALID, RGB
from stores.durable import digest_file, digest_text
from stores.finished import finished_blocks
from stores.grid import BlockIndex, PixelWindow
from stores.legends import CROPLAND, INTEGRATED, NEVER_PROCESSED, NO_IMAGERY, PROBABILITY_SCALE, Correction
from stores.places import read_key
from stores.run_folder import RunFolder, cube_place, parted
from stores.step_memory import STEPS_OF_CUBE, StepEntry

DECISIONS = "integration.parquet"
"""Table of the sources that a map takes."""
PUBLISHED_DECISIONS = f"tables/{DECISIONS}"
"""Its key in a snapshot."""
Move = tuple[int, int]
"""Whole pixels southwards and eastwards."""


class Imagery(NamedTuple):
    """Imagery of a block."""

    rgb: np.ndarray
    """(n, n, 3) uint8"""
    valid: np.ndarray
    """(n, n) bool"""


@dataclass(frozen=True)
class Edition:
    """One of the two editions: its cube, what its map is made of, and which of its blocks are finished."""

    cube: Cube
    taken: Taken
    finished: BlockList
    """Blocks whose map is finished."""
    model: str
    """Digest of the model that mapped it; empty where nothing tells."""
    state: str
    """Digest that changes with the run's map; empty where nothing tells."""

    @property
    def name(self) -> str:
        """Where it lies, for messages."""
        return f"edition '{self.cube.edition}' of {self.cube.path}"

    def narrowed(self, blocks: BlockList) -> Edition:
        """The same with the decisions of some blocks alone, so that it is small to send."""
        return replace(self, taken=self.taken.only(blocks), finished=self.finished.both(blocks))

    def seen(self, block: BlockIndex, window: PixelWindow, moves: dict[str, Move]) -> Seen:
        """What the map of a block says of a window, which may be that of the block or a part.

        Parameters
        ----------
        moves : for each source how far its imagery lies off; where all are (0, 0) the flags are those of the map as it is
        """
        sources = self.taken.of(block) or ()
        # A map that takes neither source has decided against both, so the scores of both tell of it.
        scored = sources or self.cube.sources
        names = sorted(self.cube.sources)
        scores = np.full((len(names), window.height, window.width), NEVER_PROCESSED, np.uint8)
        for layer, source in zip(scores, names, strict=True):
            if source in scored:
                layer[:] = self._read(CROPLAND_PROBABILITY, window, source, moves.get(source, (0, 0)))
        if any(moves.get(source, (0, 0)) != (0, 0) for source in sources):
            masks = [self._read(CROPLAND_MASK, window, source, moves.get(source, (0, 0))) for source in sources]
            merged = merged_mask([np.where(m == NEVER_PROCESSED, NO_IMAGERY, m).astype(np.uint8) for m in masks])
            return self.corrected(Seen(merged, scores), window)
        return self.corrected(Seen(self._read(INTEGRATED, window, None, (0, 0)), scores), window)

    def corrected(self, seen: Seen, window: PixelWindow) -> Seen:
        """What is seen of a window, with what people corrected by hand in this map.

        A correction is as sure as can be in every source: its score is 0 or PROBABILITY_SCALE. It lies where it was drawn,
        also where imagery is moved, because nothing tells in which source's imagery it was drawn.
        """
        if not self.cube.has_array(CORRECTION):
            return seen
        done = self._read(CORRECTION, window, None, (0, 0))
        drawn = (done != Correction.NONE) & (done != NEVER_PROCESSED)
        decided = self._read(INTEGRATED, window, None, (0, 0))
        sure = np.where(decided == CROPLAND, PROBABILITY_SCALE, 0)
        return Seen(
            np.where(drawn, decided, seen.flags).astype(np.uint8), np.where(drawn, sure, seen.scores).astype(np.uint8)
        )

    def uncorrected(self, block: BlockIndex) -> np.ndarray:
        """Flags (n, n) uint8 of the map of a block before people corrected it."""
        decided = self.cube.read_block(INTEGRATED, block)
        if not self.cube.has_array(CORRECTION):
            return decided
        return uncorrected_mask(decided, self.cube.read_block(CORRECTION, block))

    def imagery(self, block: BlockIndex, source: str) -> Imagery:
        """The imagery of a source in a block."""
        return Imagery(self.cube.read_block(RGB, block, source), self.cube.read_block(IMAGERY_VALID, block, source))

    def _read(self, name: str, window: PixelWindow, source: str | None, move: Move) -> np.ndarray:
        """Pixels of an array from where their ground lies; 255 in blocks that are not finished."""
        moved = window._replace(row=window.row + move[0], col=window.col + move[1])
        out = np.full((window.height, window.width), NEVER_PROCESSED, np.uint8)
        for block in self.cube.grid.blocks_under(moved):
            if block in self.finished:
                part = moved.common(self.cube.grid.window(block))
                out[part.slices_in(moved)] = self.cube.read_window(name, part, source)
        return out


def open_edition(place: str) -> Edition:
    """The edition of ``FOLDER`` or ``FOLDER@EDITION``; the name may be left out where a folder holds one.

    Raises
    ------
    FileNotFoundError
        when there is no cube
    ValueError
        when the folder holds no such edition, or has no ledgers that tell which blocks are finished
    """
    folder, edition = parted(place)
    found = cube_place(folder, edition)
    if found.folder is None or not found.folder.has_ledgers:
        raise ValueError(f"{folder} has no ledgers, which tell what of the map is finished; give the folder of a run")
    return edition_of(Cube.open(found.cube, edition or found.folder.edition), found.folder)


def edition_of(cube: Cube, folder: RunFolder | None, snapshot: str | None = None) -> Edition:
    """An edition with what the ledgers of its run tell, or the tables of its snapshot.

    Without a run every block counts as finished, and what is not written reads as never processed. Without either, which
    sources the map takes is not known.
    """
    blocks = BlockList.rectangle(cube.blocks.row, cube.blocks.col, cube.blocks.rows, cube.blocks.cols)
    if folder is None or not folder.has_ledgers:
        return Edition(cube, Taken(cube.sources, _published_choices(snapshot)), blocks, "", "")
    for step in STEPS_OF_CUBE:
        blocks = finished_blocks(folder, cube.path, cube.edition, step, blocks)
    decisions = folder.table(DECISIONS)
    choices = decisions_of(str(decisions), digest_file(decisions).sha256) if decisions.is_file() else {}
    entries = folder.memory.entries()
    state = [(s, entries[s].fingerprint, _ledger(folder, s, entries[s])) for s in STEPS_OF_CUBE if s in entries]
    return Edition(cube, Taken(cube.sources, choices), blocks, _model(folder), digest_text(repr(state)))


def _published_choices(snapshot: str | None) -> Mapping[str, tuple[int, bool]]:
    """What the map of a snapshot takes in each block; nothing where there is no snapshot, or it has no such table."""
    if snapshot is None:
        return {}
    try:
        return read_decisions(BytesIO(read_key(snapshot, PUBLISHED_DECISIONS)))
    except FileNotFoundError:
        return {}


def _ledger(folder: RunFolder, step: str, entry: StepEntry) -> str:
    """Digest of a step's ledger: as it is now while the step is open, because it grows then."""
    if not entry.is_open:
        return str(entry.ledger)
    path = folder.ledger(step)
    return str(digest_file(path)) if path.is_file() else ""


def _model(folder: RunFolder) -> str:
    """Digest of the model of a run's map; empty where nothing tells."""
    if not folder.provenance.is_file():
        return ""
    models = json.loads(folder.provenance.read_text(encoding="utf-8")).get("models", {})
    return str(models.get("segmentation", ""))


def check_comparable(before: Edition, after: Edition) -> None:
    """Raise ValueError, in one sentence, unless two editions can be compared pixel by pixel."""
    if before.cube.grid != after.cube.grid:
        raise ValueError(
            f"{before.name} has {before.cube.grid.block_px} pixels along a block and {after.name} "
            f"{after.cube.grid.block_px}; only maps of the same grid can be compared, so map one of them again"
        )
    if set(before.cube.sources) != set(after.cube.sources):
        raise ValueError(
            f"{before.name} has the sources {', '.join(before.cube.sources)} and {after.name} "
            f"{', '.join(after.cube.sources)}; a difference would be one of the sources, so give them the same names "
            "only where they are the same kind of imagery"
        )
    if not common_blocks(before, after):
        raise ValueError(f"{before.name} and {after.name} have no finished block in common; finish both runs first")


def common_blocks(before: Edition, after: Edition) -> BlockList:
    """Blocks that are finished in both."""
    return before.finished.both(after.finished)


def models_differ(before: Edition, after: Edition) -> bool:
    """Whether the two maps were made by different models, as far as their runs tell."""
    return bool(before.model and after.model and before.model != after.model)
