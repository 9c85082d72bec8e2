"""Stage evaluate: the maps at three levels, parcel by parcel, and areas from a reviewed sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.evaluation.levels import level_table
from croplayer.files.tables import read_csv, write_csv, write_parquet
from croplayer.products.product import Product
from croplayer.tasks.evaluate import EvaluateTask
from croplayer.vector.read import digest_vector
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier, Rule, maps
from pipelines.engine.steps import BlockStep, OutputStep
from pipelines.recipe import Recipe
from pipelines.stages.maps import maps_digest, maps_found
from stores.block_list import BlockList
from stores.durable import digest_file
from stores.grid import BlockIndex, BlockRange, Bounds
from stores.legends import INTEGRATED, NEVER_PROCESSED, own_maps

MOST_PARCEL_BLOCKS = 25
"""Parcels are labelled in one piece; this many blocks of 2,560 px are about 10 GB."""


def has_parcels(recipe: Recipe) -> bool:
    """Whether a recipe names reference parcels to compare its maps with."""
    return maps(recipe) and recipe.evaluation.parcels is not None


def has_sample(recipe: Recipe) -> bool:
    """Whether a recipe names a reviewed sample of its map."""
    return maps(recipe) and recipe.evaluation.sample is not None


def _classes_taken_as_true(inputs: Inputs) -> Product | None:
    """The reference, unless it holds percentages, which do not give the class of a pixel."""
    return inputs.reference if inputs.reference and not inputs.reference.is_percent else None


def evaluate(inputs: Inputs, output: Output, done: Earlier) -> Iterator[BlockStep]:
    """Measure every block's maps, and compare them with the reference."""
    reference = _classes_taken_as_true(inputs)
    task = EvaluateTask(output.cube, reference)
    yield BlockStep(
        name="evaluate",
        made_of={
            "reference": inputs.product_settings[reference.name] if reference else None,
            "maps": own_maps(inputs.recipe.source_names),
        },
        blocks=done["integrate"].blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
        follows=maps_found(done),
        reading=task.reading,
    )


def levels(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/levels.csv``, the evaluation at three levels, and the values of the blocks that it is made from."""
    recipe, folder = inputs.recipe, output.folder
    has_units = any(a.level == 1 for a in recipe.admin)
    reference = _classes_taken_as_true(inputs)
    method = folder.table("integration_method.csv")

    def make() -> Sequence[Path]:
        evaluated = done["evaluate"].table()
        units = read_csv(folder.table("units_1.csv")) if has_units else None
        blocks = pd.DataFrame(gpd.read_parquet(folder.blocks).drop(columns="geometry"))
        names = own_maps(recipe.source_names)
        # An integration by rules takes only masks judged correct, so its share would be 1 for any map.
        by_rules = pd.isna(read_csv(method).accuracy[0])
        judged = [m for m in names if m != INTEGRATED or not by_rules]
        table = level_table(
            blocks, evaluated, units, names, recipe.source_names, reference.name if reference else None, judged,
            recipe.decisions.correct,
        )  # fmt: skip
        return [
            write_parquet(folder.table("evaluated_blocks.parquet"), evaluated),
            write_csv(folder.table("levels.csv"), table),
        ]

    yield OutputStep(
        name="levels",
        made_of={
            "evaluate": done["evaluate"].digest,
            "blocks": done["block_table"].digest,
            "units": digest_file(folder.table("units_1.csv")).sha256 if has_units else None,
            "method": digest_file(method).sha256,
            "correct": recipe.decisions.correct,
        },
        make=make,
    )


def parcels(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/parcels.csv``: over- and under-segmentation of every map against reference parcels."""
    path = Path(str(inputs.recipe.evaluation.parcels))

    def make() -> Sequence[Path]:
        from croplayer.evaluation.parcels import parcel_scores, parcel_summary
        from croplayer.vector.polygons import read_polygons

        drawn = read_polygons(path, "parcels")
        summaries = []
        parts = []
        # A block of other settings, or outside a region that was narrowed, still has its old pixels in the cube.
        finished = done["integrate"].blocks
        for name, numbers, mask, row_km2 in _parcel_windows(inputs, output, path, drawn, finished):
            scores = parcel_scores(numbers, mask, row_km2)
            summaries.append({"map": name} | parcel_summary(scores, len(drawn)))
            parts.append(scores.assign(map=name))
        return [
            write_csv(output.folder.table("parcels.csv"), pd.DataFrame(summaries)),
            write_parquet(output.folder.table("parcels.parquet"), pd.concat(parts, ignore_index=True)),
        ]

    yield OutputStep(name="parcels", made_of={"maps": maps_digest(done), "parcels": digest_vector(path)}, make=make)


def _parcel_windows(
    inputs: Inputs, output: Output, path: Path, drawn: gpd.GeoDataFrame, finished: BlockList
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Map, parcel numbers, mask and pixel areas of the blocks around the reference parcels, one map after the other."""
    from croplayer.cube.maps import read_maps
    from croplayer.evaluation.parcels import parcel_numbers

    grid = inputs.grid
    near = [b for b in grid.blocks_in(Bounds(*drawn.total_bounds)) if b in inputs.blocks]
    if not near:
        raise ValueError(f"parcels {path} lie outside the region; give parcels of the mapped land")
    around = BlockRange.around(near)
    if around.rows * around.cols > MOST_PARCEL_BLOCKS:
        raise ValueError(
            f"parcels {path} spread over {around.rows} x {around.cols} blocks; at most {MOST_PARCEL_BLOCKS} are "
            "compared at a time, so give parcels of a smaller region"
        )
    window = around.window(grid)
    numbers = parcel_numbers(drawn, window, grid)
    row_km2 = grid.pixel_area_m2(window.row, window.height) / 1e6
    for name in own_maps(inputs.recipe.source_names):
        mask = np.full((window.height, window.width), NEVER_PROCESSED, np.uint8)
        for block in (
            BlockIndex(around.row + r, around.col + c) for r in range(around.rows) for c in range(around.cols)
        ):
            if block in finished:
                mask[around.slices(grid, block)] = read_maps(output.cube, block)[name]
        yield name, numbers, mask, row_km2


def sample_areas(inputs: Inputs, output: Output, done: Earlier) -> Iterator[OutputStep]:
    """Write ``tables/sample_areas.csv``: areas and accuracy from a reviewed sample, with intervals where its design gives them."""
    path = Path(str(inputs.recipe.evaluation.sample))
    design = path.with_suffix(".design.json")

    def make() -> Sequence[Path]:
        from croplayer.evaluation.area_estimates import estimate_areas
        from croplayer.evaluation.frame import changed_points
        from croplayer.evaluation.sample_files import read_sample

        sample = read_sample(path)
        result = estimate_areas(sample)
        notes = [result.method]
        finished = done["integrate"].blocks
        if sample.design and (changed := changed_points(output.cube, finished, sample.points)):
            notes.append(
                f"At {changed} of {len(sample.points)} points the map has changed since the sample was drawn: the mapped "
                "areas and the accuracies are those of the earlier map, so draw a new sample of this map."
            )
        return [
            write_csv(output.folder.table("sample_areas.csv"), result.areas),
            write_csv(output.folder.table("sample_accuracy.csv"), result.accuracy),
            write_csv(output.folder.table("sample_notes.csv"), pd.DataFrame({"note": [*notes, *result.notes]})),
        ]

    yield OutputStep(
        name="sample_areas",
        made_of={
            "sample": digest_file(path).sha256,
            "map": done["integrate"].digest,
            "design": digest_file(design).sha256 if design.exists() else None,
        },
        make=make,
    )


RULES = (
    Rule(
        "evaluate",
        "evaluate",
        after=("segment", "integrate"),
        applies=maps,
        code=("croplayer.tasks.evaluate",),
        steps=evaluate,
    ),
    Rule(
        "levels",
        "evaluate",
        after=("evaluate", "decide", "block_table", "unit_table"),
        applies=maps,
        code=(__name__,),
        steps=levels,
    ),
    Rule(
        "parcels",
        "evaluate",
        after=("segment", "integrate"),
        applies=has_parcels,
        code=(__name__,),
        steps=parcels,
    ),
    Rule("sample_areas", "evaluate", after=("integrate",), applies=has_sample, code=(__name__,), steps=sample_areas),
)
