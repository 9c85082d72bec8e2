"""Running the command line as a user does."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared import forked_commands


def croplayer(
    *arguments: object, models: Path, check: bool = True, in_new_python: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run croplayer in a process of its own; with ``check`` it must succeed.

    The process is a fork of one that has imported all packages, which would take most of the time of most commands.
    With ``in_new_python`` it imports them itself.
    """
    environment = {**os.environ, "CROPLAYER_MODELS": str(models), "OMP_WAIT_POLICY": "PASSIVE"}
    given = [str(argument) for argument in arguments]
    if in_new_python:
        command = [sys.executable, "-m", "pipelines", *given]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    else:
        done = _in_fork(given, environment)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def _in_fork(arguments: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    forking = _forking_process()
    assert forking.stdin is not None and forking.stdout is not None
    with tempfile.NamedTemporaryFile("r") as said, tempfile.NamedTemporaryFile("r") as complained:
        command = {
            "arguments": arguments, "environment": dict(environment), "folder": str(Path.cwd()),
            "stdout": said.name, "stderr": complained.name,
        }  # fmt: skip
        forking.stdin.write(json.dumps(command) + "\n")
        forking.stdin.flush()
        code = int(forking.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, said.read(), complained.read())


@functools.cache
def _forking_process() -> subprocess.Popen[str]:
    """The process that has imported all packages; it ends with this one."""
    command = [sys.executable, forked_commands.__file__]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    atexit.register(process.communicate)
    return process
