"""Stop a run at random moments, as Ctrl-C, ``kill`` and a terminal that closes do, and run again until it is finished."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psutil
from shared.run_files import digests

from soak.damage import UNFINISHED, problems_of

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LONGEST_S = 600.0
STOPPED = re.compile(r"croplayer: stopped; run the same command again to continue\n\Z")
NOISE = re.compile(r"Traceback|Exception ignored|leaked|Error:|WARNING")


class StopCounts(NamedTuple):
    """What came of the stops."""

    stops: Counter[str]
    """Signals that found the run at work, by name."""
    unsaid: list[str]
    """What was said instead of the one sentence, or beside it."""
    wrong_codes: list[int]
    longest_s: float
    """Longest time from a signal to the end of the process."""
    left_alive: int
    """Processes that outlived a stopped run."""
    damaged: int
    """Files that verify called damaged after a stop."""
    differing: int
    """Files of the finished runs that differ from those of a run that was left alone."""


def stop_and_compare(
    recipe: Path, undisturbed: Path, work: Path, models: Path, stops: int, seed: int, longest_wait_s: float = 12.0
) -> StopCounts:
    """Stop runs of a recipe ``stops`` times; a run goes on until it is finished, then the next one begins."""
    rng, made, unsaid, codes = random.Random(seed), Counter[str](), [], []
    longest = 0.0
    left = damaged = differing = rounds = 0
    expected = digests(undisturbed)
    out = work / "round0"
    while True:
        run = _begin(recipe, out, models)
        how = rng.choice(SIGNALS)
        to_group = how is signal.SIGINT and rng.random() < 0.5  # as a terminal does
        family: list[psutil.Process] = []
        wait = rng.uniform(0.0, longest_wait_s) if made.total() < stops else LONGEST_S
        try:
            _, said = run.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            family = psutil.Process(run.pid).children(recursive=True)
            start = time.monotonic()
            os.killpg(run.pid, how) if to_group else run.send_signal(how)
            _, said = run.communicate(timeout=120)
            longest = max(longest, time.monotonic() - start)
        if run.returncode == 0:
            differing += sum(expected.get(n) != d for n, d in digests(out).items()) + len(problems_of(out))
            if made.total() >= stops:
                return StopCounts(made, unsaid, codes, longest, left, damaged, differing)
            rounds += 1
            out = work / f"round{rounds}"
            continue
        made[how.name] += 1
        # Before Python has come to the first line of the command there is nothing that could say something.
        is_unborn = run.returncode == -how and not said and not family
        if not is_unborn and (not STOPPED.search(said) or NOISE.search(said)):
            unsaid.append(f"{how.name} after {wait:.1f} s: {run.returncode} {said!r}")
        if not is_unborn and run.returncode != 130:
            codes.append(run.returncode)
        left += len(psutil.wait_procs(family, timeout=10)[1])
        if out.exists():
            damaged += sum(not UNFINISHED.search(sentence) for sentence in problems_of(out))


def _begin(recipe: Path, out: Path, models: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipelines", "run", str(recipe), "-o", str(out), "--workers", "1"]
    environment = {**os.environ, "CROPLAYER_MODELS": str(models), "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # Tests that were started in the background ignore these signals, and their children would.
        preexec_fn=lambda: [signal.signal(number, signal.SIG_DFL) for number in SIGNALS],
    )  # fmt: skip
