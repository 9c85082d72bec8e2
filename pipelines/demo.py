"""The synthetic country of the demo, and what its true land cover plays the person for: a sample of the map, and a label project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.recipe import Recipe

ZOOM = 14
LEVEL = 1
"""Level of the units that the sample is drawn in."""
POINTS = 1_000
LEAST = 20
"""Fewest points in a class of a unit."""
SEED = 1
TASKS = 6
"""Squares that the label project begins with."""
REVIEWER = "the true land cover"
"""Who has reviewed the first blocks of the label project."""


def make_demo_country(out: Path) -> None:
    """Write the country's files unless they are complete.

    Raises ValueError, before anything is written, if the folder holds a country of other ground, whose run would not fit.
    """
    from croplayer.landscape.make import DEMO_BOUNDS, DEMO_SEED, make_country
    from pipelines.engine.code import code_digest

    stamp = out / "made_by.json"
    wanted = {
        "code": code_digest(("croplayer.landscape.make",)),
        "seed": DEMO_SEED,
        "bounds": list(DEMO_BOUNDS),
        "zoom": ZOOM,
    }
    made = json.loads(stamp.read_text()) if stamp.exists() else wanted
    if stamp.exists() and made == wanted:
        return
    if any(made.get(name) != wanted[name] for name in ("seed", "bounds", "zoom")):
        raise ValueError(
            f"{out} holds the country of an earlier demo, of other ground ({made.get('bounds')}; this one has {wanted['bounds']}); "
            "give another folder with --out, or remove that one if nobody needs its labels"
        )
    make_country(out, seed=DEMO_SEED, bounds=DEMO_BOUNDS, zoom=ZOOM, training_scenes=0, coverage_samples=0)
    stamp.write_text(json.dumps(wanted))


def with_sample(recipe: Recipe, sample: Path) -> Recipe:
    """The recipe with a labelled sample of its map."""
    evaluation = recipe.evaluation.model_copy(update={"sample": str(sample.absolute())})
    return recipe.model_copy(update={"evaluation": evaluation})


def label_sample(run: Path, recipe: Recipe, sample: Path) -> int:
    """Draw a stratified sample of the finished map of a run, in every unit, and label it as a person who knows the land would.

    The reference map of the recipe is the true land cover, which the map is not made of. Writes ``sample``, a GeoPackage,
    and the files beside it, in place of those of an earlier map. Returns the number of points.
    """
    import numpy as np
    import rasterio

    from croplayer.evaluation.frame import CLASSES, strata_of, stratum_km2
    from croplayer.evaluation.sample_drawing import draw_stratified
    from croplayer.evaluation.sample_files import write_sample
    from croplayer.evaluation.sample_size import allocate
    from pipelines.area_frame import frame_of

    frame = frame_of(run, LEVEL)
    strata, stratum_of_cell = strata_of(frame, by_unit=True)
    areas = stratum_km2(frame, stratum_of_cell, strata)
    drawn = draw_stratified(frame, allocate(POINTS, areas / areas.sum(), LEAST), by_unit=True, seed=SEED)
    reference = recipe.reference
    assert reference is not None
    with rasterio.open(reference.path) as truth:
        places = drawn.points[["lon", "lat"]].to_numpy()
        codes = np.array([value[0] for value in truth.sample(places)])
    labels = np.where(np.isin(codes, reference.crop_codes), CLASSES[1], CLASSES[0])
    for path in (sample, sample.with_suffix(".csv"), sample.with_suffix(".design.json")):
        path.unlink(missing_ok=True)
    write_sample(sample, drawn, labels.tolist())
    return len(drawn.points)


def is_of_map(sample: Path, run: Path) -> bool:
    """Whether a sample was drawn from the map that a run has now."""
    from croplayer.evaluation.sample_files import read_sample
    from pipelines.area_frame import changed_since

    return not changed_since(read_sample(sample).points, run)


def make_labels(run: Path, recipe: Recipe, labels: Path) -> int:
    """Make a label project of the finished map of a run, in which the blocks that the truth reviewed for the run are judged.

    Returns the number of these blocks.

    Raises FileExistsError if the folder holds something, which may be labels of a person.
    """
    from datetime import UTC, datetime

    from croplayer.active.choosing import Wanted, choose
    from croplayer.active.held_out import HELD_OUT
    from croplayer.active.judgements import Judgement, JudgementKind, append
    from croplayer.active.project import create_project
    from croplayer.active.run_numbers import RunNumbers
    from croplayer.active.windows import window_edge
    from croplayer.decisions.reviews import read_reviews
    from stores.columns import map_column
    from stores.run_folder import RunFolder

    folder = RunFolder(run)
    products = [product.name for product in recipe.products]
    numbers = RunNumbers.read(folder, recipe.edition, products, recipe.decisions.correctness_classes.correct)
    edge = window_edge(numbers.cube.grid.block_px, None)
    chosen = choose(numbers, Wanted(TASKS, 1 / TASKS, SEED, 1, edge, HELD_OUT))
    create_project(labels, run, numbers.cube, edge, SEED, chosen, HELD_OUT)
    reviews = read_reviews([folder.table("reviews.csv")], recipe.source_names)
    for review in reviews.to_dict("records"):
        said = [
            (JudgementKind.CORRECTNESS, name, review[map_column("correctness", name)]) for name in recipe.source_names
        ]
        for kind, source, value in (*said, (JudgementKind.INTEGRATION, "", review["integration"])):
            if value is not None:
                append(labels, Judgement(kind, review["block"], source, value, REVIEWER, datetime.now(UTC)))
    return len(reviews)
