"""What a run that is killed between two lines leaves: no reader and no later run takes a half-new block for finished."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from shared.run_files import digests
from soak.crash_points import Inline
from soak.damage import UNFINISHED, problems_of
from soak.painted import EDITION, GRID, painted_blocks, steps_of

from croplayer.tasks.reading import Reading
from pipelines.engine import execute
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from pipelines.engine.undo import restored, void_what_follows
from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.finished import finished_blocks
from stores.ledger import Ledger
from stores.records import BlockRecord
from stores.run_folder import RunFolder

BLOCKS = BlockList.of(painted_blocks(4))


@pytest.fixture(autouse=True)
def _inline() -> Iterator[None]:
    with mock.patch.object(execute, "_Window", Inline):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def run(folder: RunFolder, *steps: BlockStep) -> list[int]:
    """Blocks worked on by steps."""
    return [run_step(step, StepLedgers(folder), None).worked for step in steps]  # type: ignore[arg-type]


def texts(*changed: str) -> BlockDigests:
    """A digest for each block; that of the first ones is of another text."""
    return BlockDigests.of_texts(BLOCKS, [*changed, *(["same"] * (len(BLOCKS) - len(changed)))])


def killed_at(folder: RunFolder, step: BlockStep, reason: str) -> None:
    """Run a step and stop before the first line with a reason is written."""
    append = Ledger.append

    def stopping(ledger: Ledger, fingerprint: str, records: Iterable[BlockRecord]) -> None:
        records = [*records]
        if any(reason in record.reason for record in records):
            raise KeyboardInterrupt
        append(ledger, fingerprint, records)

    with mock.patch.object(Ledger, "append", stopping), pytest.raises(KeyboardInterrupt):
        run(folder, step)


def finished(folder: RunFolder, step: str) -> BlockList:
    return finished_blocks(folder, folder.cube, EDITION, step, BLOCKS)


def test_files_of_other_settings_are_looked_for_until_the_ledger_names_them(folder: RunFolder) -> None:
    """A run with other settings is killed while it writes a file, and so is the next run before its first line."""
    mosaic = steps_of(folder, len(BLOCKS))[0]
    assert run(folder, mosaic) == [len(BLOCKS)]
    expected = digests(folder.root)
    folder.memory.begin("mosaic", "other settings", blocks=len(BLOCKS))
    key = next(iter(next(StepLedgers(folder).results(mosaic).records()).files))
    path = folder.cube / key
    path.write_bytes(path.read_bytes()[::-1])
    killed_at(folder, mosaic, "under other settings")
    assert not finished(folder, "mosaic")
    assert run(folder, mosaic) == [1]
    assert digests(folder.root) == expected


def test_a_voided_record_holds_again_only_beside_the_same_imagery(folder: RunFolder) -> None:
    mosaic, plain, _ = steps_of(folder, len(BLOCKS))
    segment = replace(plain, reading=Reading((), GRID, halo_px=4, but=BLOCKS.grown()), known=texts())
    run(folder, mosaic, segment)
    void_what_follows(StepLedgers(folder), mosaic, BLOCKS[:1])
    near = BLOCKS[:1].grown().both(BLOCKS)
    assert finished(folder, "segment") == BLOCKS.without(near)
    beside_other = replace(segment, known=texts("other"))
    assert restored(StepLedgers(folder), beside_other) == []
    assert BlockList.of([record.block for record in restored(StepLedgers(folder), segment)]) == near


def test_a_run_that_is_killed_after_lines_were_voided_is_incomplete_and_not_damaged(folder: RunFolder) -> None:
    steps = steps_of(folder, len(BLOCKS))
    run(folder, *steps)
    folder.memory.begin("mosaic", steps[0].fingerprint, blocks=len(BLOCKS))
    void_what_follows(StepLedgers(folder), steps[0], BLOCKS[:1])
    told = problems_of(folder.root)
    assert told and all(UNFINISHED.search(sentence) for sentence in told), told
    assert sum("1 of 4 blocks are not done" in sentence for sentence in told) == 1  # of mosaic
    assert run(folder, *steps) == [0, 0, 0]
    assert len(problems_of(folder.root)) == 1


def test_a_step_counts_as_begun_once_its_outdated_records_are_void(folder: RunFolder) -> None:
    """Its settings are those of before, so its old records would hold for a reader as soon as it is begun."""
    mosaic, segment, plain = steps_of(folder, len(BLOCKS))
    integrate = replace(plain, follows=texts())
    run(folder, mosaic, segment, integrate)
    assert finished(folder, "integrate") == BLOCKS
    folder.memory.begin("mosaic", "other settings", blocks=len(BLOCKS))
    outdated = replace(integrate, follows=texts("other"))
    killed_at(folder, outdated, "about to be rewritten")
    assert BLOCKS[0] not in finished(folder, "integrate")
    assert run(folder, outdated) == [1]
    assert finished(folder, "integrate") == BLOCKS
