"""Begin a later edition of a run with the blocks of the edition before it.

A block of the new edition that would come out the same takes the files of the one before: as hard links, which take no
space, or as copies within a bucket. Records say from what content a block was made, so the steps of the new edition do
anew only what its settings, models or imagery make different.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

from croplayer.cube.whole_blocks import Cube
from pipelines import stopping
from pipelines.engine.lease import lease
from pipelines.engine.output import Output
from stores.cube import CUBE
from stores.durable import FileDigest
from stores.grid import BlockRange
from stores.ledger import Ledger
from stores.links import Links
from stores.overviews import GROUP, LEVEL, levels_of
from stores.places import is_remote, size_finder
from stores.records import BlockRecord
from stores.run_folder import RunFolder
from stores.schema import ArraySpec
from stores.step_memory import SQUARES, StepEntry

RECORDS_AT_ONCE = 1000
CHUNKS = "c"
"""First part of the keys of an array's pixels (Zarr v3)."""


class Carried(NamedTuple):
    """What a new edition begins with."""

    edition: str
    """The edition before."""
    blocks: Mapping[str, int]
    """Blocks whose results were carried over, by step."""


def edition_before(run: RunFolder, edition: str) -> str | None:
    """The edition that a new one begins with: the last by name of those that come before it, else the first of the run.

    None for the first edition of a run, and for one that has begun already.
    """
    there = run.editions()
    if not there or run.place_of(edition) == run or _has_begun(run.place_of(edition)):
        return None
    begun = [name for name, folder in there.items() if _has_begun(folder)]
    earlier = sorted(name for name in begun if name < edition)
    return earlier[-1] if earlier else next(iter(begun), None)


def carry_over(run: RunFolder, output: Output) -> Carried | None:
    """Begin the edition of a run's output with that before it, unless it has begun already; returns what was carried over.

    The new edition's folder must be held. It is done in an order that a kill cannot harm: files, ledgers, and last the
    memory of the steps; what is not in that memory is carried over again. Raises BlockingIOError while another run works
    on the edition before.
    """
    name = edition_before(run, output.inputs.recipe.edition)
    if name is None or not output.inputs.recipe.sources:
        return None
    before = run.editions()[name]
    if str(before.cube) != str(output.folder.cube) and (is_remote(before.cube) or is_remote(output.folder.cube)):
        return Carried(name, {})
    cube = Cube.open(before.cube, name)
    if (cube.grid, cube.sources) != (output.cube.grid, output.cube.sources):
        return Carried(name, {})
    output.make_cube()
    with lease(before):
        return Carried(name, _carry(before, output, _Renamed(cube, output.cube)))


def _has_begun(folder: RunFolder) -> bool:
    return any(entry.is_of_blocks for entry in folder.memory.entries().values())


@dataclass(frozen=True)
class _Renamed:
    """Keys of blocks of one cube in another of the same lattice and sources."""

    before: Cube
    now: Cube

    def key(self, key: str) -> str | None:
        """The key of a block's file in the new cube; None where that has no such array or block."""
        edition, array, *rest = key.split("/")
        if array == GROUP:
            return self._overview_key(edition, *rest)
        spec = next((s for s in CUBE.arrays if s.name == array), None)
        if edition != self.before.edition or spec is None or rest[0] != CHUNKS or not self.now.has_array(array):
            return None  # a file beside the pixels, such as the outlines of fields, names its edition
        places = _moved(spec, rest[1:], self.before.blocks, self.now.blocks, 1)
        return "/".join([self.now.edition, array, rest[0], *places]) if places else None

    def _overview_key(self, edition: str, factor: str, array: str, chunks: str, *places: str) -> str | None:
        """The key of a file of overviews, likewise: that of a block, or of a square of blocks."""
        if edition != self.before.edition or not self.now.has_array(f"{GROUP}/{factor}/{array}"):
            return None
        spec = next(s for s in LEVEL.arrays if s.name == array)
        before, now = (
            next(each for each in levels_of(cube.grid, cube.blocks) if each.factor == int(factor))
            for cube in (self.before, self.now)
        )
        moved = _moved(spec, places, before.blocks, now.blocks, now.part_blocks)
        return "/".join([now.group(self.now.edition), array, chunks, *moved]) if moved else None

    def files(self, files: Mapping[str, FileDigest]) -> dict[str, tuple[str, FileDigest]] | None:
        """New key and digest of a record's files by their key before; None where one has no place in the new cube."""
        found = {key: (self.key(key), digest) for key, digest in files.items()}
        named = {key: (new, digest) for key, (new, digest) in found.items() if new is not None}
        return named if len(named) == len(found) else None


def _moved(spec: ArraySpec, places: Sequence[str], before: BlockRange, now: BlockRange, part_blocks: int) -> list[str]:
    """Place of a file among those of an array that begins elsewhere; nothing where the array does not reach.

    Parameters
    ----------
    part_blocks : blocks along the edge of a file
    """
    moved = list(map(int, places))
    y, x = spec.dims.index("y"), spec.dims.index("x")
    moved[y] += (before.row - now.row) // part_blocks
    moved[x] += (before.col - now.col) // part_blocks
    reaches = 0 <= moved[y] * part_blocks < now.rows and 0 <= moved[x] * part_blocks < now.cols
    return list(map(str, moved)) if reaches else []


def _carry(before: RunFolder, output: Output, renamed: _Renamed) -> dict[str, int]:
    folder = output.folder
    steps = {name: e for name, e in before.memory.entries().items() if e.is_of_blocks and not e.is_void}
    counts: dict[str, int] = {}
    links = Links(before.cube, folder.cube)
    for step, entry in steps.items():
        ledger, counts[step] = Ledger(folder.ledger(step)), 0
        ledger.path.unlink(missing_ok=True)  # of a carrying over that was killed
        for records in _batches(_linked(before, output, step, entry, renamed, links)):
            ledger.append(entry.fingerprint, records)
            counts[step] += len(records)
    links.sync()
    folder.memory.begin_with({step: entry for step, entry in steps.items() if counts[step]})
    return counts


def _linked(
    before: RunFolder, output: Output, step: str, entry: StepEntry, renamed: _Renamed, links: Links
) -> Iterator[BlockRecord]:
    """The finished records of a step with the names of their files in the new edition, once these are there."""
    asks_provider = any(source.is_remote for source in output.inputs.sources)
    size_of = size_finder(before.cube, f"{renamed.before.edition}/")
    for fingerprint, record in Ledger(before.ledger(step)).newest():
        stopping.check()
        files = renamed.files(record.files)
        if fingerprint != entry.fingerprint or not record.status.is_finished or files is None:
            continue
        if step != SQUARES and not renamed.now.blocks.holds(record.block):
            continue  # the first block of a square need not be in the cube
        if any(size_of(key) != digest.size for key, digest in record.files.items()):
            continue
        for key, (new, _) in files.items():
            links.link(key, new)
        seen = {} if asks_provider else record.seen  # times of files tell nothing of a provider's imagery
        yield replace(record, files=dict(files.values()), seen=seen)


def _batches(records: Iterator[BlockRecord]) -> Iterator[list[BlockRecord]]:
    while batch := list(islice(records, RECORDS_AT_ONCE)):
        yield batch
