"""What the workers of a run's own cluster do first.

A terminal sends Ctrl-C to all processes of a run. The client alone answers it: it ends its workers, which would
otherwise say on their own, at length, that they were interrupted.
"""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C to the client; Dask calls this when a worker starts that has this module as its preload."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
