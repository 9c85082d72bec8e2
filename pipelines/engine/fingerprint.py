"""Texts that change when something a result depends on changes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import croplayer
import pipelines
import stores
from stores.durable import digest_file, digest_text


@cache
def code_digest(package: str = "") -> str:
    """Digest of the source code of all rooms, or of one package of croplayer."""
    rooms = [croplayer, pipelines, stores] if not package else [croplayer]
    roots = [Path(str(room.__file__)).parent / package for room in rooms]
    files = [(p.relative_to(root), p) for root in roots for e in ("py", "html") for p in sorted(root.rglob(f"*.{e}"))]
    return digest_text("\n".join(f"{name.as_posix()} {digest_file(path).sha256}" for name, path in files))


def fingerprint(step: str, **parts: Any) -> str:
    """Fingerprint of a step from its name, the code and everything named that it depends on."""
    return digest_text(json.dumps({"step": step, "code": code_digest(), **parts}, sort_keys=True, default=str))
