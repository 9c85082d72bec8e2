"""The state of a training run between two steps, kept as safetensors so that it reads back without pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from croplayer.durable import write_durable


def save_checkpoint(
    path: Path,
    step: int,
    history: list[dict[str, float]],
    model: torch.nn.Module,
    average: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write weights, their running average, the optimizer's moments and the loss curve after ``step`` steps."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average/{name}": tensor for name, tensor in average.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": torch.as_tensor(value) for name, value in moments.items()}
    contiguous = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    metadata = {"step": str(step), "history": json.dumps(history)}
    write_durable(path, safetensors.torch.save(contiguous, metadata=metadata))


def load_checkpoint(
    path: Path, model: torch.nn.Module, average: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> tuple[int, list[dict[str, float]]]:
    """Fill model, average and optimizer; the number of steps done and the loss curve so far."""
    with safetensors.safe_open(path, framework="pt") as stored:
        metadata = stored.metadata()
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    model.load_state_dict(_part(tensors, "model/"), strict=True)
    for name, tensor in _part(tensors, "average/").items():
        average[name].copy_(tensor)
    state: dict[int, dict[str, torch.Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for key, tensor in _part(tensors, "optimizer/").items():
        index, name = key.split("/", 1)
        like = parameters[int(index)].detach()
        state.setdefault(int(index), {})[name] = tensor if tensor.ndim == 0 else torch.empty_like(like).copy_(tensor)
    whole: dict[str, Any] = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)
    return int(metadata["step"]), json.loads(metadata["history"])


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
