"""The small recipe of the tests in other forms."""

from __future__ import annotations

import re
from pathlib import Path

from shared.places import SMALL_RECIPE


def recipe_without_training(country: Path) -> str:
    """The small recipe with models that come along in the place of those that it trains."""
    text = SMALL_RECIPE.read_text(encoding="utf-8").replace("$COUNTRY", str(country))
    text = re.sub(r"\[(\w+)\.training\]\n(?:.+\n)+", "", text)
    return text.replace("small_segmentation", "landscape").replace("small_coverage", "landscape_coverage")
