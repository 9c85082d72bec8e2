"""Names that several modules must agree on: arrays of the cube, and columns of the block table."""

from __future__ import annotations

from typing import NamedTuple

RGB = "rgb"
"""Array of the imagery of each source."""
IMAGERY_VALID = "imagery_valid"
"""Array of flags that mark where a source has imagery."""
CROPLAND_PROBABILITY = "cropland_probability"
"""Array of the network's score for each source."""
CROPLAND_MASK = "cropland"
"""Array of the mask of each source; the integrated map's array is named ``legends.INTEGRATED``."""


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
