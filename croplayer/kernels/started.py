"""Importing this does what numba does before its first kernel, which takes half a second: for a process that forks others."""

from __future__ import annotations

from typing import Any

from numba.core.registry import cpu_target

_cpu: Any = cpu_target
_cpu.typing_context.refresh()
_cpu.target_context.refresh()
