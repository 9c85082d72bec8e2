"""Stage evaluate: the maps at three levels, parcel by parcel, and areas from a reviewed sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.evaluation.levels import level_table
from croplayer.files.tables import write_csv, write_parquet
from croplayer.tasks.evaluate import EvaluateTask
from pipelines.engine.fingerprint import fingerprint
from pipelines.engine.run import Run
from pipelines.engine.steps import BlockStep, OutputStep, Step
from pipelines.stages.compare import own_maps
from pipelines.stages.integrate import integrate_step, integrated_digest, maps_digest
from stores.durable import digest_file
from stores.grid import BlockIndex
from stores.legends import INTEGRATED

MOST_PARCEL_BLOCKS = 25
"""Parcels are labelled in one piece; this many blocks of 2,560 px are about 10 GB."""


def evaluate_step(run: Run) -> BlockStep:
    """Every block's maps against the reference."""
    assert run.cube is not None
    reference = run.reference if run.reference and not run.reference.is_percent else None
    task = EvaluateTask(run.cube, reference)
    return BlockStep(
        name="evaluate",
        fingerprint=fingerprint(
            "evaluate",
            reference=run.product_fingerprints[reference.name] if reference else None,
            maps=maps_digest(run),
        ),
        blocks=run.results(integrate_step(run)).blocks,
        task_for=lambda blocks: task,
        blocks_per_task=16,
    )


def levels_step(run: Run) -> OutputStep:
    """``tables/levels.csv``: the three levels, and the blocks' part of them."""
    step = evaluate_step(run)
    has_units = any(a.level == 1 for a in run.recipe.admin)
    reference = run.reference.name if run.reference and not run.reference.is_percent else None

    def make() -> Sequence[Path]:
        evaluated = run.results(step).table()
        units = pd.read_csv(run.folder.table("units_1.csv"), dtype={"adcode": str}) if has_units else None
        blocks = pd.DataFrame(gpd.read_parquet(run.folder.blocks).drop(columns="geometry"))
        correct, maps = run.recipe.decisions.correct, own_maps(run)
        # An integration by rules takes only what was judged correct: its share would be 1 whatever the map is worth.
        by_rules = pd.isna(pd.read_csv(run.folder.table("integration_method.csv")).accuracy[0])
        judged = [m for m in maps if m != INTEGRATED or not by_rules]
        levels = level_table(blocks, evaluated, units, maps, run.recipe.source_names, reference, judged, correct)
        return [
            write_parquet(run.folder.table("evaluated_blocks.parquet"), evaluated),
            write_csv(run.folder.table("levels.csv"), levels),
        ]

    return OutputStep(
        name="levels",
        fingerprint=fingerprint(
            "levels",
            evaluate=run.results(step).digest,
            blocks=digest_file(run.folder.blocks).sha256,
            units=digest_file(run.folder.table("units_1.csv")).sha256 if has_units else None,
            method=digest_file(run.folder.table("integration_method.csv")).sha256,
            correct=run.recipe.decisions.correct,
        ),
        make=make,
    )


def parcels_step(run: Run, path: Path) -> OutputStep:
    """``tables/parcels.csv``: over- and under-segmentation of every map against reference parcels."""

    def make() -> Sequence[Path]:
        from croplayer.evaluation.parcels import parcel_scores, parcel_summary
        from croplayer.vector.polygons import read_polygons

        parcels = read_polygons(path, "parcels")
        summaries = []
        parts = []
        for name, numbers, mask, row_km2 in _parcel_windows(run, path, parcels):
            scores = parcel_scores(numbers, mask, row_km2)
            summaries.append({"map": name} | parcel_summary(scores, len(parcels)))
            parts.append(scores.assign(map=name))
        return [
            write_csv(run.folder.table("parcels.csv"), pd.DataFrame(summaries)),
            write_parquet(run.folder.table("parcels.parquet"), pd.concat(parts, ignore_index=True)),
        ]

    return OutputStep(
        name="parcels",
        fingerprint=fingerprint("parcels", maps=maps_digest(run), parcels=digest_file(path).sha256),
        make=make,
    )


def _parcel_windows(
    run: Run, path: Path, parcels: gpd.GeoDataFrame
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Map, parcel numbers, mask and pixel areas of the blocks around the reference parcels, one map after the other."""
    from croplayer.cube.whole_blocks import read_maps
    from croplayer.evaluation.parcels import parcel_numbers
    from stores.grid import BlockRange, Bounds

    assert run.cube is not None
    near = [b for b in run.grid.blocks_in(Bounds(*parcels.total_bounds)) if b in run.blocks]
    if not near:
        raise ValueError(f"parcels {path} lie outside the region; give parcels of the mapped land")
    around = BlockRange.around(near)
    if around.rows * around.cols > MOST_PARCEL_BLOCKS:
        raise ValueError(
            f"parcels {path} spread over {around.rows} x {around.cols} blocks; at most {MOST_PARCEL_BLOCKS} are "
            "compared at a time, so give parcels of a smaller region"
        )
    window = around.window(run.grid)
    # A block of other settings, or of a region that was wider, still has its old pixels in the cube.
    finished = run.results(integrate_step(run)).blocks
    numbers = parcel_numbers(parcels, window, run.grid)
    row_km2 = run.grid.pixel_area_m2(window.row, window.height) / 1e6
    for name in own_maps(run):
        mask = np.full((window.height, window.width), 255, np.uint8)
        for block in (
            BlockIndex(around.row + r, around.col + c) for r in range(around.rows) for c in range(around.cols)
        ):
            if block in finished:
                mask[around.slices(run.grid, block)] = read_maps(run.cube, block)[name]
        yield name, numbers, mask, row_km2


def areas_step(run: Run, path: Path) -> OutputStep:
    """``tables/sample_areas.csv``: areas and accuracy from a reviewed sample, with intervals where its design gives them."""

    def make() -> Sequence[Path]:
        from croplayer.evaluation.area_estimates import estimate_areas
        from croplayer.evaluation.frame import changed_points
        from croplayer.evaluation.sample_files import read_sample

        assert run.cube is not None
        sample = read_sample(path)
        result = estimate_areas(sample)
        notes = [result.method]
        finished = run.results(integrate_step(run)).blocks
        if sample.design and (changed := changed_points(run.cube, finished, sample.points)):
            notes.append(
                f"At {changed} of {len(sample.points)} points the map says something else than when the sample was drawn: "
                "the areas mapped and the accuracies are those of the map of then, so draw a sample of this one."
            )
        return [
            write_csv(run.folder.table("sample_areas.csv"), result.areas),
            write_csv(run.folder.table("sample_accuracy.csv"), result.accuracy),
            write_csv(run.folder.table("sample_notes.csv"), pd.DataFrame({"note": [*notes, *result.notes]})),
        ]

    design = path.with_suffix(".design.json")
    return OutputStep(
        name="sample_areas",
        fingerprint=fingerprint(
            "sample_areas",
            sample=digest_file(path).sha256,
            map=integrated_digest(run),
            design=digest_file(design).sha256 if design.exists() else None,
        ),
        make=make,
    )


def steps(run: Run) -> Iterator[Step]:
    yield evaluate_step(run)
    yield levels_step(run)
    if run.recipe.evaluation.parcels:
        yield parcels_step(run, Path(run.recipe.evaluation.parcels))
    if run.recipe.evaluation.sample:
        yield areas_step(run, Path(run.recipe.evaluation.sample))
