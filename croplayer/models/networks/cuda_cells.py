"""The cells of a block on a CUDA device: the block goes there whole, and only its probabilities come back.

The host puts the rows of the next batch into pinned memory while the device computes the one before, and waits once a
block. The forward pass of a batch, whose shape is fixed, is recorded as a CUDA graph, because launching its many small
kernels one by one takes longer than running them.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch

from croplayer.models.networks.layers import layer_count, layer_logits
from croplayer.models.networks.layout import CellLayout, Place
from croplayer.models.networks.precision import computing_in
from stores.legends import NO_IMAGERY, PROBABILITY_SCALE

if TYPE_CHECKING:
    from croplayer.models.networks.inference import CellNetwork

_log = logging.getLogger("croplayer")


class _Shape(NamedTuple):
    """What the buffers, and the graph, are made for."""

    block: tuple[int, int]
    """With the halo."""
    layout: CellLayout
    batch_cells: int


def predict_on_device(
    network: CellNetwork, rgb: np.ndarray, valid: np.ndarray, layout: CellLayout, batch_cells: int
) -> np.ndarray | None:
    """All that a network tells of a block whose cells its device predicts and blends.

    Parameters
    ----------
    network : what torch computes, which does not change any more (`folding.prepared`); the buffers and the graph for its
        last block are kept for others of that shape
    rgb, valid : the block with its halo, as ``predict_block`` takes them

    Returns
    -------
    (layers, h, w) uint8, as ``predict_layers`` returns it; None when the network returned NaN or infinity
    """
    device = network.device
    shape = _Shape((valid.shape[0], valid.shape[1]), layout, batch_cells)
    with (
        _one_at_a_time,
        torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext(),
        torch.inference_mode(),
        computing_in(network.precision, device),
    ):
        kept = _kept.get(network)
        if kept is None or kept.shape != shape:
            _kept.pop(network, None)  # its memory is free before the next is taken
            kept = _kept[network] = _BlockOnDevice(network, shape)
        return kept.predict(network, rgb, valid)


class _BlockOnDevice:
    """Buffers on host and device for blocks of one shape, and the forward pass of a batch of their cells.

    It does not hold the network, so that it is forgotten with it.
    """

    def __init__(self, network: CellNetwork, shape: _Shape) -> None:
        self.shape = shape
        device, layout = network.device, shape.layout
        is_cuda = device.type == "cuda"
        h, w = (length - 2 * layout.halo_px for length in shape.block)
        cells = shape.batch_cells, layout.side_px, layout.side_px
        layers = layer_count(network)
        self._host_rgb = torch.empty((*shape.block, 3), dtype=torch.uint8, pin_memory=is_cuda)
        self._host_valid = torch.empty(shape.block, dtype=torch.bool, pin_memory=is_cuda)
        self._host_stored = torch.empty((layers, h, w), dtype=torch.uint8, pin_memory=is_cuda)
        self._host_finite = torch.empty((), dtype=torch.bool, pin_memory=is_cuda)
        self._rgb, self._valid = (torch.empty_like(t, device=device) for t in (self._host_rgb, self._host_valid))
        self._cells = torch.zeros((*cells, 3), dtype=torch.uint8, device=device)
        self._known = torch.zeros(cells, dtype=torch.bool, device=device)
        self._predicted = torch.empty((cells[0], layers, *cells[1:]), dtype=torch.uint8, device=device)
        self._mean = torch.empty((layers, h, w), dtype=torch.float32, device=device)
        self._finite = torch.ones((), dtype=torch.bool, device=device)
        self._rows, self._cols = (
            {start: (at, of, torch.from_numpy(share).to(device)) for start, (at, of, share) in shares.items()}
            for shares in (layout.shares(layout.tops, h), layout.shares(layout.lefts, w))
        )
        self._copying = torch.cuda.Stream(device) if is_cuda else None
        self._graph = recorded(lambda: self._forward(network)) if is_cuda else None

    def predict(self, network: CellNetwork, rgb: np.ndarray, valid: np.ndarray) -> np.ndarray | None:
        """Predict one block: see ``predict_on_device``."""
        layout, batch_cells = self.shape.layout, self.shape.batch_cells
        (h, w), halo = self._mean.shape[1:], layout.halo_px
        inner = slice(halo, halo + h), slice(halo, halo + w)
        places = layout.places(valid[inner])
        self._mean.zero_()
        self._finite.fill_(True)
        copied = 0
        for group in (places[i : i + batch_cells] for i in range(0, len(places), batch_cells)):
            copied = self._copy_rows(rgb, valid, copied, max(layout.window(place)[0].stop for place in group))
            self._cut(group)
            if self._graph is None:
                self._forward(network)
            else:
                self._graph.replay()
            self._blend(group)
        self._copy_rows(rgb, valid, copied, len(valid))
        stored = self._mean.round_().to(torch.uint8).masked_fill_(~self._valid[inner], NO_IMAGERY)
        self._host_stored.copy_(stored, non_blocking=True)
        self._host_finite.copy_(self._finite, non_blocking=True)
        if self._copying is not None:
            torch.cuda.current_stream().synchronize()
        return self._host_stored.numpy().copy() if bool(self._host_finite) else None

    def _copy_rows(self, rgb: np.ndarray, valid: np.ndarray, start: int, stop: int) -> int:
        """Copy the rows of a block that the device lacks; returns where they end."""
        if stop <= start:
            return start
        rows = slice(start, stop)
        np.copyto(self._host_rgb[rows].numpy(), rgb[rows])
        np.copyto(self._host_valid[rows].numpy(), valid[rows])
        with torch.cuda.stream(self._copying) if self._copying is not None else contextlib.nullcontext():
            self._rgb[rows].copy_(self._host_rgb[rows], non_blocking=True)
            self._valid[rows].copy_(self._host_valid[rows], non_blocking=True)
        if self._copying is not None:
            torch.cuda.current_stream().wait_stream(self._copying)
        return stop

    def _cut(self, group: list[Place]) -> None:
        """Cells of a batch from the block; where it is not full, cells of the one before are predicted once more."""
        window = self.shape.layout.window_px
        for i, place in enumerate(group):
            area = self.shape.layout.window(place)
            self._cells[i, :window, :window].copy_(self._rgb[area])
            self._known[i, :window, :window].copy_(self._valid[area])

    def _forward(self, network: CellNetwork) -> None:
        logits = layer_logits(network, network.normalise(self._cells, self._known))
        # A sum is NaN or infinite when a part of it is, and is much cheaper to look at.
        self._finite.logical_and_(logits.sum().isfinite())
        self._predicted.copy_(logits.sigmoid().mul_(PROBABILITY_SCALE).round_())

    def _blend(self, group: list[Place]) -> None:
        """As ``add_weighted``, cell by cell."""
        for i, (top, left) in enumerate(group):
            (rows, cell_rows, of_rows), (cols, cell_cols, of_cols) = self._rows[top], self._cols[left]
            share = self._predicted[i, :, cell_rows, cell_cols] * (of_rows[:, None] * of_cols)
            self._mean[:, rows, cols].add_(share)


_one_at_a_time = Lock()
_kept: WeakKeyDictionary[CellNetwork, _BlockOnDevice] = WeakKeyDictionary()


def recorded(work: Callable[[], None]) -> torch.cuda.CUDAGraph | None:
    """A CUDA graph of work on the current device.

    None for work that cannot be recorded, as work that waits for the device; a line in the log says why.
    """
    work()  # libraries set themselves up in the first call, which a graph must not hold
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            work()
    except RuntimeError as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        _log.warning(
            "cuda: a batch of cells cannot be recorded as a CUDA graph and is launched anew each time: %s", reason
        )
        return None
    return graph
