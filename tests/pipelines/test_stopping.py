"""What a process prints once a signal has asked it to stop."""

from __future__ import annotations

import subprocess
import sys

LOGS = """
import logging, os, signal
import distributed
from pipelines import stopping

logging.basicConfig()
stopping.install()
stopping.begin()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    for name in ("distributed.nanny", "distributed.client", "tornado.application", "asyncio", "distributed.new"):
        logging.getLogger(name).error("cut off")
    logging.getLogger("croplayer").error("what was being written")
    stopping.end()
"""


def test_libraries_say_nothing_of_what_a_stop_cuts_off() -> None:
    done = subprocess.run([sys.executable, "-c", LOGS], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr == (
        "ERROR:croplayer:what was being written\ncroplayer: stopped; run the same command again to continue\n"
    )
