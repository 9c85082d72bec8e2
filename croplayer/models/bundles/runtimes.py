"""Runtimes that compute the forward passes of a network, and kinds of devices. A map depends on both."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stores.extras import how_to_install

TORCH, TORCH_BF16, OPENVINO, OPENVINO_BF16 = "torch", "torch-bf16", "openvino", "openvino-bf16"
RUNTIMES = (TORCH, TORCH_BF16, OPENVINO, OPENVINO_BF16)
CPU, CUDA = "cpu", "cuda"
DEVICES = (CPU, CUDA)
OF_TORCH = {TORCH: "float32", TORCH_BF16: "bfloat16"}
"""Runtimes of torch, and the precision of the matrix products and convolutions of each (`networks.precision`)."""


def has_cuda() -> bool:
    """Whether this machine has a CUDA device that the installed torch can use; torch is not imported for this."""
    try:
        is_cpu_build = version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False
    return not is_cpu_build and any(Path("/dev").glob("nvidia[0-9]*"))


def cpu_runtimes() -> tuple[str, ...]:
    """The runtimes that can compute on this machine's CPU: torch, and those of OpenVINO where it is installed.

    That of bfloat16 is among them where the CPU computes in it (AMX or AVX-512 BF16 of x86).
    """
    try:
        import openvino
    except ImportError:
        return (TORCH,)
    has_bf16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return (TORCH, OPENVINO, *([OPENVINO_BF16] if has_bf16 else []))


def device_and_precision(device: str, runtime: str = TORCH) -> str:
    """A kind of device with the precision that a runtime of torch uses on it, such as "cuda float32".

    Raises ValueError for a device other than CPU and CUDA.
    """
    if device not in DEVICES:
        raise ValueError(f"device is '{device}'; expected one of {', '.join(DEVICES)}")
    return f"{device} {OF_TORCH[runtime]}"


def check_runtime(runtime: str, device: str) -> None:
    """Raise ValueError if a runtime is not installed or this machine, which starts a run, cannot tell where it would run.

    Parameters
    ----------
    device : "cpu", "cuda" or "auto", which is CUDA where this machine has it
    """
    runtime_version(runtime)
    if runtime == TORCH_BF16 and device != CUDA and not (device == "auto" and has_cuda()):
        raise ValueError(
            f"the runtime {runtime} computes on CUDA devices only, and this machine has none; use runtime '{TORCH}', or say "
            f"device = '{CUDA}' if the workers have one"
        )


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
