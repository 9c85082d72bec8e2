"""Set-up of the workers of a run's own cluster.

A terminal sends Ctrl-C to all processes of a run. Only the client handles it, by ending its workers; they would
otherwise each print a long traceback.
"""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C; Dask calls this when it starts a worker with this module as its preload."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
