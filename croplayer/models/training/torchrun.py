"""Training in several processes started by ``torchrun``; without torchrun, in one process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class TorchrunGroup:
    """The processes that train one model together, as seen by one of them."""

    rank: int = 0
    """Number of this process, from 0."""
    count: int = 1
    """Number of processes."""

    @property
    def leads(self) -> bool:
        """Whether this process writes checkpoints and the bundle."""
        return self.rank == 0

    def average_gradients(self, parameters: list[torch.nn.Parameter]) -> None:
        """Replace the gradients in every process by their mean over all processes, in one exchange."""
        if self.count == 1:
            return
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        parts = flat.split([g.numel() for g in gradients])
        for parameter, gradient, part in zip(parameters, gradients, parts, strict=True):
            parameter.grad = torch.empty_like(gradient).copy_(part.view(gradient.shape))

    def agree(self, value: float, device: torch.device) -> float:
        """The value of the leading process, in all processes."""
        if self.count == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=device)
        distributed.broadcast(shared, 0)
        return float(shared)

    def wait(self) -> None:
        """Return when all processes have called this."""
        if self.count > 1:
            distributed.barrier()


ALONE = TorchrunGroup()
"""The only process of its training."""


@contextmanager
def joined_group() -> Iterator[TorchrunGroup]:
    """The processes that ``torchrun`` started, connected by NCCL on CUDA devices and by gloo on CPUs."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    on_cuda = torch.cuda.is_available()
    if on_cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if on_cuda else "gloo")
    try:
        yield TorchrunGroup(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()
