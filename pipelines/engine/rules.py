"""Rules that build the steps of a stage, and the results that finished steps pass to later ones.

A rule says which rules it follows and to which recipes it applies. What a step computes is defined by the task of a
worker (``croplayer.tasks``) or the ``make`` of an output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from pipelines.engine.code import code_digest, modules_of
from pipelines.engine.steps import BlockStep, ModelStep, OutputStep, Step
from stores.block_digests import BlockDigests
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
    """Name of its step; where it has several, the prefix of their names."""
    stage: str
    """The stage that it is part of."""
    after: tuple[str, ...]
    """Names of the rules whose steps it reads; it sees no others."""
    applies: Callable[[Recipe], bool]
    """Whether it applies to a recipe."""
    code: tuple[str, ...]
    """Modules of its code; everything that they import counts too, and so do the modules of what its tasks hold."""
    steps: Callable[[Inputs, Output, Earlier], Iterable[Step]]
    """Builds its steps; called when every rule that it follows is finished, so it may read what they wrote."""
    imports: tuple[str, ...] = ()
    """Modules that its tasks import when they begin and that take long; worker processes import them once for all."""

    def marked(self, step: Step) -> Step:
        """A step of this rule with the digest of its code added to ``made_of``."""
        if isinstance(step, ModelStep):
            return step
        held = modules_of(step.task_for(step.blocks[:1])) if isinstance(step, BlockStep) else set()
        modules = {*self.code, *held, *(RESULTS if isinstance(step, OutputStep) else ())}
        return replace(step, made_of={"code": code_digest(tuple(sorted(modules))), **step.made_of})


def imports_from(rule: Rule, rules: Iterable[Rule]) -> tuple[str, ...]:
    """Modules that are imported once for a rule and for those that follow it, which are done again after it."""
    names, found = {rule.name}, dict.fromkeys(rule.imports)
    for later in rules:
        if names.intersection(later.after):
            names.add(later.name)
            found |= dict.fromkeys(later.imports)
    return tuple(found)


@dataclass(frozen=True)
class Done:
    """A finished step and its results, for the steps that follow it."""

    step: BlockStep | OutputStep
    output: Output

    @property
    def fingerprint(self) -> str:
        """Digest of what a step that writes files was made of.

        Raises TypeError for a step over blocks: its fingerprint does not tell that one of them was done again.
        """
        if isinstance(self.step, BlockStep):
            raise TypeError(
                f"step '{self.step.name}' works block by block; follow what it found with BlockStep.follows"
            )
        return self.step.fingerprint

    @property
    def digest(self) -> str:
        """Digest of what the step found or wrote; it changes with every further block."""
        if isinstance(self.step, BlockStep):
            return self.results.digest
        return self.output.folder.memory.entries()[self.step.name].digest

    @property
    def results(self) -> Results:
        """Results of the step by block; raises TypeError for a step that writes files."""
        if not isinstance(self.step, BlockStep):
            raise TypeError(f"step '{self.step.name}' writes files and has no results by block")
        return self.output.ledgers.results(self.step)

    @property
    def found(self) -> BlockDigests:
        """Digest of what the step wrote and measured, by block."""
        return self.results.found

    @property
    def blocks(self) -> BlockList:
        """Blocks that the step finished."""
        return self.results.blocks

    def table(self) -> pd.DataFrame:
        """One row per finished block: block, row, col, then the values of its record."""
        return self.results.table()


class Earlier(Mapping[str, Done]):
    """The steps that a rule follows, by name."""

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
