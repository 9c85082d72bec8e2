"""Why steps of a run would be done or redone: what changed in what they are made of, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from croplayer.decisions.reviews import read_overrides
from pipelines.engine.lease import is_leased
from pipelines.engine.left import Left
from pipelines.engine.steps import BlockStep, ModelStep, OutputStep, Step
from pipelines.engine.walk import TABLES, StepState, survey
from pipelines.run import Run
from pipelines.stages.order import all_rules
from stores.fingerprints import DIGEST, short_parts
from stores.step_memory import StepEntry

NOUNS = {
    "blocks": "blocks of the region",
    "border": "areas of the blocks that units share",
    "boundaries": "admin units",
    "block_px": "pixels of a block",
    "code": "code",
    "changes": "changes that they made",
    "corrections": "corrections by hand",
    "decisions": "decisions",
    "design": "design of the sample",
    "elevation": "elevation model",
    "files": "files of the admin units",
    "legends": "legend",
    "map": "integrated map",
    "maps": "maps",
    "masks": "masks of the sources",
    "method": "method of the integration",
    "model": "model",
    "models": "model",
    "mosaic": "imagery in the cube",
    "nodata_above": "share of gaps that makes a block Nodata",
    "parcels": "reference parcels",
    "parts": "results of",
    "product_order": "order of the products",
    "products": "map",
    "recipe": "recipe",
    "reference": "reference",
    "reviews": "reviews",
    "sample": "reviewed sample",
    "sources": "way of reading the imagery of",
    "spacing_deg": "spacing of the reviewed sample",
    "statistics": "statistics",
    "tables": "tables of",
    "terrain": "results of assess",
    "units": "admin units",
}
"""The noun for a part of a step, where its own name is not clear enough; for a mapping the key follows the noun."""


class Reason(NamedTuple):
    """Why a step, or several that wait for it, would be done."""

    step: str
    stage: str
    left: str
    """What would be done, such as "480 of 480 blocks"; empty when nothing would."""
    sentences: tuple[str, ...]
    """Why; empty when nothing would be done."""
    later: tuple[str, ...] = ()
    """Later steps that follow from this one; those for which its results turn out the same are not redone."""


def decided_by_hand(run: Run) -> Iterator[str]:
    """A sentence for each correction and override that the recipe names: what, who, when and why."""
    part = run.recipe.decisions
    if part.overrides:
        for row in read_overrides(Path(part.overrides)).itertuples():
            who = "".join(
                f" {word} {getattr(row, name)}"
                for name, word in (("author", "by"), ("date", "on"))
                if hasattr(row, name)
            )
            yield f"by hand: block {row.block} is '{row.integration}'{who}: {row.reason}"
    for own in run.inputs.corrections:
        yield f"by hand: polygon {own.feature} ({own.action}) by {own.author} on {own.date}: {own.reason}"


def explain(run: Run) -> list[Reason]:
    """The steps of a run that would be done now, each with its reasons and the later steps that follow from it.

    Nothing is written. Steps that follow an unfinished one are listed with the first that they wait for.
    """
    entries = run.output.folder.memory.entries()
    states = list(survey(run.rules, run.output))
    later: dict[str, list[str]] = {}
    cause: dict[str, str] = {}
    for state in states:
        if state.waits_for:
            first = cause.get(state.waits_for[0], state.waits_for[0])
            cause[state.rule.name] = first
            later.setdefault(first, []).append(state.name)
    return [_reason(state, entries, run, tuple(later.get(state.rule.name, ()))) for state in states if state.step]


def _reason(state: StepState, entries: Mapping[str, StepEntry], run: Run, later: tuple[str, ...]) -> Reason:
    if not state.left or state.step is None:
        return Reason(state.name, state.rule.stage, "", ())
    sentences = tuple(_why(state.step, entries.get(state.name), run, state.blocks))
    return Reason(state.name, state.rule.stage, state.left, sentences, later)


def _why(step: Step, entry: StepEntry | None, run: Run, left: Left | None) -> Iterator[str]:
    """Why a step is not finished."""
    if isinstance(step, ModelStep):
        yield "the model is missing"
        return
    if entry is None:
        yield "it was never begun"
        return
    if not entry.made_of and entry.fingerprint != step.fingerprint:
        yield "there is no record of what it was made of"
        return
    changes = list(changes_of(entry.made_of, short_parts(step.made_of)))
    yield from changes
    if entry.is_void:
        yield "an earlier step has begun to rewrite the cube"
    if changes or entry.is_void or entry.fingerprint != step.fingerprint:
        return
    if left and left.outdated:
        yield f"{len(left.outdated)} blocks were made from other results or beside other imagery than there is now"
    if left and left.unsure:
        yield f"the times of the files under {len(left.unsure)} blocks changed, or prove nothing"
    if left is None or left.new:
        yield _same_but_unfinished(step, entry, run)


def _same_but_unfinished(step: BlockStep | OutputStep, entry: StepEntry, run: Run) -> str:
    if isinstance(step, OutputStep):
        return "it was not finished" if entry.is_open else "its files are missing or have another size"
    if entry.is_open and is_leased(run.output.folder):
        return "it is under way"
    if entry.is_open:
        return "it was stopped, or blocks of it are marked to be redone"
    if len(step.blocks) != entry.blocks:
        return f"it has {len(step.blocks)} blocks now and had {entry.blocks}"
    return "blocks of it failed, or their files are missing or have another size"


def changes_of(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """The differences between two sets of parts, one sentence each."""
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        what = _noun(name)
        if old is None:
            yield f"{what} is new"
        elif new is None:
            yield f"{what} is gone"
        elif DIGEST in (old[:1], new[:1]):
            yield f"{what} changed"
        else:
            yield f"{what} changed from {old} to {new}"


def _noun(name: str) -> str:
    """A part in words: "the model", "the imagery of aster", "the product esa"."""
    first, _, rest = name.partition(".")
    steps = {rule.name for rule in all_rules()}
    noun = NOUNS.get(first, f"results of {first}" if first in steps else first.replace("_", " "))
    return f"the {noun} {rest}".strip() if rest else f"the {noun}"


def sentences(reasons: Sequence[Reason]) -> Iterator[str]:
    """The reasons as lines of text, one for each step that would be done."""
    due = [reason for reason in reasons if reason.left]
    for reason in due:
        verb = "made" if reason.left == TABLES else "done"
        text = f"{reason.step}: {'; '.join(reason.sentences)}; {reason.left} would be {verb}"
        if reason.later:
            steps = "step" if len(reason.later) == 1 else "steps"
            text += f", and with it up to {len(reason.later)} later {steps} ({', '.join(reason.later)})"
        yield text
    if not due:
        yield "nothing would be done: everything is up to date"
