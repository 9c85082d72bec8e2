"""What a finished run tells of its map, for packages and catalogs."""

from __future__ import annotations

import json
from typing import Any

from pipelines.recipe_files import load_resolved_recipe
from pipelines.recipe_parts import Publication
from stores.map_facts import MapFacts
from stores.run_folder import RunFolder


def facts_of(folder: RunFolder) -> MapFacts:
    """The facts about the map of a run, from its recipe and its provenance.

    Raises FileNotFoundError for a folder without them, ValueError for a run whose provenance names no licences yet.
    """
    for path in (folder.recipe, folder.provenance):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist, so nothing tells whose map this is; give the folder of a run"
            )
    recipe = load_resolved_recipe(folder)
    provenance: dict[str, Any] = json.loads(folder.provenance.read_text(encoding="utf-8"))
    if "licences" not in provenance:
        raise ValueError(
            f"{folder.provenance} names no licences, because an earlier version wrote it; run the recipe again, which redoes "
            "only what changed"
        )
    own = recipe.publication or Publication()
    return MapFacts(
        name=recipe.name, title=recipe.title, about=recipe.about, edition=recipe.edition, version=str(provenance["croplayer"]),
        block_px=recipe.grid.block_px, sources=recipe.source_names, licence=own.licence, terms=own.terms,
        producer=own.producer, citation=own.citation,
        inputs=tuple(folder.licensed_inputs),
    )  # fmt: skip
