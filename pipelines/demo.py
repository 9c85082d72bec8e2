"""The synthetic country of the demo."""

from __future__ import annotations

import json
from pathlib import Path

ZOOM = 14


def make_demo_country(out: Path) -> None:
    """Write the country's files unless they are complete."""
    from croplayer.landscape.make import DEMO_BOUNDS, DEMO_SEED, make_country
    from pipelines.engine.code import code_digest

    stamp = out / "made_by.json"
    wanted = {
        "code": code_digest(("croplayer.landscape.make",)),
        "seed": DEMO_SEED,
        "bounds": list(DEMO_BOUNDS),
        "zoom": ZOOM,
    }
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return
    make_country(out, seed=DEMO_SEED, bounds=DEMO_BOUNDS, zoom=ZOOM, training_scenes=0, coverage_samples=0)
    stamp.write_text(json.dumps(wanted))
