"""What is to be expected of a run's imagery and model before anything is read: coverage, gaps and sizes of pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from croplayer.evaluation.source_coverage import Coverage
from croplayer.models.networks.manifest import read_manifest
from croplayer.sources.ground import pixel_of_source_m

if TYPE_CHECKING:
    from pipelines.engine.inputs import Inputs

FAR_FROM_MODEL = 1.25
"""Factor beyond the sizes of pixels that a model learned from, from which on a run is warned of."""
FAR_FROM_IMAGERY = 2.0
"""Factor between the pixels of the map and of the imagery from which on a run is warned of."""
FOLDS_OF_BLOCK_PX = 64
"""Recommended numbers of pixels are multiples of this, or of the recipe's cell where that is smaller."""


class PixelSizes(NamedTuple):
    """Edges of pixels in the middle of the region, metres."""

    map_m: float
    sources_m: tuple[float | None, ...]
    """Those of each source's own imagery; None where nothing tells them."""
    model_m: tuple[float, float] | None
    """Smallest and largest that the segmentation model learned from; None without one."""
    recommended_block_px: int | None
    """Pixels of a block of about the size of `fitting_pixel_m`."""

    @property
    def is_coarse_for_model(self) -> bool:
        """Whether even the finest imagery has coarser pixels than the model learned from."""
        own = min((m for m in self.sources_m if m is not None), default=0.0)
        return self.model_m is not None and own > self.model_m[1] * FAR_FROM_MODEL

    def strange_to_model(self, model: str) -> str:
        """That the model meets pixels of other sizes than it learned from, as a clause; empty where it does not."""
        if self.model_m is None:
            return ""
        low, high = self.model_m
        learned = f"the model '{model}' learned from pixels of {low:g} to {high:g} m"
        if self.is_coarse_for_model:
            finest = min(m for m in self.sources_m if m is not None)
            return f"{learned}, but the finest imagery has pixels of {finest:.3g} m"
        if not low / FAR_FROM_MODEL <= self.map_m <= high * FAR_FROM_MODEL:
            return f"{learned}, but the map has pixels of {self.map_m:.3g} m"
        return ""


def pixel_sizes(inputs: Inputs) -> PixelSizes:
    """The sizes of pixels of the map, the imagery and the model."""
    block = inputs.blocks[len(inputs.blocks) // 2]
    edge_m = 1000 * math.sqrt(inputs.grid.block_km2(block.row))
    sources = tuple(pixel_of_source_m(source, block) for source in inputs.sources)
    model = model_pixel_m(inputs)
    known = [m for m in sources if m is not None]
    recommended = None
    if known or model:
        wanted = fitting_pixel_m(min(known) if known else math.sqrt(model[0] * model[1]) if model else 1.0, model)
        step = min(FOLDS_OF_BLOCK_PX, inputs.recipe.grid.cell_px)
        recommended = max(step, round(edge_m / wanted / step) * step)
    return PixelSizes(edge_m / inputs.grid.block_px, sources, model, recommended)


def fitting_pixel_m(own_m: float, model_m: tuple[float, float] | None) -> float:
    """The pixel in metres that a map of imagery should have: the imagery's own, but within what the model learned from.

    Imagery of much coarser pixels than the model knows keeps its own: made so much finer, it shows the model nothing known.
    """
    if model_m is None or own_m > FAR_FROM_IMAGERY * model_m[1]:
        return own_m
    return min(max(own_m, model_m[0]), model_m[1])


def model_pixel_m(inputs: Inputs) -> tuple[float, float] | None:
    """Smallest and largest pixel that the segmentation model learned from, or will; None without one."""
    part = inputs.recipe.segmentation
    folder = inputs.models.folders(inputs.recipe).get("segmentation")
    if folder is not None:
        return read_manifest(folder).ground_sample_distance_m
    return inputs.models.training_of(part).gsd_m if part is not None else None


def warnings_of(inputs: Inputs, coverage: Coverage, sizes: PixelSizes) -> Iterator[str]:
    """Sentences about what the recipe allows and most likely nobody wants."""
    names = inputs.recipe.source_names
    for i, (name, share) in enumerate(zip(names, coverage.shares, strict=True), start=1):
        nodata, imagery = coverage.nodata[i - 1], coverage.with_imagery[i - 1]
        if share == 0:
            yield f"[[sources]] {i}: '{name}' covers none of the {coverage.blocks} blocks that were looked at"
        elif imagery and nodata and 2 * nodata > imagery:
            yield (
                f"[[sources]] {i}: '{name}' has gaps of more than [coverage] nodata_above in {nodata} of the {imagery} blocks "
                "with imagery that were looked at; they would be Nodata, and not mapped from it"
            )
    if coverage.both == 0 and all(coverage.shares):
        yield (
            f"[[sources]]: '{names[0]}' and '{names[1]}' share no ground in the {coverage.blocks} blocks that were looked at, so "
            "neither confirms the other"
        )
    yield from _of_pixels(inputs, sizes)


def _of_pixels(inputs: Inputs, sizes: PixelSizes) -> Iterator[str]:
    px, part = inputs.recipe.grid.block_px, inputs.recipe.segmentation
    hint = f"; recommended is block_px = {sizes.recommended_block_px}" if sizes.recommended_block_px else ""
    is_best = sizes.recommended_block_px == px
    strange = sizes.strange_to_model(part.model) if part is not None else ""
    if strange and sizes.is_coarse_for_model:
        yield f"[segmentation]: {strange}; name or train a model of such imagery"
        return
    if strange:
        yield f"[grid]: block_px = {px}: {strange}{'' if is_best else hint}"
        return
    for i, pixel_m in enumerate(sizes.sources_m, start=1):
        is_far = pixel_m is not None and not 1 / FAR_FROM_IMAGERY <= sizes.map_m / pixel_m <= FAR_FROM_IMAGERY
        if is_far and not is_best:
            yield (
                f"[grid]: block_px = {px} gives pixels of {sizes.map_m:.3g} m, but [[sources]] {i} has pixels of "
                f"{pixel_m:.3g} m{hint}"
            )
            return
