"""Texts that change when something a result depends on changes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import croplayer
from croplayer.durable import digest_file, digest_text


@cache
def code_digest(package: str = "") -> str:
    """Digest of the source code of croplayer, or of one of its packages."""
    root = Path(croplayer.__file__).parent / package
    parts = [f"{p.relative_to(root).as_posix()} {digest_file(p).sha256}" for p in sorted(root.rglob("*.py"))]
    return digest_text("\n".join(parts))


def fingerprint(step: str, **parts: Any) -> str:
    """Fingerprint of a step from its name, the code and everything named that it depends on."""
    return digest_text(json.dumps({"step": step, "code": code_digest(), **parts}, sort_keys=True, default=str))
