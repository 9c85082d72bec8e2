"""Processes of blocks are forked by one process, end with it, and are told apart by their names."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from shared.block_processes import new_block_process

from croplayer.workers import forked
from croplayer.workers.isolated import BlockLimits, Outcome, Work, run_isolated
from croplayer.workers.process_name import BLOCK, FORKS
from pipelines.engine.rules import Rule, always, imports_from
from pipelines.stages.order import all_rules
from stores.grid import BlockIndex
from stores.records import BlockRecord

LIMITS = BlockLimits(60.0, 2**31)


@dataclass(frozen=True)
class TellProcess:
    """Records of the process and its parent, of its modules and of signals that it handles."""

    module: str = "colorsys"

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        values = {
            "process": os.getpid(),
            "parent": os.getppid(),
            "name": psutil.Process().name(),
            "parents_name": psutil.Process(os.getppid()).name(),
            "is_imported": int(self.module in sys.modules),
        }
        return [BlockRecord(block, values=dict(values)) for block in blocks]


@dataclass(frozen=True)
class KillParent:
    """Ends the process that forks while a block is at work, once."""

    once: str

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        if not Path(self.once).exists():
            Path(self.once).touch()
            psutil.Process(os.getppid()).kill()
            time.sleep(30)
        return [BlockRecord(block, values={"process": os.getpid()}) for block in blocks]


@dataclass(frozen=True)
class Leave:
    """Ends its process with an exit code."""

    code: int

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        os._exit(self.code)


def told(outcome: Outcome) -> list[dict[str, object]]:
    return [dict(record.values) for batch in outcome.records for record in pickle.loads(batch)]


def test_processes_are_forked_by_one_that_has_imported_what_they_need() -> None:
    work = Work(pickle.dumps(TellProcess()), "once", ("colorsys", "no.such.module"))
    with new_block_process():
        first = told(run_isolated(work, [(0, 0)], LIMITS))[0]
        psutil.Process(int(str(first["process"]))).kill()
        second = told(run_isolated(work, [(0, 1)], LIMITS))[0]
    assert first["process"] != second["process"] and first["parent"] == second["parent"] != os.getpid()
    assert {first["name"], second["name"]} == {BLOCK} and first["parents_name"] == FORKS
    assert first["is_imported"] == second["is_imported"] == 1


def test_without_names_of_modules_nothing_more_is_imported() -> None:
    with new_block_process():
        (found,) = told(run_isolated(Work(pickle.dumps(TellProcess()), "once"), [(0, 0)], LIMITS))
    assert found["is_imported"] == 0


def test_a_block_whose_process_ends_with_the_one_that_forks_is_tried_again(tmp_path: Path) -> None:
    with new_block_process():
        outcome = run_isolated(Work(pickle.dumps(KillParent(str(tmp_path / "once"))), "once"), [(0, 0)], LIMITS)
    assert len(told(outcome)) == 1 and not outcome.lost
    ((block, reason, _),) = outcome.retried
    assert block == (0, 0) and "ended with" in reason


@pytest.mark.parametrize("code", [0, 7])
def test_an_exit_code_is_told(code: int) -> None:
    with new_block_process():
        outcome = run_isolated(Work(pickle.dumps(Leave(code)), "once"), [(0, 0)], LIMITS)
    assert [lost.reason for lost in outcome.lost] == [f"its process ended with exit code {code}"]


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_process_that_is_ended_before_it_is_forked_leaves_nothing() -> None:
    def forked_now() -> list[psutil.Process]:
        return [p for p in psutil.Process().children(recursive=True) if p.name() == BLOCK]

    with new_block_process():
        from multiprocessing import Pipe

        mine, theirs = Pipe()
        with Path(os.devnull).open("r+b") as nothing:
            process = forked.ForkedProcess((theirs.fileno(), nothing.fileno(), nothing.fileno()), ("decimal",))
        theirs.close()
        process.kill()
        mine.close()
        assert wait_for(lambda: not forked_now())


def test_the_process_that_forks_has_one_thread_with_all_that_rules_import() -> None:
    """A fork takes none of the other threads with it, and all of their locks."""
    names = tuple(dict.fromkeys(name for rule in all_rules() for name in rule.imports))
    assert "croplayer.models.networks.inference" in names
    with new_block_process():
        (found,) = told(run_isolated(Work(pickle.dumps(TellProcess("torch")), "once", names), [(0, 0)], LIMITS))
        assert found["is_imported"] == 1
        assert len(psutil.Process(int(str(found["parent"]))).threads()) == 1


def rule(name: str, after: tuple[str, ...], *imports: str) -> Rule:
    return Rule(name, name, after, always, (), lambda *_: (), imports)


def test_a_rule_is_run_with_the_imports_of_those_that_follow_it() -> None:
    rules = [
        rule("a", (), "x"),
        rule("b", ("a",), "y"),
        rule("c", ("a",)),
        rule("d", ("c",), "z", "x"),
        rule("e", (), "w"),
    ]
    assert imports_from(rules[0], rules) == ("x", "y", "z")
    assert imports_from(rules[2], rules) == ("z", "x")
    assert imports_from(rules[4], rules) == ("w",)
