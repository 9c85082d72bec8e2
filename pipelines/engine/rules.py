"""What a stage says of its steps, and what finished steps leave to those that follow them.

The order of the rules, what each follows and when it applies stand here; what a step computes does not: that is the
task of a worker (``croplayer.tasks``) or the ``make`` of an output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from pipelines.engine.code import code_digest, modules_of
from pipelines.engine.steps import BlockStep, ModelStep, OutputStep, Step
from stores.block_list import BlockList
from stores.results import Results

if TYPE_CHECKING:
    from pipelines.engine.inputs import Inputs
    from pipelines.engine.output import Output
    from pipelines.recipe import Recipe


RESULTS = ("stores.results",)
"""What hands the results of earlier steps to an output (`Done`)."""


def always(recipe: Recipe) -> bool:
    """Applies to every recipe."""
    return True


def maps(recipe: Recipe) -> bool:
    """Applies to recipes that map: those with imagery sources."""
    return bool(recipe.sources)


@dataclass(frozen=True)
class Rule:
    """One kind of step of a run."""

    name: str
    """Name of its step; where it has several, what their names begin with."""
    stage: str
    """The stage that it is part of."""
    after: tuple[str, ...]
    """Names of the rules whose steps it reads; it sees no others."""
    applies: Callable[[Recipe], bool]
    """Whether a recipe has it."""
    code: tuple[str, ...]
    """Modules that it is made of; everything that they import counts too, and the modules of what its tasks hold."""
    steps: Callable[[Inputs, Output, Earlier], Iterable[Step]]
    """Its steps; called when everything that it follows is finished, so it may read what that wrote."""

    def marked(self, step: Step) -> Step:
        """A step of this rule with the digest of its code among what it is made of."""
        if isinstance(step, ModelStep):
            return step
        held = modules_of(step.task_for(step.blocks[:1])) if isinstance(step, BlockStep) else set()
        modules = {*self.code, *held, *(RESULTS if isinstance(step, OutputStep) else ())}
        return replace(step, made_of={"code": code_digest(tuple(sorted(modules))), **step.made_of})


@dataclass(frozen=True)
class Done:
    """What a finished step leaves to the steps that follow it."""

    step: BlockStep | OutputStep
    output: Output

    @property
    def fingerprint(self) -> str:
        """Digest of what the step was made of: the same whichever of its blocks are finished."""
        return self.step.fingerprint

    @property
    def digest(self) -> str:
        """Digest of what the step found or wrote: another one with every further block."""
        if isinstance(self.step, BlockStep):
            return self.results.digest
        return self.output.folder.memory.entries()[self.step.name].digest

    @property
    def results(self) -> Results:
        """What the step found, by block; raises TypeError for a step that writes files."""
        if not isinstance(self.step, BlockStep):
            raise TypeError(f"step '{self.step.name}' writes files and has no results by block")
        return self.output.ledgers.results(self.step)

    @property
    def blocks(self) -> BlockList:
        """Blocks that the step finished."""
        return self.results.blocks

    def table(self) -> pd.DataFrame:
        """One row per finished block: block, row, col, then the values of its record."""
        return self.results.table()


class Earlier(Mapping[str, Done]):
    """The steps that a rule follows, by their names."""

    def __init__(self, rule: Rule, done: Mapping[str, tuple[str, Done]]) -> None:
        self._rule, self._done = rule, done

    def __getitem__(self, name: str) -> Done:
        made_by, done = self._done[name]
        if made_by not in self._rule.after:
            raise RuntimeError(f"rule '{self._rule.name}' reads step '{name}' but does not say that it follows it")
        return done

    def __iter__(self) -> Iterator[str]:
        return (name for name, (made_by, _) in self._done.items() if made_by in self._rule.after)

    def __len__(self) -> int:
        return sum(1 for _ in self)
