"""The painted run as a program: ``python -m soak.painted_run OUT BLOCKS [SCHEDULER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines import stopping
from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.lease import clear_partial
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.recipe import Cluster
from soak.painted import steps_of
from stores.run_folder import RunFolder


def main(out: str, count: str, scheduler: str | None = None) -> int:
    stopping.install()
    stopping.begin()
    folder = RunFolder(Path(out))
    folder.root.mkdir(parents=True, exist_ok=True)
    folder.recipe.touch()
    clear_partial(folder)
    with Workers(Cluster(workers=2, wait_s=60), scheduler) as workers:
        failed = [
            record
            for step in steps_of(folder, int(count))
            for record in run_step(step, StepLedgers(folder), workers).failed
        ]
    for record in failed:
        print(record.block.name, record.reason, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
