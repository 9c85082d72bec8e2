"""The comparison of one block: how far its imagery moved, its differences, and the changes among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from croplayer.changes.editions import Edition, Move
from croplayer.changes.evidence import Seen, differences
from croplayer.changes.registration import NOT_MEASURED, Displacement, displacement
from croplayer.changes.rules import ChangeRules
from croplayer.changes.sieve import Sieved, sieved
from stores.block_list import BlockList
from stores.grid import BlockGrid, BlockIndex, PixelWindow
from stores.legends import Change

NOT_FINISHED_BEFORE = "the earlier map is not finished there"
NOT_FINISHED_AFTER = "the later map is not finished there"

Read = Callable[[PixelWindow], Seen]
"""What reads a third map of a window."""


class Compared(NamedTuple):
    """The differences of a block before they are sieved."""

    difference: np.ndarray
    """(h, w) uint8 `Change`"""
    before: np.ndarray
    """(h, w) uint8 flags of the earlier map"""
    after: np.ndarray
    """(h, w) uint8 flags of the later map, brought onto the earlier imagery"""
    moved: Displacement
    """The largest displacement of its sources"""
    reason: str
    """Why it was not compared; empty if it was"""


@dataclass(frozen=True)
class Comparison:
    """Two editions and the rules for what counts as a change."""

    before: Edition
    after: Edition
    rules: ChangeRules

    @property
    def grid(self) -> BlockGrid:
        """The lattice of both."""
        return self.before.cube.grid

    def narrowed(self, blocks: BlockList) -> Comparison:
        """The same for some blocks alone, with those around them, which is small to send."""
        near = blocks.grown()
        return replace(self, before=self.before.narrowed(near), after=self.after.narrowed(near))

    def of(self, block: BlockIndex, part: PixelWindow | None = None, remapped: Read | None = None) -> Compared:
        """Compare a block.

        Parameters
        ----------
        part : the pixels that are wanted; None is the whole block, over which displacements are always measured
        remapped : reads what the later model says of the earlier imagery. Its differences from the later map are then
            those of the ground alone.
        """
        window = self.grid.window(block)
        part = part or window
        missing = self._missing(block)
        if missing:
            nothing = np.full((part.height, part.width), Change.NEVER_COMPARED, np.uint8)
            return Compared(nothing, nothing, nothing, NOT_MEASURED, missing)
        displaced = self.displacements(block)
        moved = max(displaced.values(), key=lambda d: d.metres(window, self.grid), default=NOT_MEASURED)
        earlier = self.before.seen(block, part, {})
        too_far = moved.metres(window, self.grid) > self.rules.max_shift_m
        moves: dict[str, Move] = {} if too_far else {source: d.whole_px for source, d in displaced.items()}
        later = self.after.seen(block, part, moves)
        if too_far:
            reason = (
                f"its imagery lies {moved.metres(window, self.grid):.0f} m from that of the earlier edition, more than "
                f"{self.rules.max_shift_m:g} m"
            )
            unknown = np.full(earlier.flags.shape, Change.UNKNOWN, np.uint8)
            return Compared(unknown, earlier.flags, later.flags, moved, reason)
        ground = earlier if remapped is None else remapped(part)
        return Compared(
            differences(ground, later, self.rules.margin, self.rules.weak_margin), earlier.flags, later.flags, moved, ""
        )

    def displacements(self, block: BlockIndex) -> dict[str, Displacement]:
        """How far the later imagery lies from the earlier one, for each source that the later map takes in a block.

        A source is compared with itself where the earlier map takes it, too, else with the first that it takes. Where a
        map takes no source there is nothing to compare.
        """
        earlier = self.before.taken.of(block) or ()
        if not earlier:
            return {}
        found = {}
        for source in self.after.taken.of(block) or ():
            first = self.before.imagery(block, source if source in earlier else earlier[0])
            then = self.after.imagery(block, source)
            found[source] = displacement(first.rgb, first.valid, then.rgb, then.valid)
        return found

    def _missing(self, block: BlockIndex) -> str:
        if block not in self.before.finished:
            return NOT_FINISHED_BEFORE
        return "" if block in self.after.finished else NOT_FINISHED_AFTER


def sieved_block(
    read: Callable[[PixelWindow], np.ndarray], inner: PixelWindow, grid: BlockGrid, rules: ChangeRules
) -> Sieved:
    """The changes of a window from what reads the differences of a window around it, (h, w) uint8 `Change`."""
    place = inner.grown(rules.margins(inner, grid).total)
    return sieved(read(place), place, inner, grid, rules)
