"""All that is wrong with the inputs of a run, found before any work and told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from croplayer.decisions.sampling import systematic_blocks
from croplayer.models.bundles.runtimes import check_runtime
from croplayer.models.judging.comparison_file import read_comparison
from croplayer.models.networks.manifest import read_manifest
from croplayer.sources.imagery import ImagerySource
from croplayer.vector.boundaries import check_overlap
from croplayer.vector.overlaps import check_apart
from croplayer.vector.polygons import read_polygons
from stores.grid import Bounds

if TYPE_CHECKING:
    from pipelines.engine.inputs import Inputs

BANDS = ("red", "green", "blue")
"""What the imagery of a run is made of."""


def problems_of(inputs: Inputs) -> list[str]:
    """A sentence, with its table of the recipe, for each input that cannot be used."""
    recipe = inputs.recipe
    problems = [line for place, check in _checks(inputs) for line in _told(place, check)]
    if recipe.region is None:
        return problems
    region = _told("[region]", partial(_check_region, inputs))
    if region:
        return [*region, *problems]
    problems += [line for place, check in _checks_in_region(inputs) for line in _told(place, check)]
    return [*problems, *_told_of_units(inputs)]


def _told(place: str, check: Callable[[], object]) -> list[str]:
    """The sentence of a check that failed, with its place in the recipe; nothing for one that passed."""
    try:
        check()
    except (ValueError, OSError, RuntimeError) as error:
        text = " ".join(str(error).split())
        return [text if text.startswith("[") else f"{place}: {text}"]
    return []


def _checks(inputs: Inputs) -> Iterator[tuple[str, Callable[[], object]]]:
    """Checks of what does not depend on the region, each with its table."""
    recipe, decisions = inputs.recipe, inputs.recipe.decisions
    yield "[segmentation]", partial(_check_model, inputs, "segmentation")
    if recipe.segmentation:
        yield "[segmentation]", partial(check_runtime, recipe.segmentation.runtime, recipe.segmentation.device)
    yield "[coverage]", partial(_check_model, inputs, "coverage")
    if decisions.reviews:
        yield "[decisions]: reviews", partial(_check_reviews, inputs)
    if decisions.overrides:
        yield "[decisions]: overrides", partial(_check_overrides, inputs)
    if recipe.corrections:
        yield "[corrections]: polygons", lambda: inputs.corrections
    for kind in ("correctness", "integration"):
        yield f"[decisions]: {kind}_model", partial(_check_classifier, inputs, kind)
    if recipe.evaluation.parcels:
        yield "[evaluation]: parcels", lambda: read_polygons(Path(str(recipe.evaluation.parcels)), "parcels")
    if recipe.fields:
        yield "[fields]: rules", partial(_check_field_rules, inputs, recipe.fields.rules)
    if recipe.fields and recipe.fields.before:
        yield "[fields]: before", partial(_check_earlier_fields, Path(recipe.fields.before))
    if recipe.evaluation.sample:
        yield "[evaluation]: sample", lambda: _check_sample(Path(str(recipe.evaluation.sample)))
    if inputs.comparison:
        yield "[report]: comparison", partial(read_comparison, inputs.comparison)


def _check_field_rules(inputs: Inputs, rules: str) -> None:
    from croplayer.fields.rules import QUERIES, load_rules

    load_rules(rules)
    if rules == QUERIES and not inputs.models.tell_instances(inputs.recipe):
        part = inputs.recipe.segmentation
        raise ValueError(
            f"'{QUERIES}' needs a mask2former whose queries were taught single fields, and the model '{part and part.model}' "
            "has none; train a mask2former with croplayer, or leave the rules at 'default'"
        )


def _check_earlier_fields(run: Path) -> None:
    from croplayer.cube.field_query import field_files
    from stores.run_folder import edition_at

    field_files(edition_at(run))


def _checks_in_region(inputs: Inputs) -> Iterator[tuple[str, Callable[[], object]]]:
    """Checks of what must lie in the region, each with its table."""
    recipe = inputs.recipe
    for i in range(len(recipe.sources)):
        yield f"[[sources]] {i + 1}", partial(_check_source, inputs, i)
    if recipe.terrain:
        yield "[terrain]", partial(_check_elevation, inputs)
    for i in range(len(recipe.products)):
        yield f"[[products]] {i + 1}", partial(_check_product, inputs, i)
    if recipe.reference:
        yield "[reference]", partial(_check_reference, inputs)
    if recipe.decisions.review_from_reference:
        yield "[decisions]: sample_deg", partial(systematic_blocks, inputs.blocks, recipe.decisions.sample_deg)


def _told_of_units(inputs: Inputs) -> list[str]:
    """What is wrong with the admin units and their statistics; those that follow from other problems are left out."""
    told = [
        line
        for i in range(len(inputs.recipe.admin))
        for line in _told(f"[[admin]] {i + 1}", partial(inputs.units_of, i))
    ]
    if told:
        return told
    for level in inputs.levels:
        told += _told(f"[[admin]] of level {level}", partial(_check_units, inputs, level))
    return told or (_told("[statistics]", partial(_check_statistics, inputs)) if inputs.recipe.statistics else [])


def check_in(source: ImagerySource, bounds: Bounds) -> None:
    """Raise as ``source.check`` does; says so where the source has imagery at the region's exchanged coordinates."""
    try:
        source.check(bounds)
    except ValueError as error:
        south, west, north, east = bounds
        exchanged = Bounds(west, south, east, north)
        if max(abs(exchanged.south), abs(exchanged.north)) > 90 or not _covers(source, exchanged):
            raise
        raise ValueError(
            f"{error}; it does cover {tuple(exchanged)}, so exchange latitudes and longitudes in the bounds of [region]"
        ) from error


def _covers(source: ImagerySource, bounds: Bounds) -> bool:
    """Whether files of this machine have imagery of a source in a box; nothing is fetched to find out."""
    try:
        if source.is_remote:
            return False
        source.check(bounds)
    except (ValueError, OSError):
        return False
    return True


def _check_region(inputs: Inputs) -> None:
    if not len(inputs.blocks):
        raise ValueError(f"the region {tuple(inputs.bounds)} holds no block; give a region with area")


def _check_source(inputs: Inputs, i: int) -> None:
    check_in(inputs.source(i), inputs.bounds)


def _check_product(inputs: Inputs, i: int) -> None:
    inputs.product(i).check(inputs.bounds)


def _check_units(inputs: Inputs, level: int) -> None:
    paths = [Path(a.path) for a in inputs.recipe.admin if a.level == level]
    check_overlap(inputs.level_units(level), inputs.bounds, paths[0])
    check_apart(inputs.level_units(level), inputs.bounds, paths)


def _check_elevation(inputs: Inputs) -> None:
    if inputs.elevation is not None:
        inputs.elevation.check(inputs.bounds)


def _check_reference(inputs: Inputs) -> None:
    if inputs.reference is not None:
        inputs.reference.check(inputs.bounds)


def _check_model(inputs: Inputs, kind: str) -> None:
    """Raise if a model cannot be found, trained or used for what the recipe names it for."""
    folder = inputs.models.folder(inputs.recipe, kind)
    if folder is None:
        return
    manifest = read_manifest(folder)
    if manifest.kind != kind:
        raise ValueError(
            f"model {folder.name} is a {manifest.kind} model; expected a {kind} model, so name another under model"
        )
    if tuple(manifest.bands) != BANDS:
        raise ValueError(
            f"model {folder.name} works on {', '.join(manifest.bands)}; the imagery of a run is {', '.join(BANDS)}, so name a "
            "model of these colours"
        )


def _check_reviews(inputs: Inputs) -> None:
    from croplayer.decisions.reviews import read_reviews

    decisions = inputs.recipe.decisions
    read_reviews([Path(p) for p in decisions.reviews], inputs.recipe.source_names, decisions.correctness_classes)


def _check_overrides(inputs: Inputs) -> None:
    from croplayer.decisions.reviews import read_overrides

    read_overrides(Path(str(inputs.recipe.decisions.overrides)))


def _check_sample(path: Path) -> None:
    from croplayer.evaluation.sample_files import read_sample

    read_sample(path)


def _check_classifier(inputs: Inputs, kind: str) -> None:
    """Raise if a block classifier that the recipe names is not there, is damaged or fits other blocks."""
    decisions = inputs.recipe.decisions
    place = decisions.model_of(kind)
    if place is not None:
        from croplayer.decisions.classifier_files import read_named

        read_named(Path(place), kind, inputs.recipe.source_names, decisions.correctness_classes)


def _check_statistics(inputs: Inputs) -> None:
    matched, _ = inputs.statistics
    if matched.cropland_kha.isna().all():
        raise ValueError(
            f"statistics {inputs.recipe.statistics and inputs.recipe.statistics.path} match none of the {len(matched)} units of "
            "level 1; compare their codes, and see adcode_pattern and without"
        )
