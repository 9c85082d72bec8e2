"""Set-up of the workers of a run's own cluster.

A terminal sends Ctrl-C to all processes of a run. Only the client handles it, by ending its workers; they would
otherwise each print a long traceback. Nor do they print one when their connection to the scheduler ends: it lives in
the client, so the run ends with it, and the client says why.
"""

from __future__ import annotations

import logging
import signal

from distributed.comm.core import CommClosedError


def dask_setup(worker: object) -> None:
    """Ignore Ctrl-C and closed connections; Dask calls this when it starts a worker with this module as its preload."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A filter of a logger does not see what its children log; one of its handlers does.
    for handler in logging.getLogger("distributed").handlers:
        handler.addFilter(_tells_more_than_a_closed_connection)


def _tells_more_than_a_closed_connection(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, CommClosedError)
