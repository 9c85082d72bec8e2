"""The memory that the processes of a run hold."""

from __future__ import annotations

import contextlib
import subprocess
import time

import psutil

LOOK_EVERY_S = 0.2


def peak_memory_mb(run: subprocess.Popen[bytes]) -> dict[str, float]:
    """Most memory held by the client, by a Dask worker and by a process that works on blocks, until a run ends."""
    peaks = {"client": 0.0, "worker": 0.0, "block_process": 0.0}
    while run.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            client = psutil.Process(run.pid)
            for process in (client, *client.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    is_below = "block_process" in " ".join(process.cmdline())
                    role = "client" if process == client else "block_process" if is_below else "worker"
                    peaks[role] = max(peaks[role], process.memory_info().rss / 2**20)
        time.sleep(LOOK_EVERY_S)
    return peaks
