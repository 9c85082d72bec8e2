"""A process that has imported all packages and runs each command it is given in a fork of itself.

It reads a command a line, as JSON, and writes the exit code when the command has ended. ``shared.commands`` starts it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("stores", "croplayer", "pipelines")


def import_all() -> None:
    """Import every module, and keep the collector of garbage from writing to the memory that forks share."""
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            if not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    gc.freeze()


def next_command() -> dict[str, Any]:
    """Serve until the input ends; in the fork of each command, return that command."""
    while line := sys.stdin.buffer.readline():
        child = os.fork()
        if not child:
            command: dict[str, Any] = json.loads(line)
            return command
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    sys.exit()


def take_place(command: dict[str, Any]) -> None:
    """Make this process what ``python -m pipelines`` would be in the given folder and environment."""
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    for number, path in enumerate((os.devnull, command["stdout"], command["stderr"])):
        opened = os.open(path, os.O_RDWR)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv[1:] = command["arguments"]


if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)
    import_all()
    take_place(next_command())
    runpy.run_module("pipelines", run_name="__main__", alter_sys=True)
