"""How QGIS draws the layers of a package: styles beside the files, and a project of all layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from croplayer.fields.styles import style_by_confidence
from croplayer.vector.qgis import DOCTYPE, VERSION, Fill, add_canvas, add_crs, add_fill
from stores.legends import CROPLAND, FLAG_COLOURS, FLAG_LABELS, NEVER_PROCESSED

_GREEN = ",".join(map(str, bytes.fromhex(FLAG_COLOURS[CROPLAND][1:])))
REGION_FILL = Fill(f"{_GREEN},150", f"{_GREEN},255", "0.2")
UNIT_FILL = Fill("0,0,0,0", "60,60,60,255", "0.5", "no")
BLOCK_FILL = Fill("0,0,0,0", "150,150,150,255", "0.1", "no")


def region_style() -> str:
    """QML of regions of cropland, in the colour that cropland has in every picture."""
    return _style(REGION_FILL)


def unit_style() -> str:
    """QML of admin units: a line around each."""
    return _style(UNIT_FILL)


def block_style() -> str:
    """QML of blocks: a thin line around each."""
    return _style(BLOCK_FILL)


def map_style() -> str:
    """QML of the raster of the map, with the colours and words of its values."""
    root = Element("qgis", version=VERSION, styleCategories="Symbology")
    _palette(SubElement(root, "pipe"))
    return _text(root)


LAYER_STYLES = {"cropland": region_style, "fields": style_by_confidence, "units": unit_style, "blocks": block_style}
"""The style of each layer of a package's GeoPackage."""
_SHOWN = ("cropland", "units")
"""Layers that the project shows at first; fields would hide the regions that they are parts of."""


def package_project(
    title: str, geopackage: str, layers: Sequence[str], raster: str | None, bounds: Sequence[float]
) -> bytes:
    """The bytes of a project of QGIS (``.qgs``) with the layers of a GeoPackage over the raster of the map.

    Parameters
    ----------
    geopackage, raster : paths seen from the project's folder; no raster where there is none
    layers : names of layers, the lowest first
    bounds : what the window shows first: west, south, east, north in degrees
    """
    root = Element("qgis", projectname=title, version=VERSION)
    SubElement(root, "homePath", path="")
    SubElement(root, "title").text = title
    add_crs(SubElement(root, "projectCrs"))
    tree = SubElement(root, "layer-tree-group")
    sources: dict[str, tuple[str, str]] = {
        name: (f"./{geopackage}|layername={name}", "ogr") for name in reversed(layers)
    }
    if raster is not None:
        sources["map"] = (f"./{raster}", "gdal")
    for name, (source, provider) in sources.items():
        SubElement(
            tree, "layer-tree-layer", id=name, name=name, source=source, providerKey=provider, expanded="0",
            checked="Qt::Checked" if name in _SHOWN or provider == "gdal" else "Qt::Unchecked",
        )  # fmt: skip
    add_canvas(root, bounds)
    below = SubElement(root, "projectlayers")
    for name, (source, provider) in sources.items():
        _project_layer(below, name, source, provider)
    order = SubElement(root, "layerorder")
    for name in sources:
        SubElement(order, "layer", id=name)
    paths = SubElement(SubElement(root, "properties"), "Paths")
    SubElement(paths, "Absolute", type="bool").text = "false"
    ElementTree.indent(root)
    return DOCTYPE + ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _project_layer(below: Element, name: str, source: str, provider: str) -> None:
    kind: Mapping[str, str] = {"type": "raster"} if provider == "gdal" else {"type": "vector", "geometry": "Polygon"}
    made = SubElement(below, "maplayer", {**kind})
    SubElement(made, "id").text = name
    SubElement(made, "datasource").text = source
    SubElement(made, "layername").text = name
    add_crs(SubElement(made, "srs"))
    if provider == "gdal":
        SubElement(made, "provider").text = provider
        _palette(SubElement(made, "pipe"))
        return
    SubElement(made, "provider", encoding="UTF-8").text = provider
    style = ElementTree.fromstring(LAYER_STYLES[name]().partition("\n")[2])
    made.extend(style.findall("renderer-v2"))


def _palette(pipe: Element) -> None:
    renderer = SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = SubElement(renderer, "colorPalette")
    for value, label in FLAG_LABELS.items():
        if value != NEVER_PROCESSED:
            SubElement(palette, "paletteEntry", value=str(value), label=label, color=FLAG_COLOURS[value], alpha="255")


def _style(fill: Fill) -> str:
    root = Element("qgis", version=VERSION, styleCategories="Symbology")
    renderer = SubElement(
        root, "renderer-v2", type="singleSymbol", enableorderby="0", symbollevels="0", forceraster="0"
    )
    add_fill(SubElement(renderer, "symbols"), "0", fill)
    return _text(root)


def _text(root: Element) -> str:
    return DOCTYPE.decode() + ElementTree.tostring(root, "unicode")
