"""The end of the workers of a run's own cluster, which are threads of the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from croplayer.workers.isolated import end_process

if TYPE_CHECKING:
    from distributed import Worker


async def dask_teardown(worker: Worker) -> None:
    """End the process of a worker's blocks; Dask calls this when it closes a worker with this module as its preload."""
    await asyncio.get_running_loop().run_in_executor(worker.executors["default"], end_process)
