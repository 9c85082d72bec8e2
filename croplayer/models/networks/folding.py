"""Networks in the form that predicts fastest: batch norms folded into convolutions, weights channels-last.

The network itself stays as its bundle holds it, to be trained further or exported; what predicts is a copy.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class _Prepared(NamedTuple):
    made_of: tuple[dict[str, Any], list[tuple[int, int]]]
    """Attributes of the network, and place and version of each of its tensors, when the copy was made."""
    network: nn.Module | None
    """None where the network itself is as good."""


N = TypeVar("N")

_prepared: WeakKeyDictionary[nn.Module, _Prepared] = WeakKeyDictionary()


def prepared(network: N) -> N:
    """A network that gives the same logits, up to rounding, in less time.

    It is a copy, made once and again after weights or attributes of the network have changed; on CUDA, where a graph may
    depend on all of them, also of a network that has no batch norm to fold. A network in training mode, other networks
    without one, and what is no torch module are returned as they are. Hooks that are registered later are not in the copy.
    """
    if not isinstance(network, nn.Module) or network.training:
        return network
    made_of = _made_of(network)
    found = _prepared.get(network)
    if found is None or found.made_of != made_of:
        found = _prepared[network] = _Prepared(made_of, _folded_copy(network))
    return network if found.network is None else cast(N, found.network)


def _made_of(network: nn.Module) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    attributes = {name: value for name, value in vars(network).items() if not name.startswith("_")}
    tensors = [*network.parameters(), *network.buffers()]
    return attributes, [(t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors]


def _folded_copy(network: nn.Module) -> nn.Module | None:
    folded = copy.deepcopy(network).requires_grad_(False)
    if fold_batch_norms(folded) == 0 and all(p.device.type == "cpu" for p in folded.parameters()):
        return None
    return cast(nn.Module, folded.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def fold_batch_norms(network: nn.Module) -> int:
    """Fold each batch norm in evaluation mode that directly follows a convolution in a ``nn.Sequential`` into it.

    The network is changed in place; an identity takes the place of the batch norm. Parts that are used in several places
    or that have hooks are left alone.

    Returns
    -------
    number of batch norms that were folded
    """
    uses = Counter(id(part) for module in network.modules() for part in module._modules.values())
    count = 0
    for module in list(network.modules()):
        if not _is_plain(module):
            continue
        places = list(_places(module, uses))
        for (before, conv_name), (after, norm_name) in pairwise(places):
            conv, norm = before._modules[conv_name], after._modules[norm_name]
            if not (isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)):
                continue
            if norm.training or norm.running_mean is None or not (_is_alone(conv, uses) and _is_alone(norm, uses)):
                continue
            before._modules[conv_name] = fuse_conv_bn_eval(conv, norm)
            after._modules[norm_name] = nn.Identity()
            uses.update(id(part) for part in (before._modules[conv_name], after._modules[norm_name]))
            count += 1
    return count


def _places(sequence: nn.Module, uses: Counter[int]) -> Iterator[tuple[nn.Module, str]]:
    """Each part of a sequence, by its parent and name, in the order they compute; sequences within are entered."""
    for name, part in sequence._modules.items():
        if part is not None and _is_plain(part) and _is_alone(part, uses):
            yield from _places(part, uses)
        else:
            yield sequence, name


def _is_plain(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _is_alone(module: nn.Module, uses: Counter[int]) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    return uses[id(module)] == 1 and not any(hooks)
