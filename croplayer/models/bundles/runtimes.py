"""Runtimes that compute the forward passes of a network, and kinds of devices. A map depends on both."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stores.extras import how_to_install

TORCH, OPENVINO, OPENVINO_BF16 = "torch", "openvino", "openvino-bf16"
RUNTIMES = (TORCH, OPENVINO, OPENVINO_BF16)
CPU, CUDA = "cpu", "cuda"
PRECISIONS = {CPU: "float32", CUDA: "bfloat16"}
"""Precision of the matrix products and convolutions of torch on each kind of device (``inference.mixed_precision``)."""


def has_cuda() -> bool:
    """Whether this machine has a CUDA device that the installed torch can use; torch is not imported for this."""
    try:
        is_cpu_build = version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False
    return not is_cpu_build and any(Path("/dev").glob("nvidia[0-9]*"))


def device_and_precision(device: str) -> str:
    """A kind of device with the precision that torch uses on it, such as "cuda bfloat16".

    Raises ValueError for a device other than CPU and CUDA.
    """
    if device not in PRECISIONS:
        raise ValueError(f"device is '{device}'; expected one of {', '.join(PRECISIONS)}")
    return f"{device} {PRECISIONS[device]}"


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
        raise ValueError(f"the runtime {runtime} is not installed; {how_to_install(package)}") from error
