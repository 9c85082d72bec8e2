"""Size of a run, computed from its recipe alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from croplayer.evaluation.source_coverage import Coverage, coverage_of
from croplayer.evaluation.statistics import years_apart
from croplayer.models.networks.manifest import bundle_digest
from pipelines.engine.expected import pixel_sizes, warnings_of
from pipelines.extrapolate import extrapolated, read_pilot
from pipelines.recipe import Recipe
from pipelines.recipe_data import needs_of
from pipelines.recipe_sources import FolderSource, HttpSource
from pipelines.run import Run
from pipelines.stages.order import stage_names
from stores.legends import FOREIGN, NODATA_ABOVE

RGB_BYTES, MASK_BYTES, FIELD_BYTES = 3, 1, 5
MASKS_PER_SOURCE = 3
"""imagery_valid, cropland_probability and cropland; boundary_probability comes on top where the model tells it."""


def plan_of(run: Run, pilot: Path | None = None) -> dict[str, Any]:
    """Blocks, tiles, bytes before compression, stages, coverage and sizes of pixels of a recipe, and what to be warned of.

    Parameters
    ----------
    pilot : folder of a finished run of similar blocks, from which time, disk space and object count are estimated
    """
    recipe, root = run.recipe, run.output.folder.root
    facts: dict[str, Any] = {"recipe": recipe.name, "stages": ", ".join(stage_names(run.rules))}
    needs = needs_of(recipe, root)
    facts |= {f"data in {need.folder}": "there" if need.is_there else need.sentence for need in needs}
    if recipe.region is None:
        return facts
    run.check()
    blocks, n = run.inputs.blocks, run.inputs.grid.block_px
    facts["blocks"] = len(blocks)
    facts["pixels per block"] = f"{n} x {n}"
    facts["region"] = ", ".join(f"{v:.4f}" for v in run.inputs.bounds)
    for source in recipe.sources:
        if isinstance(source, FolderSource | HttpSource):
            facts[f"tiles of {source.name}"] = round(sum(_tiles_of_block(run, row, source.zoom) for row, _ in blocks))
    masks = MASKS_PER_SOURCE + run.inputs.models.tell_boundaries(recipe)
    once = MASK_BYTES + (FIELD_BYTES if recipe.fields else 0)
    per_block = len(recipe.sources) * n * n * (RGB_BYTES + masks * MASK_BYTES) + n * n * once
    facts["uncompressed GB at most"] = round(len(blocks) * per_block / 1e9, 3) if recipe.sources else 0
    cells = (math.ceil(n / min(recipe.grid.cell_px, n)) + 1) ** 2
    facts["cells to segment"] = len(blocks) * cells * len(recipe.sources)
    models = run.inputs.models.folders(recipe)
    for kind, part in (("segmentation", recipe.segmentation), ("coverage", recipe.coverage)):
        if part is not None:
            facts[f"{kind} model"] = "available" if kind in models else "to be trained first"
    if recipe.sources:
        facts |= _imagery(run)
    facts |= {"warnings": told} if (told := [*facts.pop("warnings", []), *_of_years(recipe)]) else {}
    if pilot is not None:
        facts |= extrapolated(read_pilot(pilot), len(blocks), n, recipe.cluster.workers)
    else:
        facts["hours, disk, objects"] = (
            "not known; run some similar blocks and name that run with --pilot to learn them"
        )
    return facts


def _imagery(run: Run) -> dict[str, Any]:
    """Coverage and expected Nodata of the sources, and the pixels of the map, the imagery and the model."""
    inputs, names = run.inputs, run.recipe.source_names
    coverage, sizes = _coverage(run), pixel_sizes(inputs)
    where = "region" if coverage.is_whole else f"{coverage.blocks} blocks looked at"
    facts: dict[str, Any] = {}
    for i, name in enumerate(names):
        share, nodata, own = coverage.shares[i], coverage.nodata[i], sizes.sources_m[i]
        facts[f"coverage of {name}"] = (
            "not known before its provider is asked" if share is None else f"{share:.1%} of the {where}"
        )
        if nodata is not None:
            facts[f"expected Nodata of {name}"] = (
                f"{nodata} of {coverage.with_imagery[i]} blocks with imagery, by gaps between files"
            )
        if own is not None:
            facts[f"pixel of {name}"] = f"about {own:.3g} m"
    if coverage.both is not None:
        facts["coverage of both"] = f"{coverage.both:.1%} of the {where}"
    facts["pixel of the map"] = f"{sizes.map_m:.3g} m"
    if sizes.model_m is not None:
        facts["pixels of the model"] = "{:g} to {:g} m".format(*sizes.model_m)
    if sizes.recommended_block_px is not None:
        facts["recommended block_px"] = sizes.recommended_block_px
    familiar = _familiarity(run)
    facts |= {f"familiarity of {name}": f"{share:.2f}" for name, share in familiar.items()}
    warnings = [*warnings_of(inputs, coverage, sizes), *foreign_warnings(run.recipe, familiar)]
    if warnings:
        facts["warnings"] = warnings
    return facts


def _familiarity(run: Run) -> dict[str, float]:
    """Median familiarity to the network of the sources of which it is told from the files here, by name."""
    from croplayer.evaluation.source_familiarity import familiarity_of_sources

    inputs, names = run.inputs, run.recipe.source_names
    folder = inputs.models.folder(run.recipe, "segmentation")
    if folder is None:
        return {}
    found = familiarity_of_sources(folder, bundle_digest(folder), inputs.sources, inputs.blocks, inputs.grid)
    return {name: share for name, share in zip(names, found, strict=True) if share is not None}


def foreign_warnings(recipe: Recipe, familiar: Mapping[str, float]) -> Iterator[str]:
    """Sentences about sources whose imagery is foreign to the network, of familiarities by the name of the source."""
    model = recipe.segmentation.model if recipe.segmentation else ""
    for i, name in enumerate(recipe.source_names, start=1):
        if familiar.get(name, 1.0) < FOREIGN:
            yield (
                f"[[sources]] {i}: '{name}' looks like almost none of the scenes that the model '{model}' learned from (familiarity "
                f"{familiar[name]:.2f}), so its figures say nothing about this imagery; map some blocks and look at them, or "
                "train on scenes of it"
            )


def warnings_before(run: Run) -> list[str]:
    """What to be warned of before a run begins: sources without common ground, gaps, pixels or years that do not fit."""
    of_imagery = warnings_of(run.inputs, _coverage(run), pixel_sizes(run.inputs)) if run.recipe.sources else ()
    return [*of_imagery, *_of_years(run.recipe)]


def _of_years(recipe: Recipe) -> Iterator[str]:
    apart = years_apart(recipe.statistics.year, recipe.edition) if recipe.statistics else ""
    if apart:
        yield f"[statistics]: {apart}"


def _coverage(run: Run) -> Coverage:
    inputs, part = run.inputs, run.recipe.coverage
    nodata_above = part.nodata_above if part else NODATA_ABOVE
    return coverage_of(inputs.sources, inputs.blocks, inputs.pixel_region, nodata_above)


def _tiles_of_block(run: Run, row: int, zoom: int) -> float:
    """Tiles under a block: 2**zoom tiles around the equator, narrower towards the poles."""
    n = run.inputs.grid.block_px
    latitude = math.radians(float(run.inputs.grid.latitudes(row * n + n // 2, 1)[0]))
    along = 0.05 / 360 * 2**zoom
    return along * along / math.cos(latitude)
