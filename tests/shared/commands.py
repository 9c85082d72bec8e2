"""Running the command line as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def croplayer(*arguments: object, models: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run croplayer in a process of its own; with ``check`` it must succeed."""
    environment = {**os.environ, "CROPLAYER_MODELS": str(models), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *map(str, arguments)], capture_output=True, text=True, env=environment
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done
