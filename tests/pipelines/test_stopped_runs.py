"""Runs that are killed or stopped and run again: real processes, real files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from shared.commands import croplayer
from shared.run_files import digests
from soak.damage import UNFINISHED, problems_of
from soak.stops import stop_and_compare

from croplayer.workers.process_name import BLOCK
from pipelines.engine.cluster import Workers
from pipelines.engine.lease import lease
from pipelines.engine.run_log import RunLog
from pipelines.engine.walk import run_rules
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from stores.step_memory import END_OF_RUN, StepEntry, StepMemory


def test_killed_anywhere_and_run_again_gives_the_same_bytes(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "pipelines", "run", str(small_recipe), "-o", str(out), "--workers", "1"]
    environment = {**os.environ, "CROPLAYER_MODELS": str(models), "OMP_WAIT_POLICY": "PASSIVE"}
    for wait, how in ((6.0, signal.SIGKILL), (9.0, signal.SIGTERM), (12.0, signal.SIGKILL)):
        child = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            child.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            if how is signal.SIGKILL:
                os.killpg(child.pid, how)
            else:
                child.send_signal(how)
            child.wait(timeout=60)
        time.sleep(0.2)
        assert all(UNFINISHED.search(sentence) for sentence in problems_of(out))
    croplayer("run", small_recipe, "-o", out, "--workers", 1, models=models)
    assert digests(out) == digests(finished)
    assert not list(out.rglob("*.partial"))
    assert problems_of(out) == []
    assert steps_but_for_times(out) == steps_but_for_times(finished)


def steps_but_for_times(out: Path) -> dict[str, StepEntry]:
    """What a run remembers of its steps, but for their ledgers, which tell how long each block took."""
    entries = StepMemory(out / "ledger/outputs.json", out).entries()
    return {name: replace(entry, ledger=None) for name, entry in entries.items() if name != END_OF_RUN}


def test_ctrl_c_in_a_terminal_stops_a_run_with_a_sentence_and_running_again_goes_on(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    """A terminal sends it to the client, its workers and the processes of the blocks alike."""
    out = tmp_path / "stopped"
    command = [sys.executable, "-m", "pipelines", "run", str(small_recipe), "-o", str(out), "--workers", "1"]
    environment = {**os.environ, "CROPLAYER_MODELS": str(models), "OMP_WAIT_POLICY": "PASSIVE"}
    run = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # Tests that were started in the background ignore it, and their children would.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    until = time.monotonic() + 300
    while not list(out.glob("ledger/assess*")) and run.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    family = psutil.Process(run.pid).children(recursive=True)
    assert [p for p in family if p.name() == BLOCK]
    start = time.monotonic()
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert time.monotonic() - start < 30
    errors = [line for line in said.splitlines(keepends=True) if not line.startswith("warning: ")]
    assert (run.returncode, errors) == (130, ["croplayer: stopped; run the same command again to continue\n"])
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    croplayer("run", small_recipe, "-o", out, "--workers", 1, models=models)
    assert digests(out) == digests(finished)


@pytest.mark.parametrize("stops", [3, pytest.param(100, marks=pytest.mark.soak)])
def test_stopped_at_random_moments_a_run_says_one_sentence_and_loses_nothing(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path, stops: int
) -> None:
    found = stop_and_compare(small_recipe, finished, tmp_path, models, stops, seed=stops)
    assert found.stops.total() >= stops
    assert found.unsaid == [] and found.wrong_codes == []
    assert (found.left_alive, found.damaged, found.differing) == (0, 0, 0)
    assert found.longest_s < 60


def test_a_run_whose_lock_was_removed_writes_nothing_more(
    small_recipe: Path, models: Path, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    recipe = tmp_path / "other.toml"
    text = small_recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("[segmentation]\n", "[segmentation]\nthreshold = 0.52\n"), encoding="utf-8")
    run = Run(load_recipe(recipe, out), out, models)
    with lease(run.output.folder) as held:
        run.output.ledgers.also_check(held.check)
        run.output.folder.lock.unlink()
        before = digests(out)
        with pytest.raises(RuntimeError, match="was removed or replaced while this run held it"):
            run_rules(run.rules, run.output, Workers(run.recipe.cluster), RunLog(), None, lambda *_: None)
    assert digests(out) == before
