"""Stage compare: compare the maps with other products and a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from croplayer.evaluation.maps import agreement_table, product_table
from croplayer.evaluation.products import definition_table, deviation_table, slope_table
from croplayer.files.tables import block_areas_km2, write_csv, write_parquet
from croplayer.products.legend import read_legend
from croplayer.tasks.compare import CompareTask
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule
from pipelines.engine.steps import BlockStep, OutputStep
from pipelines.recipe import Recipe
from pipelines.stages.maps import maps_found
from stores.durable import digest_file
from stores.legends import INTEGRATED, own_maps


def compares(recipe: Recipe) -> bool:
    """Whether a recipe names another map."""
    return bool(recipe.products) or recipe.reference is not None


def compare(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Measure the products in every block, and compare our maps with them."""
    has_maps = bool(inputs.sources)
    task = CompareTask(inputs.grid, output.cube_if_any, inputs.products, inputs.reference)
    yield BlockStep(
        name="compare",
        made_of={
            "products": inputs.product_settings,
            "product_order": [p.name for p in inputs.products],
            "reference": inputs.reference.name if inputs.reference else None,
            "block_px": inputs.grid.block_px,
            "maps": own_maps(inputs.recipe.source_names) if has_maps else None,
        },
        blocks=done["integrate"].blocks if has_maps else inputs.blocks,
        task_for=lambda blocks: task,
        blocks_per_task=64 if has_maps else 1024,
        follows=maps_found(done) if has_maps else None,
        reading=task.reading,
    )


def compare_tables(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write the tables of the comparison: agreement, products, deviations, slopes, definitions."""
    maps = own_maps(inputs.recipe.source_names)
    legends = {p.name: read_legend(p.legend) for p in inputs.recipe.products if p.legend}

    def make() -> Sequence[Path]:
        blocks = done["compare"].table()
        paths = [write_parquet(output.folder.table("compared_blocks.parquet"), blocks)]
        if inputs.sources:
            integrated = done["integrate"].table().drop(columns=["row", "col"])
            blocks = blocks.merge(integrated, on="block")
            areas = block_areas_km2(inputs.grid, blocks.row)
            blocks = blocks.assign(block_km2=areas, block_pixels=inputs.grid.block_px**2)
        names = [p.name for p in inputs.products]
        agreements = [agreement_table(blocks, [*maps, *names], other.name) for other in inputs.other_maps]
        if any(len(a) for a in agreements):
            paths.append(write_csv(output.folder.table("agreement.csv"), pd.concat(agreements, ignore_index=True)))
        if inputs.sources and names:
            paths.append(write_csv(output.folder.table("products.csv"), product_table(blocks, names, INTEGRATED)))
            terrain = done["assess"].table().filter(["block", "slope_deg"])
            paths += _deviations(output, blocks.merge(terrain, on="block", how="left"), names)
        if names:
            table = definition_table(inputs.products, legends)
            paths.append(write_csv(output.folder.table("definitions.csv"), table))
        return paths

    yield OutputStep(
        name="compare_tables",
        made_of={
            "compare": done["compare"].digest,
            "maps": maps,
            "products": inputs.product_settings,
            "product_order": [p.name for p in inputs.products],
            "legends": {name: digest_file(legend.path).sha256 for name, legend in legends.items()},
            "terrain": done["assess"].digest if inputs.sources else None,
        },
        make=make,
    )


def _deviations(output: Output, blocks: pd.DataFrame, names: Sequence[str]) -> list[Path]:
    """Deviations of the products from our map, by place and, where the slope is known, by slope."""
    table = deviation_table(blocks, names, INTEGRATED)
    paths = [write_csv(output.folder.table("product_deviations.csv"), table)]
    if "slope_deg" in blocks:
        paths.append(write_csv(output.folder.table("product_slopes.csv"), slope_table(blocks, names, INTEGRATED)))
    return paths


RULES = (
    Rule(
        "compare",
        "compare",
        after=("segment", "integrate"),
        applies=compares,
        code=("croplayer.tasks.compare",),
        steps=compare,
    ),
    Rule(
        "compare_tables",
        "compare",
        after=("assess", "integrate", "compare"),
        applies=compares,
        code=(__name__,),
        steps=compare_tables,
    ),
)
