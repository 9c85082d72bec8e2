"""What a new edition would take: blocks that are carried over, blocks that are done again and why, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.tasks.reading import CompareContent
from pipelines import stopping
from pipelines.engine.left import left_of_step
from pipelines.engine.output import Output
from pipelines.engine.steps import BlockStep
from pipelines.engine.walk import Walk
from pipelines.explain import changes_of
from pipelines.extrapolate import Pilot, read_pilot
from pipelines.run import Run
from stores.block_list import BlockList
from stores.fingerprints import short_parts
from stores.ledger import Ledger, block_code
from stores.places import is_remote

MOSAIC, SEGMENT = "mosaic", "segment"
NEW = "they are new in the region"
IMAGERY = "their imagery is another"
BESIDE = "they lie beside such imagery"
UNFINISHED = "they were not finished"


@dataclass(frozen=True)
class UpdatePlan:
    """How a new edition follows from the one before."""

    before: str
    """The edition before."""
    blocks: int
    """Blocks of the new edition."""
    again: Mapping[str, BlockList]
    """Blocks that are done again by why; each stands under its first reason."""
    remapped: Mapping[str, BlockList]
    """Of these, the blocks that keep their imagery and are segmented anew."""
    unsure: BlockList
    """Blocks of which only a comparison of their files tells."""

    @property
    def carried(self) -> int:
        """Blocks that are carried over whole, if none of the unsure ones differs."""
        return self.blocks - self._done(with_imagery=True) - self._done(with_imagery=False)

    def _done(self, with_imagery: bool) -> int:
        return sum(map(len, (self.again if with_imagery else self.remapped).values()))

    def facts(self, output: Output, workers: int) -> dict[str, str]:
        """The plan in words, by what each line is about.

        Parameters
        ----------
        output : the edition before
        workers : processes of the update
        """
        total = f"of {self.blocks:,} blocks"
        known = self.carried - len(self.unsure)
        facts = {"carried over": f"{known:,} {total}, from edition '{self.before}'"}
        for number, (why, blocks) in enumerate((*self.again.items(), *self.remapped.items()), start=1):
            kept = ", with the imagery that they have" if why in self.remapped else ""
            facts[f"done again ({number})"] = f"{len(blocks):,} {total}, because {why}{kept}"
        if self.unsure:
            facts["not known before"] = (
                f"{len(self.unsure):,} {total}, whose files the run compares first; those that hold the same are carried "
                "over. --compare compares files of this machine now"
            )
        try:
            pilot = read_pilot(output.folder.root)
        except (FileNotFoundError, ValueError):
            return facts | {"cost of the update": f"not known, because edition '{self.before}' has no finished block"}
        return facts | self._costs(pilot, workers, in_bucket=is_remote(output.folder.cube))

    def _costs(self, pilot: Pilot, workers: int, in_bucket: bool) -> dict[str, str]:
        whole = self._seconds(pilot, self.blocks, self.blocks)
        read, mapped = self._done(with_imagery=True), self._done(with_imagery=True) + self._done(with_imagery=False)
        low = self._seconds(pilot, read, mapped)
        high = self._seconds(pilot, read + len(self.unsure), min(self.blocks, mapped + len(self.unsure)))
        share = f"{_share(low, whole)}" if high == low else f"{_share(low, whole)} to {_share(high, whole)}"
        seconds = f"{low:,.1f} s" if high == low else f"{low:,.1f} to {high:,.1f} s"
        size = sum(cost.file_bytes * (read if cost.step == MOSAIC else mapped) for cost in pilot.costs) / 1e9
        carried = sum(cost.file_bytes for cost in pilot.costs) * (self.carried) / 1e9
        links = f"carried blocks are copies of up to {carried:,.3f} GB" if in_bucket else "carried blocks take none"
        return {
            "cost of the blocks": (
                f"{seconds} of {workers} workers together, {share} of all blocks, at the mean times of edition '{self.before}'"
            ),
            "cost beside them": (
                f"up to {pilot.once_s + pilot.export_s * self.blocks:,.1f} s for start, tables, report and export, as that took"
                if pilot.once_s or pilot.export_s
                else "not known, because no log tells how long that run took"
            ),
            "space of the update": f"about {size:,.3f} GB in the cube; {links}",
        }

    def _seconds(self, pilot: Pilot, read: int, mapped: int) -> float:
        """Time of workers, of which steps after the imagery see every block that is mapped anew."""
        return sum(cost.seconds * (read if cost.step == MOSAIC else mapped) for cost in pilot.costs)


def update_plan(run: Run, before: str, output: Output, compares: bool = False) -> UpdatePlan:
    """The plan of a new edition; nothing is written.

    Parameters
    ----------
    before : name of the edition before
    output : that edition, with the inputs of the new one
    compares : whether files whose times differ or prove nothing are read, as the run will; providers are not asked
    """
    walk = Walk(output)
    rules = {rule.name: rule for rule in run.rules}
    blocks = run.inputs.blocks
    cube = Cube.open(output.folder.cube, before)
    if (cube.grid, cube.sources) != (output.cube.grid, output.cube.sources) or _is_elsewhere(run, output):
        why = "the sources, the pixels of a block or the place of the cube are others"
        return UpdatePlan(before, len(blocks), {why: blocks}, {}, BlockList.of(()))
    mosaic = _only(walk.steps(rules[MOSAIC]))
    reasons = list(_changed(output, mosaic))
    if reasons:
        return UpdatePlan(before, len(blocks), {"; ".join(reasons): blocks}, {}, BlockList.of(()))
    left = left_of_step(mosaic, output.ledgers)
    differing, unsure = _compared(mosaic, output, left.unsure) if compares else (BlockList.of(()), left.unsure)
    imagery = BlockList.of([*left.outdated, *differing])
    ledger = Ledger(output.folder.ledger(MOSAIC))
    held = BlockList(np.unique(np.array([block_code(line) for _, line in ledger.texts()], np.int32)))
    new = left.new.without(held)
    again = {NEW: new, UNFINISHED: left.new.without(new), IMAGERY: imagery}
    done = BlockList.of([*left.new, *imagery])
    rest = blocks.without(done)
    if "segmentation" not in run.inputs.models.folders(run.recipe):
        remapped = {"the model is to be trained first": rest}
    else:
        segment = _only(walk.steps(rules[SEGMENT]))
        reasons = list(_changed(output, segment))
        if reasons:
            remapped = {"; ".join(reasons): rest}
        else:
            left = left_of_step(segment, output.ledgers)
            near = _beside(segment, done, rest)
            others = BlockList.of([*left.new, *left.outdated]).both(rest).without(near)
            remapped = {BESIDE: near, UNFINISHED: others}
    remapped = _some(remapped)
    return UpdatePlan(before, len(blocks), _some(again), remapped, unsure.without(_all(remapped)))


def _is_elsewhere(run: Run, output: Output) -> bool:
    """Whether the cubes of both editions lie in different stores of which one is a bucket."""
    now, before = run.folder.place_of(run.recipe.edition).cube, output.folder.cube
    return str(now) != str(before) and (is_remote(now) or is_remote(before))


def _some(blocks: Mapping[str, BlockList]) -> dict[str, BlockList]:
    return {why: each for why, each in blocks.items() if each}


def _all(blocks: Mapping[str, BlockList]) -> BlockList:
    return BlockList.of(block for each in blocks.values() for block in each)


def _only(steps: Iterator[Any]) -> BlockStep:
    step = next(steps)
    if not isinstance(step, BlockStep):
        raise TypeError(f"step '{step.name}' does not work block by block")
    return step


def _changed(output: Output, step: BlockStep) -> Iterator[str]:
    """Sentences about what a step is made of now and was not in the edition before."""
    entry = output.folder.memory.entries().get(step.name)
    if entry is None:
        yield f"step '{step.name}' was never begun"
    elif entry.fingerprint != step.fingerprint:
        found = list(changes_of(entry.made_of, short_parts(step.made_of)))
        yield from found or ["an earlier step has begun to rewrite the cube"]


def _beside(step: BlockStep, done: BlockList, rest: BlockList) -> BlockList:
    """Blocks whose network sees pixels of blocks that are done again."""
    if step.reading is None:
        return BlockList.of(())
    return BlockList.of(near for block in done for near in step.reading.around(block) if near in rest)


def _compared(step: BlockStep, output: Output, unsure: BlockList) -> tuple[BlockList, BlockList]:
    """Of some blocks, those whose files hold something else than what was read, and those of which only a provider knows."""
    reading = step.reading
    if reading is None or any(reader.is_remote for reader in reading.readers):
        return BlockList.of(()), unsure
    differing = []
    asked = unsure
    records = (record for record in output.ledgers.results(step).records() if record.block in asked)
    compare = CompareContent(reading)
    for record in records:
        stopping.check()
        (found,) = compare([record.block])
        if not found.status.is_finished or any(record.read.get(name) != read for name, read in found.read.items()):
            differing.append(record.block)
    return BlockList.of(differing), BlockList.of(())


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"
