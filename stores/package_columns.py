"""Columns of the layers of a package, declared once for what writes and what documents them."""

from __future__ import annotations

from stores.field_columns import AREA, FIELD_COLUMNS, ID, FieldColumn

CLASS = "class"
CLASS_WORD = "cropland"
"""The only class of the polygons of a package."""
PLACE_COLUMNS = (
    FieldColumn("adcode", "string", "", "code of the admin unit of the finest level"),
    FieldColumn("name_zh", "string", "", "its name in Chinese, or in the language of that column of the admin units; null without one"),
    FieldColumn("name_en", "string", "", "its name in English"),
    FieldColumn("city", "string", "", "name of the unit of the level above it, in the language of the package"),
    FieldColumn("province", "string", "", "name of the unit that has the package, in the language of the package"),
)  # fmt: skip
"""Where a polygon lies."""
REGION_COLUMNS = (
    FieldColumn(ID, "string", "", "pixels along a block, row and column of the region's first pixel on the lattice; the same in every run that maps it"),
    *PLACE_COLUMNS,
    FieldColumn("edition", "string", "", "edition of the map"),
    FieldColumn(CLASS, "string", "", "class of the land: cropland"),
    FieldColumn("source", "string", "", "sources that the map takes in the block of its first pixel, joined by '+'; empty where it takes none"),
    FieldColumn(AREA, "float64", "ha", "area on the WGS 84 ellipsoid, > 0"),
)  # fmt: skip
"""Regions of cropland: 4-connected pixels of the map inside of one admin unit, with outlines along their sides."""
PACKAGE_FIELD_COLUMNS = (
    *FIELD_COLUMNS,
    *(column for column in PLACE_COLUMNS if column.name != "adcode"),
    FieldColumn(CLASS, "string", "", "class of the land: cropland"),
)
"""Single fields, each in the package of the unit that holds its inner point."""
UNIT_COLUMNS = (
    *PLACE_COLUMNS,
    FieldColumn("cropland", "float64", "km2", "area of cropland of the map on the ellipsoid; null where the run has not summed it"),
    FieldColumn("known", "float64", "1", "share of its land that the map knows, 0..1; null where the run has not summed it"),
)  # fmt: skip
"""The admin units of a package, with their outlines."""
BLOCK_COLUMNS = (
    FieldColumn("block", "string", "", "name of the block of 0.05 degree, rROWcCOL"),
    FieldColumn("source", "string", "", "sources that the map takes, joined by '+'; empty where it takes none"),
    FieldColumn("coverage", "string", "", "coverage type of the imagery of each source, SOURCE: TYPE, joined by '; '; null where it was not judged"),
    FieldColumn("correct", "string", "", "judged correctness of the mask of each source, in the same way"),
    FieldColumn("familiar", "string", "", "familiarity of the imagery of each source to the network, 0..1, in the same way"),
    FieldColumn("known", "float64", "1", "share of its pixels that the map knows, 0..1"),
    FieldColumn("cropland", "float64", "km2", "area of cropland of the map on the ellipsoid"),
)  # fmt: skip
"""The blocks of the lattice that a package touches, with what their map is worth."""
LAYERS = {
    "cropland": REGION_COLUMNS,
    "fields": PACKAGE_FIELD_COLUMNS,
    "units": UNIT_COLUMNS,
    "blocks": BLOCK_COLUMNS,
}
"""Columns of each layer of a package's GeoPackage."""
