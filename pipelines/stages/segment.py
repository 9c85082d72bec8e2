"""Stage segment: cropland probability and mask of every source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from croplayer.models.bundles.runtimes import (
    CPU,
    CUDA,
    DEVICES,
    OF_TORCH,
    TORCH_BF16,
    device_and_precision,
    has_cuda,
    runtime_version,
)
from croplayer.models.networks.cells import cells_at_once
from croplayer.tasks.segment import SegmentTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep
from pipelines.recipe_models import Segmentation


def segment(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Write probability and mask of every block that has imagery in the cube."""
    recipe, grid = inputs.recipe, inputs.recipe.grid
    part = recipe.segmentation
    if part is None:
        raise ValueError(f"recipe '{recipe.name}' has no [segmentation]")
    mosaic = done["mosaic"]
    blocks = mosaic.blocks
    digest = inputs.models.digests(recipe)["segmentation"]
    device = _device(part, output)
    task = SegmentTask(
        cube=output.cube,
        sources=inputs.sources,
        mosaicked=frozenset(),
        model=str(inputs.models.segmentation(part)),
        model_digest=digest,
        cell_px=min(grid.cell_px, grid.block_px),
        blend_px=grid.blend_px,
        batch_cells=part.batch_cells or cells_at_once(device),
        threshold=part.threshold,
        runtime=part.runtime,
        device=device,
        mirrors=part.mirrors,
    )
    yield BlockStep(
        name="segment",
        made_of={
            "mosaic": mosaic.step.fingerprint,  # the content of each block is in `known`
            "model": digest,
            "cell_px": task.cell_px,
            "blend_px": task.blend_px,
            "batch_cells": task.batch_cells,
            "threshold": task.threshold,
            "runtime": runtime_version(part.runtime),
            "device": device_and_precision(device, part.runtime) if part.runtime in OF_TORCH else device,
            "mirrors": part.mirrors,
        },
        blocks=blocks,
        task_for=lambda group: task.narrowed(group, blocks),
        blocks_per_task=8,
        runs_network=True,
        reading=replace(task.reading, but=blocks),
        known=mosaic.results.contents(),
    )


def _device(part: Segmentation, output: Output) -> str:
    """Kind of device that the network runs on.

    A map is finished on the kind of device that it was begun on: the last bits of what a GPU and a CPU compute differ, so
    blocks of both would not match at their edges.
    """
    if part.runtime not in OF_TORCH:
        return CPU
    if part.runtime == TORCH_BF16:
        return CUDA
    if part.device != "auto":
        return part.device
    begun = output.folder.memory.entries().get("segment")
    before = begun.made_of.get("device", "").split()[:1] if begun else []
    if before and before[0] in DEVICES:
        return before[0]
    return CUDA if has_cuda() else CPU


RULES = (
    Rule(
        "segment",
        "segment",
        after=("learn", "mosaic"),
        applies=maps,
        code=("croplayer.tasks.segment",),
        steps=segment,
        imports=(
            "croplayer.tasks.segment",
            "croplayer.models.networks.inference",
            "croplayer.models.bundles.familiarity_file",
        ),
    ),
)
