"""What the maps of a run say, as what later steps are made of."""

from __future__ import annotations

from pipelines.engine.rules import Earlier


def maps_digest(done: Earlier) -> dict[str, str]:
    """Digest of what every map says: the sources' masks, and the integrated one."""
    return {"masks": done["segment"].digest, "integrated": done["integrate"].digest}
