"""Names that several modules must agree on: arrays of the cube, and columns of the block table."""

from __future__ import annotations

from typing import NamedTuple

RGB = "rgb"
"""Array of the imagery of each source."""
IMAGERY_VALID = "imagery_valid"
"""Array of flags that mark where a source has imagery."""
CROPLAND_PROBABILITY = "cropland_probability"
"""Array of the network's score for each source."""
BOUNDARY_PROBABILITY = "boundary_probability"
"""Array of the network's score that the boundary of a field is near, for each source, where the network tells it."""
CROPLAND_MASK = "cropland"
"""Array of the mask of each source; the integrated map's array is named ``legends.INTEGRATED``."""

CORRECTION = "correction"
"""Array of flags (`stores.legends.Correction`) that tell what people corrected by hand in the integrated map."""
FIELD = "field"
"""Array of the number of the piece of a field that each pixel belongs to, counted in its block."""
FIELD_JOIN = "field_join"
"""Array of flags at the edges of blocks that mark pieces of one field."""

DECIDES = ("integration", "no_usable_imagery")
"""Columns of the decisions that decide a block's map: `legends.Integration`, and whether no source's imagery was usable."""

KNOWN = "known"
"""Share of a block's pixels that a map knows, 0..1."""
VALID_FRACTION = "valid_fraction"
"""Share of a block's pixels where a source has imagery, 0..1."""
FAMILIARITY = "familiarity"
"""Share of the training scenes that look at most as familiar to the network as a block, 0..1; null where nothing tells."""
TAKEN_FROM = "taken_from"
"""First moment at which the imagery of a source under a block may have been taken, UTC; null where nothing tells."""
TAKEN_TO = "taken_to"
"""Last moment of it; null where nothing tells."""
RENEWED = "renewed"
"""When a server says that it last changed the imagery of a source under a block, UTC: it was taken before; null where it does not say."""
COVERAGE_TYPE = "coverage_type"
"""Label of what a source's imagery of a block shows (`stores.legends.CoverageType`)."""
AREA_KM2 = "area_km2"
"""Cropland area, km2 on the ellipsoid."""
AREA_FRACTION = "area_fraction"
"""Cropland pixels over known pixels, 0..1."""
EXPECTED_ERROR = "expected_error"
"""Share of a block that a mask is expected to get wrong where the two sources differ, 0..1, by the mean of their scores."""
SOLIDITY_MEAN = "solidity_mean"
"""Mean solidity of a block's regions of cropland."""
EULER_MEAN = "euler_mean"
"""Mean Euler number of a block's regions of cropland."""
CORRECTIONS = "corrections"
"""Corrections by hand of a block as JSON; null where there is none."""
ADDED_KM2 = "corrected_added_km2"
"""Area of a block that corrections by hand made cropland, km2 on the ellipsoid."""
REMOVED_KM2 = "corrected_removed_km2"
"""Area of a block's cropland that corrections by hand removed, km2 on the ellipsoid."""
BLOCK_KM2 = "block_km2"
"""Area of a block, km2 on the ellipsoid."""

LAND = "land"
"""Name of the sum over all land of an admin unit, in place of a map's name."""
_KNOWN_LAND = ":known"
_STATUS = "status_"


class AgreementColumns(NamedTuple):
    """Columns with the pixel counts of the comparison of a map with another."""

    tp: str
    fp: str
    fn: str
    tn: str


class BoundaryColumns(NamedTuple):
    """Columns with the counts of pixels along the outlines of a map and the reference."""

    both: str
    any: str


def map_column(quantity: str, map_name: str) -> str:
    """Column of a quantity that each map, source or product has, for example ``known_croplayer``."""
    return f"{quantity}_{map_name}"


def agreement_columns(map_name: str, other: str) -> AgreementColumns:
    """The four columns of the comparison of a map with another, for example ``tp_croplayer_truth``."""
    return AgreementColumns(*(f"{count}_{map_name}_{other}" for count in AgreementColumns._fields))


def boundary_columns(map_name: str) -> BoundaryColumns:
    """The two columns of the comparison of a map with the reference, for example ``boundary_both_croplayer``."""
    return BoundaryColumns(*(f"boundary_{count}_{map_name}" for count in BoundaryColumns._fields))


def unit_column(level: int) -> str:
    """Column of the block table with the admin unit of a level that a block lies in, for example ``adcode_1``."""
    return f"adcode_{level}"


def status_column(step: str) -> str:
    """Column of the block table with the status of a step, for example ``status_assess``."""
    return f"{_STATUS}{step}"


def step_of_status(column: str) -> str | None:
    """The step that a column of the block table has the status of; None for another column."""
    return column.removeprefix(_STATUS) if column.startswith(_STATUS) else None


def mapped_column(map_name: str) -> str:
    """Column of a unit table with the cropland area of a map, km2, for example ``croplayer_km2``."""
    return f"{map_name}_km2"


def known_share_column(map_name: str) -> str:
    """Column of a unit table with the share of a unit's land that a map knows, for example ``croplayer_known``."""
    return f"{map_name}_known"


def percent_column(map_name: str) -> str:
    """Column of a unit table with the area of a map in per cent of the statistic, for example ``croplayer_percent``."""
    return f"{map_name}_percent"


def within_column(map_name: str) -> str:
    """Column of a unit table that says whether that is within the limit, for example ``croplayer_within``."""
    return f"{map_name}_within"


def deviation_column(map_name: str) -> str:
    """Column with the deviation of the area of a map from the true area as a share, for example ``croplayer_off``."""
    return f"{map_name}_off"


def known_land(map_name: str) -> str:
    """Name of the sum over the land that a map knows, cropland or not, for example ``croplayer:known``."""
    return f"{map_name}{_KNOWN_LAND}"


def unit_sum(adcode: str, name: str) -> str:
    """Name under which a block's record keeps a sum over an admin unit, for example ``110000:croplayer:known``.

    Parameters
    ----------
    adcode : code of the unit, which may hold colons itself
    name : LAND, the name of a map, or `known_land` of it; no map is named ``known`` or holds a colon
    """
    return f"{adcode}:{name}"


def parted_unit_sum(key: str) -> tuple[str, str]:
    """The code of the unit and the name of the sum, of which `unit_sum` made a name."""
    rest, known = (key.removesuffix(_KNOWN_LAND), _KNOWN_LAND) if key.endswith(_KNOWN_LAND) else (key, "")
    adcode, _, name = rest.rpartition(":")
    return adcode, name + known
