"""Limits on the configuration of a network, checked before anything of it is built.

A configuration of a few bytes can ask for more memory than any machine has. Numbers and lists are bounded first; then the
network is laid out without memory and compared with the weights that are really there.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from croplayer.models.networks.plain import network_of

LARGEST_CONFIG_BYTES = 2**20
LARGEST_NUMBER = 65_536
"""Largest whole number in a configuration: a width, a window, a side in pixels."""
MOST_LAYERS = 512
"""Largest number of layers that one key asks for."""
MOST_CLASSES = 1024
MOST_VALUES = 16_384
"""Largest number of values in a configuration, and of characters in a text of it."""
DEEPEST = 6
"""Largest depth to which parts of a configuration lie in each other."""
_LAYERS = re.compile(r"depth|layers|blocks", re.IGNORECASE)


def parsed_json(data: bytes, origin: str) -> dict[str, Any]:
    """A small JSON file of keys and values; raises ValueError, naming the file, for another one."""
    if len(data) > LARGEST_CONFIG_BYTES:
        raise ValueError(f"{origin} has {len(data):,} bytes; expected at most {LARGEST_CONFIG_BYTES:,}")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{origin} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{origin} is not a list of keys and values")
    return values


def check_config(values: Mapping[str, Any], origin: str) -> None:
    """Raise ValueError for a configuration that asks for more than any network here has."""
    count = 0
    for key, value in _leaves(values, "", origin):
        count += 1
        if count > MOST_VALUES:
            raise ValueError(f"{origin} has more than {MOST_VALUES:,} values; it is no configuration of a network")
        if isinstance(value, str) and len(value) > MOST_VALUES:
            raise ValueError(f"{origin} field '{key}' has {len(value):,} characters; expected at most {MOST_VALUES:,}")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if not math.isfinite(value) or abs(value) > LARGEST_NUMBER:
            raise ValueError(f"{origin} field '{key}' is {value:.6g}; expected at most {LARGEST_NUMBER:,}")
        if key.endswith("num_labels") and value > MOST_CLASSES:
            raise ValueError(f"{origin} field '{key}' is {value}; expected at most {MOST_CLASSES:,} classes")
    _check_layers(values, "", origin)


def check_layout(
    architecture: str, values: Mapping[str, Any], weights: Mapping[str, torch.Tensor], origin: str, exact: bool
) -> None:
    """Raise ValueError if a configuration describes another network than the weights are of. Takes no memory for weights.

    Parameters
    ----------
    values : the configuration, which has passed `check_config`
    weights : the weights that are there
    exact : whether every weight must be there under its name in its shape; otherwise only about as many as described
    """
    try:
        planned = _laid_out(architecture, values).state_dict()
    except Exception as error:  # a configuration can be wrong in any way that the library does not check
        raise ValueError(f"{origin}: its configuration describes no {architecture}: {_first_line(error)}") from error
    if exact:
        for name, tensor in planned.items():
            found = weights[name].shape if name in weights else None
            if found != tensor.shape:
                there = "lacks it" if found is None else f"has it as {tuple(found)}"
                raise ValueError(
                    f"{origin} does not fit its configuration: that needs '{name}' of {tuple(tensor.shape)}, the file {there}"
                )
        return
    asked, given = (sum(t.numel() for t in state.values()) for state in (planned, weights))
    if asked > 2 * given:
        raise ValueError(f"{origin}: its configuration describes {asked:,} weights, its files have {given:,}")


def _laid_out(architecture: str, values: Mapping[str, Any]) -> torch.nn.Module:
    """A network without memory for its weights."""
    with torch.device("meta"):
        return network_of(architecture, values)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _leaves(value: Any, key: str, origin: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        raise ValueError(
            f"{origin} field '{key}' lies more than {DEEPEST} levels deep; it is no configuration of a network"
        )
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _leaves(part, f"{key}.{name}".lstrip("."), origin, depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, key, origin, depth + 1)
    else:
        yield key, value


def _check_layers(values: Mapping[str, Any], key: str, origin: str) -> None:
    for name, value in values.items():
        path = f"{key}.{name}".lstrip(".")
        if isinstance(value, Mapping):
            _check_layers(value, path, origin)
            continue
        numbers = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, int)]
        if _LAYERS.search(name) and max(sum(abs(v) for v in numbers), len(numbers)) > MOST_LAYERS:
            raise ValueError(f"{origin} field '{path}' asks for more than {MOST_LAYERS} layers: {str(value)[:60]}")
        if isinstance(value, list) and len(value) > MOST_CLASSES:
            raise ValueError(f"{origin} field '{path}' has {len(value):,} values; expected at most {MOST_CLASSES:,}")
