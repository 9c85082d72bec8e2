"""Digests of the maps of a run, for what later steps are made of."""

from __future__ import annotations

from pipelines.engine.rules import Earlier


def maps_digest(done: Earlier) -> dict[str, str]:
    """Digests of the maps: the sources' masks, and the integrated one."""
    return {"masks": done["segment"].digest, "integrated": done["integrate"].digest}
