"""The contract of an imagery source: a source that breaks it is named, one that obeys it passes."""

from __future__ import annotations

import doctest
import pickle
import sys
import types
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from croplayer.sources import contract
from croplayer.sources.contract import check_source
from croplayer.sources.imagery import Imagery
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow

GRID = BlockGrid(32)
BLOCK = GRID.window(BlockIndex(1118, 5880))
WINDOW = PixelWindow(BLOCK.row - 5, BLOCK.col - 7, 43, 50)


@dataclass(frozen=True)
class PaintedSource:
    """Colours by the place on the lattice; every seventh column is not valid."""

    name: str = "painted"

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        rows = np.arange(window.row, window.row_stop)[:, None, None]
        cols = np.arange(window.col, window.col_stop)[:, None]
        valid = np.broadcast_to((cols % 7 != 0)[:, 0], (window.height, window.width))
        rgb = (rows * 31 + cols * 17 + np.arange(3) * 5) % 256 * valid[..., None]
        return self.change(Imagery(rgb.astype(np.uint8), valid), window)

    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        return imagery

    is_remote = False

    def settings(self) -> str:
        return "painted"

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        return ""

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> list[str]:
        return []

    def check(self, bounds: Bounds) -> None:
        if not bounds.west >= 113:
            raise ValueError(f"source '{self.name}' does not reach west of 113")


class StretchedSource(PaintedSource):
    """The brightest pixel of each window is made white."""

    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        stretched = imagery.rgb * (255 / max(int(imagery.rgb.max()), 1))
        return imagery._replace(rgb=stretched.astype(np.uint8))


class SmoothedSource(PaintedSource):
    """Every pixel is the mean of itself and its eastern neighbour, which the last column lacks."""

    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        beside = np.pad(imagery.rgb, ((0, 0), (0, 1), (0, 0)), "edge")[:, 1:]
        mean = (imagery.rgb.astype(int) + beside) // 2 * imagery.valid[..., None]
        return imagery._replace(rgb=mean.astype(np.uint8))


class NeedyValidity(PaintedSource):
    """A window is valid only as a whole."""

    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        return imagery if window == WINDOW else Imagery(np.zeros_like(imagery.rgb), np.zeros_like(imagery.valid))


class ColouredSource(PaintedSource):
    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        return imagery._replace(valid=imagery.valid & False)


class WideSource(PaintedSource):
    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        return imagery._replace(rgb=imagery.rgb.astype(np.uint16))


class BandsFirstSource(PaintedSource):
    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        return imagery._replace(rgb=imagery.rgb.transpose(2, 0, 1))


class NumberedSource(PaintedSource):
    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        return imagery._replace(valid=imagery.valid.astype(np.uint8))


class ForgetfulSource(PaintedSource):
    def settings(self) -> str:
        return f"object {id(self)}"


class HomesickSource(PaintedSource):
    """A copy in another process has another colour."""

    is_copy = False

    def __reduce__(self) -> Any:
        return _other_colour, ()

    def change(self, imagery: Imagery, window: PixelWindow) -> Imagery:
        return imagery._replace(rgb=imagery.rgb // 2) if self.is_copy else imagery


class HomesickCopy(HomesickSource):
    is_copy = True


def _other_colour() -> HomesickSource:
    return HomesickCopy()


def test_a_source_that_obeys_passes_and_its_imagery_comes_back() -> None:
    imagery = check_source(PaintedSource(), GRID, WINDOW, [BLOCK], n_random=30)
    assert imagery.rgb.shape == (43, 50, 3) and 0.8 < imagery.valid.mean() < 0.9
    check_source(PaintedSource(), GRID, PixelWindow(BLOCK.row, BLOCK.col + 1, 1, 1))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (StretchedSource(), r"source 'painted': .* read alone differs .* in \d+ of \d+ pixels, first in row \d+"),
        (SmoothedSource(), "depend only on its place on the lattice"),
        (NeedyValidity(), "depend only on its place on the lattice"),
        (ColouredSource(), r"\d+ invalid pixels are not black"),
        (WideSource(), "rgb is of uint16; expected uint8"),
        (BandsFirstSource(), r"rgb has the shape \(3, 43, 50\); expected \(43, 50, 3\)"),
        (NumberedSource(), "valid is of uint8; expected bool"),
        (ForgetfulSource(), "the settings of its copy changed from 'object .*' to 'object .*'"),
        (HomesickSource(), "its copy differs at"),
        (PaintedSource(name=""), "has an empty name"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, PaintedSource) else "",
)
def test_a_source_that_breaks_the_contract_is_told_how(source: PaintedSource, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        check_source(source, GRID, WINDOW, copy=pickle.loads(pickle.dumps(source)))


def test_a_check_that_proves_nothing_is_an_error() -> None:
    invalid = PixelWindow(BLOCK.row, -(-BLOCK.col // 7) * 7, 1, 1)
    with pytest.raises(ValueError, match="source 'painted' has no imagery in PixelWindow"):
        check_source(PaintedSource(), GRID, invalid)
    for part in (WINDOW._replace(row=WINDOW.row - 1), BLOCK._replace(width=0)):
        with pytest.raises(ValueError, match=r"part PixelWindow.* is not within"):
            check_source(PaintedSource(), GRID, WINDOW, [part])
    with pytest.raises(ValueError, match="does not reach west of 113"):
        check_source(PaintedSource(), GRID, WINDOW._replace(col=0))


def test_the_example_of_the_check_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (example,) = (found for found in doctest.DocTestFinder().find(contract, globs={}) if found.examples)
    example.globs = vars(module)
    results = doctest.DocTestRunner().run(example, clear_globs=False)
    assert results.attempted >= 5 and not results.failed
