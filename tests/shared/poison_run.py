"""One step over poison blocks as a program: ``python -m shared.poison_run OUT BLOCKS SECONDS [SCHEDULER]``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from pipelines import stopping
from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from pipelines.recipe import Cluster
from shared.poison import PoisonTask
from stores.grid import BlockIndex
from stores.run_folder import RunFolder


def poison_step(
    folder: RunFolder, count: int, poison: dict[BlockIndex, str], seconds: float = 0.0, runs_network: bool = False
) -> BlockStep:
    """A step over ``count`` blocks in rows of 50."""
    blocks = [BlockIndex(i // 50, i % 50) for i in range(count)]
    task = PoisonTask(str(folder.cube), poison, seconds)
    return BlockStep("poison", {"poison": "f"}, blocks, lambda group: task, 16, runs_network)


def main(out: str, count: str, seconds: str, scheduler: str | None = None) -> int:
    stopping.install()
    stopping.begin()
    # A shell that starts a program in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = RunFolder(Path(out))
    try:
        with Workers(Cluster(workers=1), scheduler) as workers:
            run_step(poison_step(folder, int(count), {}, float(seconds)), StepLedgers(folder), workers)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
