"""What workers of a run's own cluster print."""

from __future__ import annotations

import subprocess
import sys

LOGS = """
import logging
import distributed
from distributed.comm.core import CommClosedError
from croplayer.workers.embedded_worker import dask_setup

dask_setup(None)
logger = logging.getLogger("distributed.worker")
for error in (CommClosedError("Stream is closed"), ValueError("a block's number")):
    try:
        raise error
    except Exception:
        logger.exception("Failed at %s", type(error).__name__)
"""


def test_a_connection_that_ended_prints_nothing_and_every_other_error_does() -> None:
    said = subprocess.run([sys.executable, "-c", LOGS], capture_output=True, text=True, check=True).stderr
    assert "Failed at ValueError" in said and "a block's number" in said
    assert "CommClosedError" not in said
