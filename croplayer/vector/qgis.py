"""Elements of the projects and styles of QGIS 3.28, which later versions read too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from pyproj import CRS as Crs

from stores.grid import CRS

DOCTYPE = b"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
VERSION = "3.28.0"


class Fill(NamedTuple):
    """How polygons are drawn; colours are red, green, blue, alpha."""

    colour: str
    line: str
    width: str = "0.5"
    """Of the line, mm."""
    pattern: str = "solid"


def add_crs(parent: Element) -> None:
    """Add EPSG:4326 as QGIS names it."""
    system = SubElement(parent, "spatialrefsys")
    for name, text in (
        ("wkt", Crs(CRS).to_wkt()),
        ("proj4", "+proj=longlat +datum=WGS84 +no_defs"),
        ("srsid", "3452"),
        ("srid", "4326"),
        ("authid", CRS),
        ("description", "WGS 84"),
        ("projectionacronym", "longlat"),
        ("ellipsoidacronym", "EPSG:7030"),
        ("geographicflag", "true"),
    ):
        SubElement(system, name).text = text


def add_canvas(root: Element, bounds: Sequence[float]) -> None:
    """Add the map window, which shows west, south, east, north in degrees first."""
    canvas = SubElement(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    SubElement(canvas, "units").text = "degrees"
    extent = SubElement(canvas, "extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        SubElement(extent, name).text = repr(float(value))
    SubElement(canvas, "rotation").text = "0"
    add_crs(SubElement(canvas, "destinationsrs"))


def add_fill(symbols: Element, name: str, fill: Fill) -> None:
    """Add a symbol of polygons."""
    symbol = SubElement(symbols, "symbol", type="fill", name=name, alpha="1", clip_to_extent="1", force_rhr="0")
    part = SubElement(symbol, "layer", {"class": "SimpleFill", "pass": "0", "enabled": "1", "locked": "0"})
    options = SubElement(part, "Option", type="Map")
    for key, value in (
        ("color", fill.colour), ("style", fill.pattern), ("outline_color", fill.line), ("outline_style", "solid"),
        ("outline_width", fill.width), ("outline_width_unit", "MM"), ("joinstyle", "bevel"),
    ):  # fmt: skip
        SubElement(options, "Option", type="QString", name=key, value=value)
