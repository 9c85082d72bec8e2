"""Existing land-cover maps as per cent of cropland on the lattice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from croplayer.products.codes import CodePart, CodeSource, Mesh, on_pixels
from stores.durable import digest_text
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow
from stores.legends import NO_IMAGERY

UNKNOWN = 255
"""Per cent of a pixel about which the product says nothing."""
NO_CODE = -1
"""Class code of a pixel about which the product says nothing, or of a map in per cent."""


class ProductWindow(NamedTuple):
    """A product under a window of the lattice, at its own resolution."""

    percent: np.ndarray
    """(H, W) uint8, per cent of cropland, 0 to 100; 255 where the product says nothing."""
    index_y: np.ndarray
    """(h,) int64, the product's row under each row of the window."""
    index_x: np.ndarray
    """(w,) int64, the product's column under each column of the window."""

    def on_pixels(self) -> np.ndarray:
        """Per cent of cropland at every pixel of the window: (h, w) uint8, 255 where nothing is known."""
        return on_pixels(self.percent, self.index_y, self.index_x)

    def is_known(self) -> np.ndarray:
        """Where the product says something, at its own resolution: (H, W) bool."""
        return self.percent != UNKNOWN

    def has_data(self) -> bool:
        """Whether the product says something anywhere."""
        # Of most products the first pixel tells.
        return bool((self.percent.size and self.percent[0, 0] != UNKNOWN) or (self.percent != UNKNOWN).any())

    def is_crop(self) -> np.ndarray:
        """Where more than half of a pixel is cropland, at the product's own resolution: (H, W) bool."""
        # Values of one byte wrap, so that one comparison tells 51 to 100 from all others.
        return (self.percent - np.uint8(51)) < np.uint8(50)

    def flags(self) -> np.ndarray:
        """Cropland by majority at every pixel of the window: (h, w) uint8, 0, 1, or 254 where nothing is known."""
        flags = np.where(self.is_known(), self.is_crop(), np.uint8(NO_IMAGERY))
        return on_pixels(flags, self.index_y, self.index_x)


@dataclass(frozen=True)
class Product:
    """A map whose pixels are classes, some of them cropland, or per cent of cropland."""

    name: str
    source: CodeSource
    crop_codes: tuple[int, ...] = ()
    """Class codes that are cropland; empty for a map of per cent."""
    known_codes: tuple[int, ...] = ()
    """All codes of the legend; a pixel with another code is an error. Empty: not checked."""
    nodata: tuple[int, ...] = ()
    """Codes without information. So is the one that a file declares, unless ``crop_codes`` or ``known_codes`` has it."""

    @property
    def is_percent(self) -> bool:
        """Whether a pixel is a per cent of cropland instead of a class."""
        return not self.crop_codes

    def read(self, window: PixelWindow, grid: BlockGrid) -> ProductWindow:
        """The product under a window of the lattice; every pixel takes the product pixel that holds its centre.

        Where several files know a pixel the first counts.

        Raises
        ------
        ValueError
            for a code outside the legend or a per cent above 100, with its file
        """
        parts = [(part, self._percent(part)) for part in self.source.parts(window, grid)]
        if len(parts) == 1 and not isinstance(parts[0][0].under, Mesh):
            ((part, percent),) = parts
            return ProductWindow(percent, *part.under)
        known = [part.on_pixels(percent, UNKNOWN) for part, percent in parts if (percent != UNKNOWN).any()]
        if not known:
            nowhere = np.zeros(window.height, np.int64), np.zeros(window.width, np.int64)
            return ProductWindow(np.full((1, 1), UNKNOWN, np.uint8), *nowhere)
        out = known[0]
        for other in known[1:]:
            np.copyto(out, other, where=out == UNKNOWN)
        return ProductWindow(out, np.arange(window.height), np.arange(window.width))

    def codes(self, window: PixelWindow, grid: BlockGrid, is_known: np.ndarray) -> np.ndarray:
        """The class code of every pixel of a window: (h, w) int64, NO_CODE for a map in per cent.

        Parameters
        ----------
        is_known : (h, w) bool, where `read` knows the pixel; the others get NO_CODE
        """
        codes = np.full(is_known.shape, NO_CODE, np.int64)
        for part in () if self.is_percent else self.source.parts(window, grid):
            found = part.on_pixels(part.codes.astype(np.int64), NO_CODE)
            codes = np.where((codes == NO_CODE) & is_known, found, codes)
        return codes

    def _percent(self, part: CodePart) -> np.ndarray:
        """(H, W) uint8, per cent of cropland at the pixels of a part; 255 where it says nothing."""
        percent, strange = (self._looked_up if part.codes.dtype == np.uint8 else self._judged)(part)
        strange &= part.reached
        if (code := _under_pixels(part, strange)) is not None:
            if self.is_percent:
                raise ValueError(f"product '{self.name}' holds {code} per cent in {part.file}")
            raise ValueError(
                f"product '{self.name}' holds code {code} in {part.file}, which its legend does not name; "
                "check that the file and the legend are of the same edition"
            )
        percent[~part.reached] = UNKNOWN
        return percent

    def _looked_up(self, part: CodePart) -> tuple[np.ndarray, np.ndarray]:
        """`_judged` of codes of one byte, of which each is judged once."""
        percent, strange = self._judged(part._replace(codes=np.arange(256).astype(np.uint8)))
        return percent.take(part.codes), strange.take(part.codes)

    def _judged(self, part: CodePart) -> tuple[np.ndarray, np.ndarray]:
        """Per cent of cropland of codes, uint8, 255 where they say nothing; and which of them the legend does not name."""
        codes = part.codes
        known = ~np.isin(codes, self.nodata)
        if part.declared is not None and part.declared not in (*self.crop_codes, *self.known_codes):
            known &= codes != part.declared
        if self.is_percent:
            strange = known & (codes > 100)
            return np.where(known & ~strange, codes, UNKNOWN).astype(np.uint8), strange
        strange = known & ~np.isin(codes, self.known_codes) if self.known_codes else np.zeros(codes.shape, bool)
        return np.where(known, np.isin(codes, self.crop_codes) * np.uint8(100), np.uint8(UNKNOWN)), strange

    @property
    def is_remote(self) -> bool:
        """Whether its files come over a network."""
        return self.source.is_remote

    def settings(self) -> str:
        """Text that changes with the legend and the way the files are read; not with their content, names and times."""
        return digest_text(f"product {self.crop_codes} {self.known_codes} {self.nodata} {self.source.settings()}")

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of everything that the codes of a block are read from."""
        return self.source.content_of(block, grid)

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> Sequence[str]:
        """The files, there or not, and the addresses that decide the codes of a block."""
        return self.source.files_of(block, grid)

    def check(self, bounds: Bounds) -> None:
        """Raise when the product is unreadable, has no CRS or does not overlap the region."""
        try:
            self.source.check(bounds)
        except ValueError as error:
            raise ValueError(f"product '{self.name}': {error}") from error


def _under_pixels(part: CodePart, chosen: np.ndarray) -> int | None:
    """Smallest code of the chosen pixels (H, W) of a part that holds the centre of a pixel of the window, if there is one."""
    if not chosen.any():
        return None
    codes = part.on_pixels(part.codes, 0)[part.on_pixels(chosen, False)]
    return int(codes.min()) if codes.size else None
