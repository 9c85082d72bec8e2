"""The licences of everything that a recipe's map is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from croplayer.fields.rules import load_rules
from croplayer.models.networks.manifest import read_manifest
from croplayer.products.legend import read_legend
from pipelines.recipe import ProductPart, Recipe
from pipelines.recipe_parts import Licensed
from stores.licences import Licence, LicensedInput, Role


def licences_of(recipe: Recipe, models: Mapping[str, Path]) -> list[LicensedInput]:
    """The inputs of a recipe with their licences, in the order of the recipe's tables.

    A licence that the recipe does not state is that of the model's manifest, of the product's legend or of the rules of
    fields; else it is not stated.

    Parameters
    ----------
    models : folders of the recipe's models, by kind
    """
    return list(_inputs(recipe, models))


def _inputs(recipe: Recipe, models: Mapping[str, Path]) -> Iterator[LicensedInput]:
    for source in recipe.sources:
        yield _input(Role.IMAGERY, source.name, source)
    if recipe.terrain:
        yield _input(Role.ELEVATION, "terrain", recipe.terrain)
    for kind, part in (("segmentation", recipe.segmentation), ("coverage", recipe.coverage)):
        if part is not None and kind in models:
            # A name, not a path: where a model lies on this machine is nobody's business.
            yield _input(Role.MODEL, Path(part.model).name, part, read_manifest(models[kind]).licence)
    if recipe.fields:
        rules = load_rules(recipe.fields.rules)
        yield _input(Role.MODEL, f"{rules.name} rules of fields", Licensed(), str(rules.origin.get("licence", "")))
    yield from _labels(recipe)
    for admin in recipe.admin:
        yield _input(Role.UNITS, f"level {admin.level}", admin)
    for product in (*recipe.products, *([recipe.reference] if recipe.reference else [])):
        yield _input(Role.PRODUCT, product.name, product, _of_legend(product))
    if recipe.statistics:
        yield _input(Role.STATISTICS, "statistics", recipe.statistics)


def _labels(recipe: Recipe) -> Iterator[LicensedInput]:
    """What people drew or decided."""
    if recipe.decisions.reviews or recipe.decisions.overrides:
        yield _input(Role.LABELS, "reviews", recipe.decisions)
    if recipe.corrections:
        yield _input(Role.LABELS, "corrections", recipe.corrections)
    if recipe.evaluation.parcels or recipe.evaluation.sample:
        yield _input(Role.LABELS, "evaluation", recipe.evaluation)


def _input(role: Role, name: str, part: Licensed, otherwise: str = "") -> LicensedInput:
    return LicensedInput(role, name, Licence.of(part.licence or otherwise), part.terms or "", part.may_publish)


def _of_legend(part: ProductPart) -> str:
    return read_legend(part.legend).file.licence if part.legend else ""
