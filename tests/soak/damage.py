"""Damage files of a finished run in every way, and see whether each is found."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipelines.verify import find_problems
from stores.run_folder import RunFolder

BATCH = 50
"""Files damaged at a time."""
UNFINISHED = re.compile(r"is incomplete|blocks are not done|files are incomplete|holds no run")
"""What verify may say of a run that was stopped."""


class DamageCounts(NamedTuple):
    """What came of the damage."""

    made: Counter[str]
    missed: int
    """Damaged files that no problem names."""
    blamed: int
    """Files named as damaged that were whole."""


def flip(data: bytes, rng: random.Random) -> bytes:
    """One bit changed."""
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


KINDS: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "flipped bit": flip,
    "truncated": lambda data, rng: data[: rng.randrange(1, len(data))],
    "emptied": lambda data, rng: b"",
    "deleted": lambda data, rng: None,
    "longer": lambda data, rng: data + rng.randbytes(rng.randrange(1, 9)),
}


def damage_and_find(root: Path, count: int, seed: int) -> DamageCounts:
    """``count`` damaged files of the finished run in ``root``, which is left as it was."""
    rng, made = random.Random(seed), Counter[str]()
    missed = blamed = 0
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.parent.name != "ledger" and p.name != ".lock")
    while made.total() < count:
        chosen = rng.sample(files, min(BATCH, len(files) // 4, count - made.total()))
        whole = {path: path.read_bytes() for path in chosen}
        for path, data in whole.items():
            kind = rng.choice(list(KINDS))
            changed = KINDS[kind](data, rng) if len(data) > 1 else None
            made[kind if len(data) > 1 else "deleted"] += 1
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
        named = problems_of(root)
        missed += sum(not any(str(path) in sentence for sentence in named) for path in chosen)
        blamed += sum(not any(str(path) in sentence for path in chosen) for sentence in named)
        for path, data in whole.items():
            path.write_bytes(data)
    return DamageCounts(made, missed, blamed)


def cut_after_line(data: bytes, rng: random.Random) -> bytes:
    """The end of a ledger lost where a line ends, so that every line that is left is whole."""
    ends = [place + 1 for place, byte in enumerate(data[:-1]) if byte == ord("\n")]
    return data[: rng.choice([0, *ends])]


LEDGER_KINDS = {**KINDS, "cut after a line": cut_after_line}


def damage_ledgers(root: Path, count: int, seed: int) -> DamageCounts:
    """The ledgers, the record of finished steps and the recipe damaged one at a time; all are left as they were.

    They are what everything else is held against, so that no other file can be judged beside a damaged one.
    """
    rng, made = random.Random(seed), Counter[str]()
    missed = blamed = 0
    files = [*sorted((root / "ledger").iterdir()), RunFolder(root).recipe]
    for _ in range(count):
        path, kind = rng.choice(files), rng.choice(list(LEDGER_KINDS))
        whole = path.read_bytes()
        changed = LEDGER_KINDS[kind](whole, rng)
        made[kind] += 1
        if changed is None:
            path.unlink()
        else:
            path.write_bytes(changed)
        named = problems_of(root)
        missed += not any(str(path) in sentence for sentence in named)
        blamed += sum(str(path) not in sentence for sentence in named)
        path.write_bytes(whole)
    return DamageCounts(made, missed, blamed)


FOREIGN_PLACES = ("", "ledger", "tables", "figures", "export", "elsewhere", "cube.zarr/2020/croplayer/c/9999")


def add_foreign_files(root: Path) -> DamageCounts:
    """A file that no step made put into each place of a run, one at a time; the run is left as it was."""
    made, missed, blamed = Counter[str](), 0, 0
    for place in FOREIGN_PLACES:
        folder = root / place
        was_there = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "foreign.jsonl").write_text("foreign")
        made["foreign"] += 1
        named = problems_of(root)
        missed += not any(str(folder) in sentence and "remove it" in sentence for sentence in named)
        blamed += max(0, len(named) - 1)
        (folder / "foreign.jsonl").unlink()
        if not was_there:
            folder.rmdir()
    return DamageCounts(made, missed, blamed)


def problems_of(root: Path) -> list[str]:
    """Sentences of verify; a run whose recipe is gone is one sentence that names it."""
    folder = RunFolder(root)
    try:
        return [p.sentence for p in find_problems(folder)]
    except FileNotFoundError as error:
        return [str(error)]
