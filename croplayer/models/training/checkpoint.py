"""The state of a training run between two steps, stored as safetensors so that reading it needs no pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from stores.durable import write_durable


@dataclass(frozen=True)
class Best:
    """The highest IoU on the stopping scenes so far, with its step and weights."""

    iou: float = -1.0
    step: int = 0
    weights: dict[str, torch.Tensor] = field(default_factory=dict)
    """The averaged weights at that step; empty before the first evaluation."""

    def waited(self, step: int, look_every: int) -> int:
        """Number of evaluations since the best one, up to ``step``; there is one every ``look_every`` steps."""
        return (step - self.step) // look_every


def save_checkpoint(
    path: Path,
    step: int,
    history: list[dict[str, float]],
    model: torch.nn.Module,
    average: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    best: Best,
) -> None:
    """Write the weights, their running average, the moments of the optimizer, the curve and the best evaluation so far."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average/{name}": tensor for name, tensor in average.items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.weights.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": torch.as_tensor(value) for name, value in moments.items()}
    contiguous = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    facts = {"step": step, "history": history, "best_iou": best.iou, "best_step": best.step}
    write_durable(path, safetensors.torch.save(contiguous, metadata={"facts": json.dumps(facts)}))


def load_checkpoint(
    path: Path, model: torch.nn.Module, average: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> tuple[int, list[dict[str, float]], Best]:
    """Read a checkpoint into ``model``, ``average`` and ``optimizer``.

    Returns
    -------
    the number of steps done, the curve and the best evaluation so far
    """
    with safetensors.safe_open(path, framework="pt") as stored:
        facts = json.loads(stored.metadata()["facts"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    model.load_state_dict(_part(tensors, "model/"), strict=True)
    for name, tensor in _part(tensors, "average/").items():
        average[name].copy_(tensor)
    best = {n: torch.empty_like(average[n]).copy_(tensor) for n, tensor in _part(tensors, "best/").items()}
    state: dict[int, dict[str, torch.Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, tensor in _part(tensors, "optimizer/").items():
        index, name = key.split("/", 1)
        like = parameters[int(index)].detach()
        state.setdefault(int(index), {})[name] = tensor if tensor.ndim == 0 else torch.empty_like(like).copy_(tensor)
    whole: dict[str, Any] = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
    return int(facts["step"]), facts["history"], Best(facts["best_iou"], facts["best_step"], best)


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
