"""Names of a recipe that cannot be used: for folders, maps and columns of tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stores.columns import (
    LAND,
    agreement_columns,
    boundary_columns,
    deviation_column,
    known_share_column,
    map_column,
    mapped_column,
    parted_unit_sum,
    percent_column,
    unit_sum,
    within_column,
)
from stores.file_names import file_name
from stores.legends import INTEGRATED, MERGE_BOTH, own_maps

MAKE_UNIT_COLUMNS = (mapped_column, known_share_column, percent_column, within_column, deviation_column)
"""Functions that give the columns of each map in the tables of the admin units."""


EDITION_PATTERN = r"^(?!__)[^\s/.-]([^\s/]*[^\s/.])?$"
"""What a schema can tell of the names that `check_edition` accepts."""


class _Named(NamedTuple):
    """A map of a run, and where the recipe names it."""

    name: str
    place: str
    """Empty for a map that the recipe does not name."""


def check_edition(edition: str) -> str:
    """An edition, which is the name of a folder of the cube; raises ValueError for one that cannot be."""
    if edition != file_name(edition) or edition.startswith("__"):
        raise ValueError(
            f"'{edition}' cannot be the name of a folder; expected letters, digits, -, _ and inner dots, such as '2020' or "
            f"'{file_name(edition).strip('_') or '1'}'"
        )
    return edition


def clashes(sources: Sequence[str], products: Sequence[str], reference: str | None) -> Iterator[str]:
    """Sentences about names of sources, products and the reference that others already have.

    A map's name becomes that of a map of the run, and a part of the names of columns; neither may be taken twice.
    """
    named = [_Named(name, f"[[sources]] {i}") for i, name in enumerate(sources, start=1)]
    named += [_Named(name, f"[[products]] {i}") for i, name in enumerate(products, start=1)]
    named += [_Named(reference, "[reference]")] if reference is not None else []
    seen: dict[str, str] = dict.fromkeys((INTEGRATED, MERGE_BOTH, LAND), "")
    for name, place in named:
        if name in seen:
            by = f"used by {seen[name]}" if seen[name] else "a name that croplayer uses itself"
            yield f"{place}: name '{name}' is {by}; choose another name"
        elif parted_unit_sum(unit_sum("1", name)) != ("1", name):
            yield f"{place}: name '{name}' is a word that croplayer uses in its records; choose another name"
        seen.setdefault(name, place)
    unique = list({n.name: n for n in named if seen[n.name]}.values())
    for kind, fixed, columns in (
        ("the table of admin units", unit_columns(), list(_unit_columns(unique))),
        ("the table of blocks", block_columns(), list(_block_columns(unique, sources, [*products, reference or ""]))),
    ):
        yield from _double(kind, fixed, columns)


def _double(kind: str, fixed: frozenset[str], columns: Sequence[tuple[str, _Named]]) -> Iterator[str]:
    owner: dict[str, _Named] = {}
    told: set[str] = set()
    for column, named in columns:
        before = owner.setdefault(column, named)
        if named.name in told or not (column in fixed or before != named):
            continue
        told.add(named.name)
        other = f" of '{before.name}'" if before != named else ""
        yield (
            f"{named.place}: name '{named.name}' would give {kind} the column '{column}'{other} twice; choose another name"
        )


def _unit_columns(named: Sequence[_Named]) -> Iterator[tuple[str, _Named]]:
    for one in named:
        for make in MAKE_UNIT_COLUMNS:
            yield make(one.name), one


def _block_columns(
    named: Sequence[_Named], sources: Sequence[str], others: Sequence[str]
) -> Iterator[tuple[str, _Named]]:
    quantities = map_quantities()
    for one in named:
        for quantity in quantities:
            yield map_column(quantity, one.name), one
        if one.name in sources:
            yield from ((column, one) for column in boundary_columns(one.name))
            continue
        for own in own_maps(sources):
            yield from ((column, one) for column in agreement_columns(own, one.name) if one.name in others)


def unit_columns() -> frozenset[str]:
    """Columns that every table of admin units with statistics has, whatever its maps are called."""
    import pandas as pd

    from croplayer.evaluation.provinces import unit_table

    units = pd.DataFrame(columns=["adcode", "name_en", "name_zh", "land_km2"], dtype=float)
    statistics = pd.DataFrame(columns=["cropland_kha", "note"], dtype=float)
    return frozenset(unit_table(units, pd.DataFrame(), [], statistics, 0.1).columns)


def block_columns() -> frozenset[str]:
    """Columns of the table of blocks that belong to no map."""
    from croplayer.measures.features import QUALITY, TERRAIN
    from stores.columns import BLOCK_KM2
    from stores.tables import INTEGRATION

    return frozenset(
        {"row", "col", BLOCK_KM2, *INTEGRATION, *(f.name for f in (*TERRAIN, *QUALITY) if not f.per_source)}
    )


def map_quantities() -> tuple[str, ...]:
    """Quantities of which the table of blocks has a column for each map."""
    from croplayer.measures.features import CONFIRMED, CORRECTNESS, IMAGE, IOU, QUALITY, SHAPE
    from stores.columns import KNOWN, VALID_FRACTION
    from stores.tables import CORRECTNESS as DECIDED

    features = [f.name for f in (*IMAGE, *SHAPE, *QUALITY, IOU, CONFIRMED, CORRECTNESS) if f.per_source]
    decided = [c.removesuffix("_SOURCE") for c in DECIDED if c.endswith("_SOURCE")]
    return tuple(dict.fromkeys([*features, *decided, KNOWN, VALID_FRACTION, "coverage_confidence"]))
