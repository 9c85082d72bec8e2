"""Go through the rules of a run once, in order, to do what is left or to find out what would be done and why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from croplayer.files.file_cache import forget_files
from pipelines.engine.cluster import Workers
from pipelines.engine.code import code_digest, modules_of
from pipelines.engine.execute import run_step
from pipelines.engine.left import Left, left_of_step
from pipelines.engine.output import Output
from pipelines.engine.rules import Done, Earlier, Rule, imports_from
from pipelines.engine.run_log import RunLog
from pipelines.engine.steps import ModelStep, OutputStep, Step, StepResult
from stores.step_memory import EXPORTS

TABLES = "its tables"
"""What is left of an output that is not finished."""
TRAINS = "learn"
"""The stage before the cube is made; its models are stored in a folder of their own."""
TELLS = "report"
"""The stage that reads the tables of all before it; what the recipe no longer makes is removed first."""


@dataclass(frozen=True)
class StepState:
    """State of a step."""

    rule: Rule
    name: str
    """Name of the step; of the rule, where its steps are not known before an earlier one is finished."""
    step: Step | None
    left: str
    """What is left of it in words; empty when it is finished."""
    waits_for: tuple[str, ...] = ()
    """Rules that it follows and that are not finished."""
    blocks: Left | None = None
    """The blocks that are left of a step over blocks."""


@dataclass
class Walk:
    """The steps that were built so far."""

    output: Output
    done: dict[str, tuple[str, Done]] = field(default_factory=dict)

    def steps(self, rule: Rule) -> Iterator[Step]:
        """Steps of a rule, each built when the one before it was examined or done."""
        for step in rule.steps(self.output.inputs, self.output, Earlier(rule, self.done)):
            marked = rule.marked(step)
            if not isinstance(marked, ModelStep):
                self.done[marked.name] = rule.name, Done(marked, self.output)
            yield marked


def survey(rules: Iterable[Rule], output: Output) -> Iterator[StepState]:
    """State of every step; nothing is written or computed.

    The steps of a rule are known only once those that it follows are finished, because they depend on their results.
    """
    forget_files()
    yield from _surveyed(rules, Walk(output))


def _surveyed(rules: Iterable[Rule], walk: Walk) -> Iterator[StepState]:
    unfinished: set[str] = set()
    for rule in rules:
        waits = tuple(name for name in rule.after if name in unfinished)
        if waits:
            unfinished.add(rule.name)
            yield StepState(rule, rule.name, None, "all of it", waits)
            continue
        for step in walk.steps(rule):
            state = _state_of(rule, step, walk.output)
            if state.left:
                unfinished.add(rule.name)
            yield state


def _state_of(rule: Rule, step: Step, output: Output) -> StepState:
    if isinstance(step, ModelStep):
        return StepState(rule, step.name, step, "" if step.is_there() else "the training of its model")
    if isinstance(step, OutputStep):
        is_finished = output.folder.memory.is_finished(step.name, step.fingerprint)
        return StepState(rule, step.name, step, "" if is_finished else TABLES)
    left = left_of_step(step, output.ledgers)
    return StepState(rule, step.name, step, left.in_words(len(step.blocks)), blocks=left)


def run_rules(
    rules: Sequence[Rule],
    output: Output,
    workers: Workers,
    log: RunLog,
    stages: Collection[str] | None,
    on_stage: Callable[[str, list[StepResult]], None],
    trusts_times: bool = True,
    walk: Walk | None = None,
) -> list[StepResult]:
    """Do the remaining work of some stages, or of all; a step is built when those before it have run.

    Parameters
    ----------
    rules : those of the recipe, in order
    stages : names of stages that follow each other; None is all of them
    on_stage : called with the name and the results of each stage when it is finished
    trusts_times : whether a file of the same size and change time counts as the same; without it all are read again
    walk : keeps the steps for the caller

    Raises
    ------
    RuntimeError when an earlier stage than those asked for is not finished, or when no block of a step could be
    finished: later steps would have nothing to work on.
    """
    walk, memory, code = walk or Walk(output), output.folder.memory, _code_of(rules, output)
    chosen = [rule for rule in rules if stages is None or rule.stage in stages]
    first = rules.index(chosen[0])
    for state in _surveyed(rules[:first], walk):
        if state.left:
            raise RuntimeError(_needs(chosen[0].stage, state))
    results: list[StepResult] = []
    has_cube = False
    for stage in dict.fromkeys(rule.stage for rule in chosen):
        if stages is None and stage == TELLS:
            memory.keep_only({r.name for r in results}, (TELLS, EXPORTS))
        if stage != TRAINS and not has_cube:
            output.make_cube()
            has_cube = True
        of_stage = []
        for rule in (rule for rule in chosen if rule.stage == stage):
            log.next_rule()
            workers.imports = imports_from(rule, chosen)
            for step in walk.steps(rule):
                of_stage.append(_finished(run_step(step, output.ledgers, workers, log, trusts_times)))
        results += of_stage
        if stage == TRAINS or stages is not None:
            output.write_head(code)
        on_stage(stage, of_stage)
    output.write_head(code)
    if stages is None:
        memory.keep_only({r.name for r in results})
        memory.drop_open()
    if not any(result.failed for result in results):
        memory.end()
    return results


def _code_of(rules: Iterable[Rule], output: Output) -> str:
    """Digest of all code that a run is made of, for its provenance."""
    held = modules_of((output.inputs.sources, output.inputs.other_maps, output.inputs.elevation))
    return code_digest(tuple(sorted(held | {module for rule in rules for module in rule.code})))


def _finished(result: StepResult) -> StepResult:
    if result.failed and len(result.failed) == result.total:
        first = result.failed[0]
        raise RuntimeError(f"{result.name} failed for all {result.total} blocks; {first.block.name}: {first.reason}")
    return result


def _needs(stage: str, state: StepState) -> str:
    earlier = state.rule.stage
    if isinstance(state.step, ModelStep):
        return f"stage '{stage}' needs the models; run `croplayer {earlier}` with the same recipe first"
    return (
        f"stage '{stage}' builds on '{earlier}', which has {state.left} left; run `croplayer {earlier}` with the same "
        "recipe first"
    )
