"""Processes of one machine count themselves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

CODE = (
    "from croplayer.workers.own_number import own_number; import sys;"
    "print(own_number(), own_number(), flush=True); sys.stdin.read()"
)


@contextmanager
def running() -> Iterator[tuple[subprocess.Popen[str], int]]:
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        first, again = map(int, process.stdout.readline().split())
        assert first == again
        yield process, first
        process.kill()


def test_each_process_has_its_own_number_until_it_ends() -> None:
    with running() as (_, first), running() as (second_process, second), running() as (_, third):
        assert first < second < third
        second_process.kill()
        second_process.wait()
        with running() as (_, new):
            assert new == second
