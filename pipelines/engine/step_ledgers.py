"""Results in the ledgers of a run's steps."""

from __future__ import annotations

from collections.abc import Callable

from pipelines import stopping
from pipelines.engine.steps import BlockStep
from stores.block_list import BlockList
from stores.results import Results, read_results
from stores.run_folder import RunFolder


class StepLedgers:
    """The results of each step over blocks; each ledger is read again only when it has changed."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._checks: list[Callable[[], None]] = [stopping.check]
        self._read: dict[str, tuple[tuple[object, ...], Results]] = {}

    def also_check(self, check: Callable[[], None]) -> None:
        """Add to what is checked before anything is written, such as the hold on the folder."""
        self._checks.append(check)

    def check(self) -> None:
        """Raise if nothing more may be written: KeyboardInterrupt when this process is to stop, or what a check raises."""
        for check in self._checks:
            check()

    def results(self, step: BlockStep) -> Results:
        """The blocks that are finished: same fingerprint, made from what earlier steps found, files of the recorded size."""
        path = self.folder.ledger(step.name)
        blocks = BlockList.of(step.blocks)
        size = path.stat().st_size if path.exists() else 0
        follows = step.follows.digests.tobytes() if step.follows else b""
        key = (step.fingerprint, size, blocks, follows)
        if step.name not in self._read or self._read[step.name][0] != key:
            self._read[step.name] = (key, read_results(path, step.fingerprint, blocks, self.folder.cube, step.follows))
        return self._read[step.name][1]
