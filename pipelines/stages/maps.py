"""Digests of the maps of a run, for what later steps are made of."""

from __future__ import annotations

from pipelines.engine.rules import Earlier
from stores.block_digests import BlockDigests


def maps_found(done: Earlier) -> BlockDigests:
    """Digest of the maps of each block: the sources' masks, and the integrated one."""
    return done["integrate"].found.joined(done["segment"].found)


def maps_digest(done: Earlier) -> dict[str, str]:
    """Digests of the maps: the sources' masks, and the integrated one."""
    return {"masks": done["segment"].digest, "integrated": done["integrate"].digest}
