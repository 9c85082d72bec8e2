"""The style of fields in a GeoPackage, which QGIS takes when it opens the layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from stores.field_columns import CONFIDENCE

STYLE_TABLE = "layer_styles"
"""Table of a GeoPackage in which QGIS keeps styles."""
STYLE_NAME = "confidence"
CLASSES = (
    (0.0, 0.2, "215,48,39"),
    (0.2, 0.4, "252,141,89"),
    (0.4, 0.6, "254,224,139"),
    (0.6, 0.8, "145,207,96"),
    (0.8, 1.0, "26,152,80"),
)
"""Confidence from and to, and the colour of the class, red, green and blue."""


def style_by_confidence() -> str:
    """QML of polygons with a fill by confidence and a line around each."""
    root = ElementTree.Element("qgis", version="3.28", styleCategories="Symbology")
    renderer = ElementTree.SubElement(
        root, "renderer-v2", type="graduatedSymbol", attr=CONFIDENCE, graduatedMethod="GraduatedColor", symbollevels="0",
        enableorderby="0", forceraster="0",
    )  # fmt: skip
    ranges = ElementTree.SubElement(renderer, "ranges")
    symbols = ElementTree.SubElement(renderer, "symbols")
    for n, (low, high, colour) in enumerate(CLASSES):
        ElementTree.SubElement(
            ranges, "range", lower=f"{low:.2f}", upper=f"{high:.2f}", label=f"{low:.1f} - {high:.1f}", symbol=str(n),
            render="true",
        )  # fmt: skip
        symbol = ElementTree.SubElement(symbols, "symbol", type="fill", name=str(n), alpha="1", clip_to_extent="1")
        layer = ElementTree.SubElement(
            symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"}
        )
        options = ElementTree.SubElement(layer, "Option", type="Map")
        for name, value in (
            ("color", f"{colour},110"),
            ("style", "solid"),
            ("outline_color", f"{colour},255"),
            ("outline_style", "solid"),
            ("outline_width", "0.3"),
            ("outline_width_unit", "MM"),
        ):
            ElementTree.SubElement(options, "Option", type="QString", name=name, value=value)
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ElementTree.tostring(root, "unicode")


def add_style(path: Path, layer: str) -> None:
    """Add the style of fields to a layer of a GeoPackage as its default."""
    add_styles(path, [(layer, STYLE_NAME, style_by_confidence(), "Fields by confidence")])


def add_styles(path: Path, styles: Sequence[tuple[str, str, str, str]]) -> None:
    """Add styles of layers to a GeoPackage without any, as their defaults: layer, name of the style, QML and description."""
    import pyogrio

    rows = [_row(*style) for style in styles]
    pyogrio.write_dataframe(pd.DataFrame(rows), path, layer=STYLE_TABLE, driver="GPKG", layer_options={"FID": "id"})


def _row(layer: str, name: str, qml: str, description: str) -> dict[str, object]:
    return {
        "f_table_catalog": "",
        "f_table_schema": "",
        "f_table_name": layer,
        "f_geometry_column": "geom",
        "styleName": name,
        "styleQML": qml,
        "styleSLD": "",
        "useAsDefault": True,
        "description": description,
        "owner": "",
        "ui": "",
    }
