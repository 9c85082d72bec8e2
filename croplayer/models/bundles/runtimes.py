"""Runtimes that compute the forward passes of a network. A map depends on the runtime."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

TORCH, OPENVINO, OPENVINO_BF16 = "torch", "openvino", "openvino-bf16"
RUNTIMES = (TORCH, OPENVINO, OPENVINO_BF16)


def runtime_version(runtime: str) -> str:
    """Name and version of a runtime, such as "openvino 2026.4.1"; versions may differ in the last bits of results.

    Raises ValueError for an unknown runtime or one that is not installed.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is '{runtime}'; expected one of {', '.join(RUNTIMES)}")
    package = runtime.split("-")[0]
    try:
        return f"{runtime} {version(package).partition('+')[0]}"
    except PackageNotFoundError as error:
        raise ValueError(f"the runtime {runtime} is not installed; pip install 'croplayer[{package}]'") from error
