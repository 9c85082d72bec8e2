"""Stage assess: image quality, coverage type and terrain of every block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from croplayer.tasks.assess import AssessTask
from croplayer.vector.region import Region, parts_of_region
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Done, Earlier, Rule, maps
from pipelines.engine.steps import BlockStep
from stores.block_digests import BlockDigests
from stores.columns import VALID_FRACTION, map_column
from stores.legends import NODATA_ABOVE


def assess(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Measure the imagery and the terrain of every block that has imagery in the cube."""
    mosaic, coverage = done["mosaic"], inputs.recipe.coverage
    folder = str(inputs.models.coverage(coverage)) if coverage else None
    digest = inputs.models.digests(inputs.recipe).get("coverage")
    nodata_above = coverage.nodata_above if coverage else NODATA_ABOVE
    region, blocks = inputs.pixel_region, mosaic.blocks
    task = AssessTask(output.cube, inputs.elevation, folder, digest, nodata_above, region)
    yield BlockStep(
        name="assess",
        made_of={
            "elevation": inputs.elevation.settings() if inputs.elevation else None,
            "model": digest,
            "nodata_above": nodata_above,
        },
        blocks=blocks,
        task_for=lambda group: task.narrowed(group, blocks),
        blocks_per_task=16,
        follows=mosaic.found.joined(surroundings(mosaic, region, inputs.recipe.source_names)),
        reading=task.reading,
    )


def surroundings(mosaic: Done, region: Region, sources: Sequence[str]) -> BlockDigests:
    """What decides, beside its own imagery, which ground of a block is a gap; nothing where imagery fills it or is absent.

    These are the imagery of the four blocks beside it, and the part of it that lies in the region.
    """
    columns = [map_column(VALID_FRACTION, source) for source in sources]
    shares = ([float(values.get(column) or 0.0) for column in columns] for values in mosaic.results.values())
    partial = [b for b, each in zip(mosaic.blocks, shares, strict=True) if any(0 < share < 1 for share in each)]
    parts = zip(partial, parts_of_region(region, partial), strict=True)
    texts = {b: f"{part} {[mosaic.found.of(near) for near in b.beside if near in mosaic.blocks]}" for b, part in parts}
    return BlockDigests.of_texts(mosaic.blocks, (texts.get(block, "") for block in mosaic.blocks))


RULES = (
    Rule(
        "assess",
        "assess",
        after=("learn", "mosaic"),
        applies=maps,
        code=("croplayer.tasks.assess",),
        steps=assess,
        imports=("croplayer.tasks.assess", "croplayer.models.networks.coverage_network", "skimage.registration"),
    ),
)
