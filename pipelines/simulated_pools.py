"""Land whose truth is known, cut into windows, for trials of how tasks are chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import rasterio

from croplayer.active.cell_features import CELL_PX, PLAIN, cell_features
from croplayer.active.simulated_labeller import Labeller
from croplayer.active.simulation import Pool, principal
from croplayer.landscape.classes import IS_CROPLAND
from croplayer.landscape.country import Country
from croplayer.landscape.samples import HOME
from croplayer.landscape.sources import SOURCES
from croplayer.landscape.truth import block_truth
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.training.scenes import LabelledScene, LabelledScenes
from stores.grid import BlockGrid, BlockIndex, PixelWindow
from stores.legends import CoverageType

BLOCK_PX, WINDOW_PX = 1280, 256
"""Pixels of about 4 m, and windows of about 1 km."""
STRIDE_PX = 32
SQUARES_PER_DEGREE = 4
"""Squares of land that either judge or can be labelled."""
SCENE_CELLS, COUNTRY_CELLS = 512, 128
"""Cells that are drawn from each window, once."""
LEAST_IMAGERY = 0.5
"""Least share of a window that a source shows."""


@dataclass(frozen=True)
class _Window:
    """A window before its features are made comparable."""

    row: dict[str, object]
    whole: np.ndarray
    """(sources, rows, cols, f) float16, all cells"""
    features: np.ndarray
    """(sources, cells, f) float32"""
    seen: np.ndarray
    truth: np.ndarray
    labels: np.ndarray
    minutes: float


def country_pools(
    network: SegmentationNetwork, labeller: Labeller, seed: int, pool: int, judges: int,
    on_window: Callable[[], object] = lambda: None,
) -> tuple[Pool, Pool]:  # fmt: skip
    """Windows of a synthetic country of its own for each seed, at random places: those to label, and those that judge.

    Squares of a quarter of a degree belong to one of both, so no window is judged beside one that can be labelled. Imagery of a
    block that shows clouds or snow, or has gaps, is left out, as a map leaves it out; the truth tells so in place of a model.
    """
    country, rng = Country(seed), np.random.default_rng([seed, 0])
    lists: dict[bool, list[_Window]] = {False: [], True: []}
    wanted = {False: pool, True: judges}
    for window in _places(rng):
        box = BlockGrid(BLOCK_PX).window_bounds(window)
        square = (int(box.west * SQUARES_PER_DEGREE), int(box.south * SQUARES_PER_DEGREE))
        is_judge = bool(np.random.default_rng([seed, 4, *square]).random() < judges / (pool + judges))
        if len(lists[is_judge]) == wanted[is_judge]:
            continue
        kinds = _coverage(country, window)
        if not any(kind.is_usable for kind in kinds):
            continue
        made = _country_window(country, window, kinds, network, labeller, rng)
        if made is None:
            continue
        lists[is_judge].append(_judging(made) if is_judge else made)
        on_window()
        if all(len(lists[k]) == wanted[k] for k in lists):
            break
    return _pools(lists[False], lists[True])


def scene_pools(
    network: SegmentationNetwork, labeller: Labeller, scenes: LabelledScenes, pixel_m: float, seed: int,
    on_window: Callable[[], object] = lambda: None,
) -> tuple[Pool, Pool]:  # fmt: skip
    """Labelled scenes as windows: four fifths to label, and a fifth that judges, the same for every seed.

    What people drew counts as true; the labeller draws it again with mistakes and takes time for it.
    """
    learn, held = scenes.folds(5, 0)[0]
    made = {}
    for scene in scenes.scenes:
        assert isinstance(scene, LabelledScene)
        number = scenes.names.index(scene.name)
        made[scene.name] = _scene_window(scene, number, network, labeller, pixel_m, seed)
        on_window()
    return _pools([made[name] for name in learn.names], [_judging(made[name]) for name in held.names])


def _places(rng: np.random.Generator) -> Iterator[PixelWindow]:
    """Windows of the lattice at random places of the country, each once."""
    corner = BlockGrid(BLOCK_PX).window(BlockIndex(round((90 - HOME.north) / 0.05), round((HOME.west + 180) / 0.05)))
    rows = round((HOME.north - HOME.south) / 0.05) * BLOCK_PX // WINDOW_PX
    cols = round((HOME.east - HOME.west) / 0.05) * BLOCK_PX // WINDOW_PX
    for place in rng.permutation(rows * cols):
        i, j = divmod(int(place), cols)
        yield PixelWindow(corner.row + i * WINDOW_PX, corner.col + j * WINDOW_PX, WINDOW_PX, WINDOW_PX)


def _coverage(country: Country, window: PixelWindow) -> list[CoverageType]:
    """What each source shows of the block of a window."""
    block = BlockIndex(window.row // BLOCK_PX, window.col // BLOCK_PX)
    return [block_truth(country, source, block, per_degree=360).coverage_type for source in SOURCES]


def _country_window(
    country: Country, window: PixelWindow, kinds: Sequence[CoverageType], network: SegmentationNetwork,
    labeller: Labeller, rng: np.random.Generator,
) -> _Window | None:  # fmt: skip
    grid = BlockGrid(BLOCK_PX)
    lon, lat = grid.longitudes(window.col, window.width), grid.latitudes(window.row, window.height)
    shown = [
        country.has_imagery(source, lon, lat) & kind.is_usable for source, kind in zip(SOURCES, kinds, strict=True)
    ]
    if max(valid.mean() for valid in shown) < LEAST_IMAGERY:
        return None
    nodes = country.nodes(lon, lat, per_degree=1200)
    survey = country.survey(lon, lat, nodes=nodes)
    fields = np.where(IS_CROPLAND[survey.cover] == 1, survey.parcel, 0)
    box = grid.window_bounds(window)
    row = {
        "id": f"{window.row}-{window.col}",
        "window": window,
        "unit": f"{int(box.west)}-{int(box.south)}",
        "coverage": next(kind.label for kind in kinds if kind.is_usable),
        "x": box.west,
        "y": box.south,
    }
    pictures = [
        (country.render(source, lon, lat, nodes=nodes)[0], valid) for source, valid in zip(SOURCES, shown, strict=True)
    ]
    return _window(row, pictures, fields, COUNTRY_CELLS, network, labeller, rng)


def _scene_window(
    scene: LabelledScene, number: int, network: SegmentationNetwork, labeller: Labeller, pixel_m: float, seed: int
) -> _Window:
    arrays = scene.read()
    step = max(1, round(pixel_m / scene.gsd_m))
    h, w = (size // step // STRIDE_PX * STRIDE_PX for size in arrays.valid.shape)
    rgb = arrays.rgb[: h * step, : w * step].reshape(h, step, w, step, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    valid, fields = (part[: h * step : step, : w * step : step] for part in (arrays.valid, arrays.parcels))
    with rasterio.open(scene.path) as raster:
        x, y = raster.lnglat()
    # Scenes lie apart, so none is another's neighbour.
    row = {
        "id": scene.name,
        "window": PixelWindow(0, 3 * number, 1, 1),
        "unit": scene.name,
        "coverage": "",
        "x": x,
        "y": y,
    }
    return _window(
        row, [(rgb, valid)], fields, SCENE_CELLS, network, labeller, np.random.default_rng([seed, 0, number])
    )


def _window(
    row: dict[str, object], pictures: list[tuple[np.ndarray, np.ndarray]], fields: np.ndarray, cells: int,
    network: SegmentationNetwork, labeller: Labeller, rng: np.random.Generator,
) -> _Window:  # fmt: skip
    said = labeller.label(fields, rng)
    whole = [cell_features(network, *picture) for picture in pictures]
    drawn = rng.choice(whole[0].shape[0] * whole[0].shape[1], cells, replace=False)
    features = np.array([found.reshape(-1, found.shape[2])[drawn] for found in whole])
    truth, labels = (_cells(mask)[drawn] for mask in (fields > 0, said.cropland))
    known = [found[~np.isnan(found).any(axis=2)] for found in whole]
    colours = np.concatenate([part[:, :6].mean(axis=0) if len(part) else np.full(6, np.nan) for part in known])
    row = {**row, **{f"colour_{k}": float(value) for k, value in enumerate(colours)}}
    width = whole[0].shape[2] - PLAIN
    seen = np.concatenate([part[:, PLAIN:].mean(axis=0) if len(part) else np.full(width, np.nan) for part in known])
    return _Window(row, np.array(whole, np.float16), features, seen.round(3), truth, labels, said.minutes)


def _cells(mask: np.ndarray) -> np.ndarray:
    """Whether at least half of each cell is set: (cells,) bool."""
    h, w = (size // CELL_PX for size in mask.shape)
    return np.asarray(mask.reshape(h, CELL_PX, w, CELL_PX).mean(axis=(1, 3)).ravel() >= 0.5)


def _judging(window: _Window) -> _Window:
    """A window that judges, without the cells that are not drawn: no score is told of it."""
    return replace(window, whole=window.whole[:, :0, :0])


def _pools(learn: list[_Window], held: list[_Window]) -> tuple[Pool, Pool]:
    components = principal(np.array([w.features for w in learn]))
    return _pool(learn, components), _pool(held, components)


def _pool(windows: list[_Window], components: Callable[[np.ndarray], np.ndarray]) -> Pool:
    table = pd.DataFrame([w.row for w in windows])
    for axis in ("x", "y"):
        table[axis] = (table[axis] - table[axis].min()) / max(table[axis].max() - table[axis].min(), 1e-9)
    features, whole = (
        np.array([components(part) for part in parts]) for parts in ([w.features for w in windows], _squares(windows))
    )
    told = {name: np.array([getattr(w, name) for w in windows]) for name in ("truth", "labels", "minutes", "seen")}
    return Pool(table, features, whole=whole, **told)


def _squares(windows: list[_Window]) -> Iterator[np.ndarray]:
    """All cells of each window as squares of one size (sources, edge, edge, f), NaN beyond a smaller window."""
    edge = max(max(w.whole.shape[1:3]) for w in windows)
    for window in windows:
        rows, cols = window.whole.shape[1:3]
        gaps = ((0, 0), (0, edge - rows), (0, edge - cols), (0, 0))
        yield np.pad(window.whole, gaps, constant_values=np.nan)
