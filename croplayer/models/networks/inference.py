"""From pixels to stored probabilities: cells with their context, in batches of one fixed layout.

A cell is predicted from itself and a halo of its neighbours, so a pixel's probability depends on
nothing but the imagery around it: not on the block's place in a chunk, a region or a run.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from croplayer.kernels.averages import add_weighted
from croplayer.kernels.levels import level_values
from croplayer.models.networks.cell_memory import CellMemory
from croplayer.models.networks.cells import STRIDE_PX, blended_halo_px, cells_at_once
from croplayer.models.networks.cuda_cells import predict_on_device
from croplayer.models.networks.folding import prepared
from croplayer.models.networks.layers import Layered, layer_count, layer_logits
from croplayer.models.networks.layout import CellLayout, Place
from croplayer.models.networks.precision import computing_in
from stores.legends import NO_IMAGERY, PROBABILITY_SCALE

_NOT_FINITE = "the segmentation network returned NaN or infinite logits; its weights are damaged"

DEFAULT_CELL_PX = 512
DEFAULT_HALO_PX = 64
CPU_BATCH_CELLS = 3
"""Cells of a block that a CPU computes at once where nothing else is said: more are not faster, and the last batch is filled up."""


CellFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(n, h, w, 3) uint8 pixels and (n, h, w) bool, where there is imagery, to (n, layers, h, w) float32 probabilities."""


class CellNetwork(Layered, Protocol):
    """What inference asks of a network; `SegmentationNetwork` is one."""

    @property
    def compiled(self) -> CellFunction | None:
        """What computes cells instead of torch; None is torch."""

    @property
    def gsd_m(self) -> tuple[float, float] | None:
        """Range of ground sample distances that it knows, in metres; None when unknown."""

    @property
    def device(self) -> torch.device:
        """Where torch computes."""

    @property
    def precision(self) -> str:
        """What torch computes in: "float32" or "bfloat16"."""

    def normalise(self, rgb: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) float32 from (n, h, w, 3) uint8 pixels and (n, h, w) bool: each value from its level and band alone."""


def predict_block(
    model: CellNetwork,
    rgb: np.ndarray,
    valid: np.ndarray,
    *,
    cell_px: int = DEFAULT_CELL_PX,
    halo_px: int = DEFAULT_HALO_PX,
    batch_cells: int | None = None,
    blend_px: int = 0,
    memory: CellMemory | None = None,
) -> np.ndarray:
    """Probability of cropland of one block, cell by cell.

    With ``blend_px`` the cells are moved by half a cell, so that they lie across the block's edges, and
    neighbouring cells fade into each other: no border shows, neither inside the block nor between
    blocks. Both blocks at an edge predict the cells there from the same pixels, so they fit.

    Parameters
    ----------
    rgb : (h + 2 halo_px, w + 2 halo_px, 3) uint8, the block with its halo
    valid : (h + 2 halo_px, w + 2 halo_px) bool, where there is imagery
    cell_px : edge of a cell; divides h and w
    halo_px : context around the block; with blending at least ``blended_halo_px(cell_px, blend_px)``
    batch_cells : cells the network sees at once; the last batch is filled up, so every forward pass has the same shape.
        None is ``CPU_BATCH_CELLS`` on a CPU and ``CUDA_BATCH_CELLS`` on CUDA, where the last bits of the result depend on it
    blend_px : reach of the fade on each side of a border between cells; 0 cuts at the border
    memory : cells that this network predicted before; those of the block are added. CUDA, which predicts a cell sooner
        than its pixels are compared, leaves it alone

    Returns
    -------
    (h, w) uint8, 0..250 = probability 0..1, 254 where there is no imagery. A cell without any
    valid pixel is not sent to the network.

    Raises
    ------
    ValueError for shapes that do not fit, or when the network returns NaN or infinity.
    """
    return predict_layers(
        model, rgb, valid, cell_px=cell_px, halo_px=halo_px, batch_cells=batch_cells, blend_px=blend_px, memory=memory
    )[0]


def predict_layers(
    model: CellNetwork,
    rgb: np.ndarray,
    valid: np.ndarray,
    *,
    cell_px: int = DEFAULT_CELL_PX,
    halo_px: int = DEFAULT_HALO_PX,
    batch_cells: int | None = None,
    blend_px: int = 0,
    memory: CellMemory | None = None,
) -> np.ndarray:
    """All that a network tells of one block: arguments and errors are those of ``predict_block``.

    Returns
    -------
    (layers, h, w) uint8, each as ``predict_block`` returns it: cropland, and where the network tells boundaries the
    probability that the boundary of a field is near
    """
    batch_cells = cells_at_once(model.device.type, on_cpu=CPU_BATCH_CELLS) if batch_cells is None else batch_cells
    h, w = _block_shape(rgb, valid, cell_px, halo_px, batch_cells)
    if not blend_px:
        layout = CellLayout(range(0, h, cell_px), range(0, w, cell_px), cell_px, halo_px, halo_px, 0)
        return _predict_layout(model, rgb, valid, layout, batch_cells, memory)
    if halo_px < blended_halo_px(cell_px, blend_px) or 2 * blend_px > cell_px or cell_px % 2:
        raise ValueError(
            f"{halo_px=} and {blend_px=} do not fit {cell_px=}; expected an even cell, a fade of at most half "
            f"of it and a halo of at least {blended_halo_px(cell_px, blend_px)} px"
        )
    half = cell_px // 2
    layout = CellLayout(range(-half, h, cell_px), range(-half, w, cell_px), cell_px, halo_px, blend_px, blend_px)
    return _predict_layout(model, rgb, valid, layout, batch_cells, memory)


def _predict_layout(
    model: CellNetwork,
    rgb: np.ndarray,
    valid: np.ndarray,
    layout: CellLayout,
    batch_cells: int,
    memory: CellMemory | None = None,
) -> np.ndarray:
    model = model if model.compiled is not None else prepared(model)
    if model.compiled is None and model.device.type == "cuda":
        on_device = predict_on_device(model, rgb, valid, layout, batch_cells)
        if on_device is None:
            raise ValueError(_NOT_FINITE)
        return on_device
    halo_px = layout.halo_px
    h, w = valid.shape[0] - 2 * halo_px, valid.shape[1] - 2 * halo_px
    inner = valid[halo_px : halo_px + h, halo_px : halo_px + w]
    rows, cols = layout.shares(layout.tops, h), layout.shares(layout.lefts, w)
    # A cell that gives to no pixel with imagery is left out; what it would give is masked at the end.
    places = layout.places(inner)

    def cell(place: Place) -> tuple[np.ndarray, np.ndarray]:
        area = layout.window(place)
        return rgb[area], valid[area]

    predicted = _predicted(model, places, cell, (batch_cells, layout.side_px), memory)
    means = np.zeros((layer_count(model), h, w), dtype=np.float32)
    for place in places:
        (block_rows, cell_rows, of_rows), (block_cols, cell_cols, of_cols) = rows[place[0]], cols[place[1]]
        at, from_ = (block_rows.start, block_cols.start), (cell_rows.start, cell_cols.start)
        for mean, layer in zip(means, predicted[place], strict=True):
            add_weighted(mean, at, np.ascontiguousarray(layer), from_, of_rows, of_cols)
    stored = np.rint(means, out=means).astype(np.uint8)
    stored[:, ~inner] = NO_IMAGERY
    return stored


def _predicted(
    model: CellNetwork,
    places: list[Place],
    cell: Callable[[Place], tuple[np.ndarray, np.ndarray]],
    batch: tuple[int, int],
    memory: CellMemory | None,
) -> dict[Place, np.ndarray]:
    """Probabilities (layers, side, side) uint8 of cells with their context by place, in batches of (cells, side) of one shape."""
    batch_cells, side = batch
    # Other blocks hold none of the cells inside of a block.
    tops, lefts = ({place[axis] for place in places} for axis in (0, 1))
    at_edge = [(y, x) for y, x in places if y in (min(tops), max(tops)) or x in (min(lefts), max(lefts))]
    digests = {place: memory.digest(*cell(place)) for place in at_edge} if memory else {}
    predicted = {p: found for p, digest in digests.items() if memory and (found := memory.get(digest)) is not None}
    for group in _groups([place for place in places if place not in predicted], batch_cells):
        rgb = np.zeros((batch_cells, side, side, 3), dtype=np.uint8)
        known = np.zeros((batch_cells, side, side), dtype=bool)
        for i, place in enumerate(group):
            pixels, valid = cell(place)
            rgb[i, : len(valid), : valid.shape[1]], known[i, : len(valid), : valid.shape[1]] = pixels, valid
        probability = predict_cells(model, rgb, known)
        for i, place in enumerate(group):
            predicted[place] = probability[i]
            if memory and place in digests:
                memory.add(digests[place], probability[i])
    return predicted


def _block_shape(rgb: np.ndarray, valid: np.ndarray, cell_px: int, halo_px: int, batch_cells: int) -> tuple[int, int]:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}; expected uint8 (h, w, 3)")
    if valid.shape != rgb.shape[:2] or valid.dtype != np.bool_:
        raise ValueError(f"valid is {valid.dtype} {valid.shape}; expected bool {rgb.shape[:2]}")
    if cell_px < 1 or halo_px < 0 or batch_cells < 1:
        raise ValueError(f"{cell_px=}, {halo_px=}, {batch_cells=}; expected at least 1, 0 and 1")
    h, w = rgb.shape[0] - 2 * halo_px, rgb.shape[1] - 2 * halo_px
    if h < 1 or w < 1 or h % cell_px or w % cell_px:
        raise ValueError(f"the block without its halo is {h} x {w} px; expected multiples of {cell_px=}")
    return h, w


def _groups(places: list[Place], size: int) -> Iterator[list[Place]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def predict_cells(model: CellNetwork, rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """One forward pass, of the network as it is, for all layers that it tells.

    (n, h, w, 3) uint8 and (n, h, w) bool to (n, layers, h, w) uint8, 0..250 = 0..1.

    Raises ValueError when the network returns NaN or infinity.
    """
    if model.compiled is not None:
        probability = model.compiled(rgb, valid)
        if not np.isfinite(probability.sum()):
            raise ValueError(_NOT_FINITE)
        return np.rint(probability * np.float32(PROBABILITY_SCALE)).astype(np.uint8)
    with torch.inference_mode(), computing_in(model.precision, model.device):
        logits = layer_logits(model, _normalised(model, rgb, valid))
        # A sum is NaN or infinite when a part of it is, and is much cheaper to look at.
        if not bool(torch.isfinite(logits.sum())):
            raise ValueError(_NOT_FINITE)
        scaled = logits.sigmoid().mul_(PROBABILITY_SCALE).round_().to(torch.uint8)
    result: np.ndarray = scaled.cpu().numpy()
    return result


def _normalised(model: CellNetwork, rgb: np.ndarray, valid: np.ndarray) -> torch.Tensor:
    """What ``model.normalise`` makes of cells; on a CPU each level of a band is normalised once and then looked up."""
    if model.device.type != "cpu":
        return model.normalise(torch.from_numpy(rgb).to(model.device), torch.from_numpy(valid).to(model.device))
    levels = torch.arange(256, dtype=torch.uint8).view(1, 256, 1, 1).expand(1, 256, 1, 3)
    table = model.normalise(levels, torch.ones(1, 256, 1, dtype=torch.bool))[0, :, :, 0].numpy()
    return torch.from_numpy(level_values(rgb, valid, table)).permute(0, 3, 1, 2)


def mixed_precision(device: torch.device, on_cpu: bool = False) -> AbstractContextManager[object]:
    """Training: bfloat16 autocast on CUDA, and on the CPU where asked: it is faster only with bfloat16 instructions."""
    if device.type == "cuda" or on_cpu:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def mask_from_probability(probability: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Cropland flags from stored probabilities.

    Parameters
    ----------
    probability : uint8, 0..250 = 0..1; larger values are flags
    threshold : probability from which a pixel is cropland, in 0..1

    Returns
    -------
    uint8 of the same shape: 1 cropland, 0 not cropland, flags (254, 255) kept
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}; expected a probability between 0 and 1")
    mask = (probability >= np.uint8(math.ceil(threshold * PROBABILITY_SCALE))).astype(np.uint8)
    np.copyto(mask, probability, where=probability > PROBABILITY_SCALE)
    return mask


def predict_image(
    model: CellNetwork,
    rgb: np.ndarray,
    valid: np.ndarray,
    *,
    cell_px: int = DEFAULT_CELL_PX,
    blend_px: int = DEFAULT_HALO_PX,
    batch_cells: int | None = None,
) -> np.ndarray:
    """Probability of cropland of an image of any size; its cells fade into each other.

    Cells and batches shrink to what a small image needs. Beyond the edges there is no imagery.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
    valid : (h, w) bool
    blend_px : reach of the fade on each side of a border between cells
    batch_cells : cells the network sees at once; None is 1 on a CPU and ``CUDA_BATCH_CELLS`` on CUDA

    Returns
    -------
    (h, w) uint8, 0..250 = probability 0..1, 254 where there is no imagery
    """
    h, w = valid.shape
    batch_cells = cells_at_once(model.device.type) if batch_cells is None else batch_cells
    cell_px = min(cell_px, -(-max(h, w) // STRIDE_PX) * STRIDE_PX)
    batch_cells = min(batch_cells, -(-h // cell_px) * -(-w // cell_px))
    around = ((blend_px, blend_px + -h % cell_px), (blend_px, blend_px + -w % cell_px))
    rgb, valid = np.pad(rgb, (*around, (0, 0))), np.pad(valid, around)
    block_h, block_w = _block_shape(rgb, valid, cell_px, blend_px, batch_cells)
    layout = CellLayout(range(0, block_h, cell_px), range(0, block_w, cell_px), cell_px, blend_px, blend_px, blend_px)
    return _predict_layout(model, rgb, valid, layout, batch_cells)[0, :h, :w]


def predict_proba(
    model: CellNetwork,
    rgb: np.ndarray,
    *,
    ground_sample_distance_m: float,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Probability of cropland of an image of any size and any ground sample distance.

    An image finer or coarser than what the network was trained at is resampled to the nearest
    distance in that range, and its probabilities back to the image's own pixels.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
    ground_sample_distance_m : size of a pixel on the ground, metres
    valid : (h, w) bool; None means that there is imagery everywhere

    Returns
    -------
    (h, w) float32 in 0..1 in steps of 1/250; NaN where there is no imagery
    """
    if not ground_sample_distance_m > 0:
        raise ValueError(f"ground_sample_distance_m is {ground_sample_distance_m}; expected metres above 0")
    known = np.ones(rgb.shape[:2], dtype=bool) if valid is None else valid
    low, high = model.gsd_m or (ground_sample_distance_m, ground_sample_distance_m)
    factor = ground_sample_distance_m / min(max(ground_sample_distance_m, low), high)
    if abs(factor - 1) < 0.01:
        stored = predict_image(model, rgb, known)
        return np.where(known, stored / np.float32(PROBABILITY_SCALE), np.float32(np.nan))
    h, w = known.shape
    size = max(round(h * factor), 1), max(round(w * factor), 1)
    covered = _resampled(known[..., None], size)
    mean_rgb = _resampled(rgb * known[..., None], size) / np.maximum(covered, 1e-6)
    small_rgb = np.rint(mean_rgb).clip(0, 255).astype(np.uint8)
    small_known = covered[..., 0] > 1e-6
    stored = predict_image(model, small_rgb, small_known).astype(np.float32)
    share = _resampled(np.where(small_known, stored, 0)[..., None], (h, w))[..., 0]
    weight = _resampled(small_known[..., None], (h, w))[..., 0]
    probability = share / np.maximum(weight, 1e-6) / np.float32(PROBABILITY_SCALE)
    return np.where(known & (weight > 0), probability.clip(0, 1), np.float32(np.nan))


def _resampled(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h, w, c) of any type resampled to a size, averaging where it shrinks: (*size, c) float32."""
    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 0)[None], dtype=np.float32))
    resized = functional.interpolate(planes, size=size, mode="bilinear", antialias=True)
    return np.moveaxis(resized[0].numpy(), 0, -1)
