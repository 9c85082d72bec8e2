"""Damage files of a finished run in every way, and see whether each is found."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipelines.verify import find_problems
from stores.run_folder import RunFolder

BATCH = 50
"""Files damaged at a time."""


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


def problems_of(root: Path) -> list[str]:
    """Sentences of verify; a run whose recipe is gone is one sentence that names it."""
    folder = RunFolder(root)
    try:
        return [p.sentence for p in find_problems(folder)]
    except FileNotFoundError as error:
        return [str(error)]


def damage_ledgers(root: Path, count: int, seed: int) -> int:
    """Bits flipped in the ledgers of a run, one at a time; returns how many were not found."""
    rng, missed = random.Random(seed), 0
    ledgers = sorted((root / "ledger").iterdir())
    for _ in range(count):
        path = rng.choice(ledgers)
        whole = path.read_bytes()
        path.write_bytes(flip(whole, rng))
        missed += not problems_of(root)
        path.write_bytes(whole)
    return missed
