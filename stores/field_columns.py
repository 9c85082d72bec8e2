"""Columns of a table of fields, declared once for everything that writes, reads or documents one."""

from __future__ import annotations

from typing import NamedTuple


class FieldColumn(NamedTuple):
    """One attribute of a field."""

    name: str
    """At most ten characters, because a Shapefile cuts longer names."""
    dtype: str
    unit: str
    about: str
    """Meaning, range and what a missing value says."""


ID = "id"
AREA = "area_ha"
PERIMETER = "perim_m"
COMPACTNESS = "compact"
ELONGATION = "elongation"
SOLIDITY = "solidity"
CONFIDENCE = "confidence"
PROBABILITY = "mean_prob"
BOUNDARY = "edge_prob"
AT_GAP = "at_gap"
AT_EDGE = "at_edge"

IN_FIELDS, IN_NONE = "in_fields", "in_no_field"
"""Names of the sums over cropland that belongs to a field that is kept, and that belongs to none."""

FIELD_COLUMNS = (
    FieldColumn(ID, "string", "", "name of the cell of the lattice that the field lies in; the same in every run that finds the field"),
    FieldColumn(AREA, "float64", "ha", "area of its pixels on the ellipsoid, before simplification, > 0"),
    FieldColumn(PERIMETER, "float32", "m", "length of its outline along the sides of pixels, holes included, > 0"),
    FieldColumn(COMPACTNESS, "float32", "1", "4 pi area / perimeter^2 of the simplified outline, 0..1; 1 is a circle"),
    FieldColumn(ELONGATION, "float32", "1", "1 - width / length of its smallest rectangle, 0..1; 0 is a square"),
    FieldColumn(SOLIDITY, "float32", "1", "area over that of its convex hull, 0..1"),
    FieldColumn("slope", "float32", "degree", "median slope of every 16th of its pixels, or of all where none of these is in it; null without elevation"),
    FieldColumn("elevation", "float32", "m", "median elevation of the same pixels; null without elevation"),
    FieldColumn("adcode", "string", "", "code of the finest admin unit that holds its inner point; null outside of all"),
    FieldColumn("unit_name", "string", "", "name of that unit"),
    FieldColumn("edition", "string", "", "edition of the map"),
    FieldColumn("source", "string", "", "sources that the map takes in the block of its id, joined by '+'; null where it takes none"),
    FieldColumn("coverage", "string", "", "coverage type of that block's imagery of its first source; null where it was not judged"),
    FieldColumn("correct", "string", "", "judged correctness of that block's mask of its first source; null where it was not judged"),
    FieldColumn(PROBABILITY, "float32", "1", "mean cropland probability of its pixels, 0..1, as far as the network scored them and nobody added them by hand; null without any"),
    FieldColumn(BOUNDARY, "float32", "1", "mean boundary probability along its outline, 0..1, as far as the network scored the ground beyond; null where nothing tells"),
    FieldColumn("familiar", "float32", "1", "familiarity of that block's imagery to the network, 0..1; null where nothing tells"),
    FieldColumn(CONFIDENCE, "float32", "1", "share of fields like it that match a drawn field at IoU 0.5 (calibrated on scenes held out), 0..1; null where more than half of it was added by hand"),
    FieldColumn(AT_GAP, "bool", "", "whether it touches ground without imagery"),
    FieldColumn(AT_EDGE, "bool", "", "whether it touches the edge of the mapped region, so that it may go on beyond"),
    FieldColumn("corrected", "bool", "", "whether a person drew or changed it"),
)  # fmt: skip
"""All attributes in the order of the files; the geometry follows them."""
