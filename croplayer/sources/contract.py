"""A check that an imagery source obeys its contract, for tests of your own sources.

A source of one colour, in the module of a test:

>>> from dataclasses import dataclass
>>> import numpy as np
>>> from croplayer.sources.contract import check_source
>>> from croplayer.sources.imagery import Imagery
>>> from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow
>>> @dataclass(frozen=True)
... class GreySource:
...     name: str = "grey"
...
...     def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
...         shape = (window.height, window.width)
...         return Imagery(np.full((*shape, 3), 128, np.uint8), np.ones(shape, bool))
...
...     is_remote: bool = False
...
...     def settings(self) -> str:
...         return "grey 128"
...
...     def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
...         return ""
...
...     def files_of(self, block: BlockIndex, grid: BlockGrid) -> list[str]:
...         return []
...
...     def check(self, bounds: Bounds) -> None:
...         pass
>>> grid = BlockGrid(64)
>>> imagery = check_source(GreySource(), grid, grid.window(BlockIndex(1118, 5880)))
>>> imagery.rgb.shape
(64, 64, 3)
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from croplayer.sources.imagery import Imagery, ImagerySource
from stores.grid import BlockGrid, PixelWindow


def check_source(
    source: ImagerySource,
    grid: BlockGrid,
    window: PixelWindow,
    parts: Iterable[PixelWindow] = (),
    *,
    copy: ImagerySource | None = None,
    n_random: int = 8,
    seed: int = 0,
) -> Imagery:
    """Check that a source obeys the contract of ``ImagerySource``.

    Reads the window, then parts of it, and compares them bit for bit: ``read(w)[inner] == read(inner of w)``.
    The parts are the corner pixels, the halves and random windows. ``source.check`` must accept the window's
    bounds, and what it says of its settings and the content of its files must stay the same. Errors of the source itself are passed on.

    Parameters
    ----------
    source : the source to check
    grid : the lattice
    window : pixels of the lattice in which the source has imagery; best one that crosses the edge of a block, and
        of the source's own files or tiles
    parts : more windows within ``window`` to compare
    copy : the source as a worker gets it, ``pickle.loads(pickle.dumps(source))``; it must return the same pixels and
        the same settings and content
    n_random : number of random parts
    seed : seed of the random parts

    Returns
    -------
    Imagery of the window, for further checks

    Raises
    ------
    AssertionError
        if the source breaks the contract; the message says how
    ValueError
        if the check cannot prove anything: the source has no imagery in the window, or a part is not within it
    """
    parts = [*parts, *_parts(window, n_random, seed)]
    for part in parts:
        _check_within(part, window)
    _require(bool(source.name), "the source has an empty name; expected its name in the cube")
    source.check(grid.window_bounds(window))
    whole = _read(source, grid, window)
    if not whole.valid.any():
        raise ValueError(f"source '{source.name}' has no imagery in {window}; choose a window in which it has")
    for part in parts:
        inner = np.s_[
            part.row - window.row : part.row_stop - window.row, part.col - window.col : part.col_stop - window.col
        ]
        _check_equal(
            source, _read(source, grid, part), whole.rgb[inner], whole.valid[inner],
            f"{part} read alone differs from the same pixels of {window}",
        )  # fmt: skip
    _check_identity(source, copy, grid, window)
    if copy is not None:
        _check_equal(source, _read(copy, grid, window), whole.rgb, whole.valid, f"its copy differs at {window}")
    return whole


def _parts(window: PixelWindow, n_random: int, seed: int) -> list[PixelWindow]:
    """Corner pixels, halves and random parts of a window."""
    row, col, height, width = window
    corners = [PixelWindow(y, x, 1, 1) for y in (row, window.row_stop - 1) for x in (col, window.col_stop - 1)]
    middle_y, middle_x = row + height // 2, col + width // 2
    halves = [
        PixelWindow(row, col, height // 2, width),
        PixelWindow(middle_y, col, window.row_stop - middle_y, width),
        PixelWindow(row, col, height, width // 2),
        PixelWindow(row, middle_x, height, window.col_stop - middle_x),
    ]
    rng = np.random.default_rng(seed)
    random = []
    for _ in range(n_random):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        bottom, right = int(rng.integers(top, height)) + 1, int(rng.integers(left, width)) + 1
        random.append(PixelWindow(row + top, col + left, bottom - top, right - left))
    return [part for part in (*corners, *halves, *random) if part.height and part.width]


def _check_within(part: PixelWindow, window: PixelWindow) -> None:
    is_within = (
        window.row <= part.row < part.row_stop <= window.row_stop
        and window.col <= part.col < part.col_stop <= window.col_stop
    )
    if not is_within:
        raise ValueError(f"part {part} is not within {window}; choose parts of at least one pixel inside of it")


def _read(source: ImagerySource, grid: BlockGrid, window: PixelWindow) -> Imagery:
    """Imagery of a window, checked for shapes, dtypes and black invalid pixels."""
    imagery = source.read(window, grid)
    rgb, valid = imagery.rgb, imagery.valid
    shape = (window.height, window.width)
    where = f"source '{source.name}' at {window}"
    _require(rgb.shape == (*shape, 3), f"{where}: rgb has the shape {rgb.shape}; expected {(*shape, 3)}")
    _require(rgb.dtype == np.uint8, f"{where}: rgb is of {rgb.dtype}; expected uint8")
    _require(valid.shape == shape, f"{where}: valid has the shape {valid.shape}; expected {shape}")
    _require(valid.dtype == np.bool_, f"{where}: valid is of {valid.dtype}; expected bool")
    coloured = int((rgb[~valid] != 0).any(axis=-1).sum())
    _require(not coloured, f"{where}: {coloured} invalid pixels are not black; set rgb to 0 where valid is False")
    return imagery


def _check_equal(source: ImagerySource, found: Imagery, rgb: np.ndarray, valid: np.ndarray, problem: str) -> None:
    """Raise AssertionError, with the first pixel that differs, unless imagery has the expected pixels."""
    different = (found.rgb != rgb).any(axis=-1) | (found.valid != valid)
    if different.any():
        row, col = np.argwhere(different)[0].tolist()
        raise AssertionError(
            f"source '{source.name}': {problem} in {int(different.sum())} of {different.size} pixels, first in row {row}, "
            f"column {col}; a pixel must depend only on its place on the lattice"
        )


def _check_identity(source: ImagerySource, copy: ImagerySource | None, grid: BlockGrid, window: PixelWindow) -> None:
    """Raise AssertionError unless a source and its copy tell the same settings and content each time."""
    block = next(grid.blocks_under(window))
    first = source.settings(), source.content_of(block, grid)
    for name, other in (("", source), (" of its copy", copy or source)):
        again = other.settings(), other.content_of(block, grid)
        for what, old, new in zip(("settings", "digests of the content"), first, again, strict=True):
            _require(
                new == old,
                f"source '{source.name}': the {what}{name} changed from {old!r} to {new!r}; "
                "they must change only when the imagery changes",
            )


def _require(holds: bool, message: str) -> None:
    """Raise AssertionError unless a condition holds, also where Python runs with -O."""
    if not holds:
        raise AssertionError(message)
