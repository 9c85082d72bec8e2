"""Who works on what: each thing is handed to one person, until that person is done or has been away for a while."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import filelock

from stores.durable import write_durable

AWAY = timedelta(minutes=20)
"""A claim expires when its person has pressed no key for this long."""
PATIENCE_S = 5.0


class Claim(NamedTuple):
    """A person works on something."""

    subject: str
    person: str
    until: datetime


def claims_of(folder: Path, now: datetime) -> tuple[Claim, ...]:
    """The claims that have not expired, sorted.

    A damaged file holds none: at worst two people look at the same.

    Parameters
    ----------
    folder : the label project's folder
    """
    try:
        stored = json.loads(_path(folder).read_text(encoding="utf-8"))
        claims = [Claim(str(s), str(p), datetime.fromisoformat(u)) for s, p, u in stored]
        return tuple(sorted(claim for claim in claims if claim.until > now))
    except (OSError, ValueError, TypeError):
        return ()


def claim_first(
    folder: Path, person: str, now: datetime, wanted: Sequence[str], places: Mapping[str, int]
) -> str | None:  # fmt: skip
    """Claim the first of some subjects that has a place left, and give up what the person claimed before.

    Parameters
    ----------
    wanted : subjects in the order in which they are handed out
    places : how many people may work on each at the same time; 0 hands it to nobody

    Returns
    -------
    The subject, or None when none has a place left

    Raises
    ------
    OSError
        if the claims cannot be written
    """
    path = _path(folder)
    try:
        with filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=PATIENCE_S):
            others = [claim for claim in claims_of(folder, now) if claim.person != person]
            taken = [claim.subject for claim in others]
            found = next((s for s in wanted if taken.count(s) < places.get(s, 1)), None)
            own = [] if found is None else [Claim(found, person, now + AWAY)]
            stored = [(c.subject, c.person, c.until.isoformat()) for c in sorted([*others, *own])]
            write_durable(path, json.dumps(stored, ensure_ascii=False, indent=0).encode())
            return found
    except filelock.Timeout:
        raise OSError(f"{path} is in use by another process; try again") from None
    except OSError as error:
        raise OSError(
            f"nothing can be handed out, because {path} cannot be written ({error.strerror or error}); make room and try again"
        ) from None


def _path(folder: Path) -> Path:
    return folder / "claims.json"
