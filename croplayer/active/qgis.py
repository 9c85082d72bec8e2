"""The QGIS project of a label project: layers in groups with styles, forms with lists of values, and snapping.

The file is written as QGIS 3.28 writes it, with the parts that differ from QGIS's own defaults; later versions read it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from croplayer.active.tasks import FieldClass, Origin, TaskStatus
from croplayer.vector.qgis import DOCTYPE, VERSION, Fill, add_canvas, add_crs, add_fill

SNAPPING_PX = "12"
_BOTH = "3"
"""Snap to vertices and segments."""


class _Style(NamedTuple):
    """How polygons of one value are drawn; colours are red, green, blue, alpha."""

    value: str
    label: str
    fill: str
    line: str
    width: str = "0.5"
    pattern: str = "solid"


class _Field(NamedTuple):
    """How a form shows an attribute."""

    name: str
    alias: str
    values: tuple[str, ...] = ()
    """Allowed values; none for free text."""
    start: str = ""
    """Expression of a new feature's value."""
    kept: bool = False
    """Whether people should not change it."""


class _Layer(NamedTuple):
    """A layer of polygons that people edit."""

    name: str
    title: str
    attribute: str
    """Attribute that the style depends on; empty for one style."""
    styles: tuple[_Style, ...]
    fields: tuple[_Field, ...]


LAYERS = (
    _Layer(
        "tasks", "Tasks", "status",
        (
            _Style(TaskStatus.OPEN, "open", "0,0,0,0", "255,255,0,255", "0.8"),
            _Style(TaskStatus.DONE, "done", "0,0,0,0", "0,200,83,255", "0.8"),
            _Style(TaskStatus.SKIPPED, "skipped", "120,120,120,255", "120,120,120,255", "0.8", "b_diagonal"),
        ),
        (
            _Field("id", "Task", kept=True),
            _Field("reason", "Why it was chosen", kept=True),
            _Field("status", "Status", tuple(TaskStatus), f"'{TaskStatus.OPEN}'"),
            _Field("person", "Your name"),
            _Field("started", "Started"),
            _Field("finished", "Finished"),
            _Field("minutes", "Minutes of work"),
            _Field("note", "Note"),
            *(_Field(n, n.replace("_", " ").capitalize(), kept=True) for n in ("round", "unit", "coverage", "chosen_by", "scores")),
        ),
    ),
    _Layer(
        "fields", "Fields", "class",
        (
            _Style(FieldClass.CROPLAND, "cropland", "255,140,0,45", "255,140,0,255"),
            _Style(FieldClass.NOT, "not cropland", "220,0,60,255", "220,0,60,255", "0.4", "f_diagonal"),
        ),
        (
            _Field("class", "Class", tuple(FieldClass), f"'{FieldClass.CROPLAND}'"),
            _Field("origin", "Drawn by", tuple(Origin), f"'{Origin.PERSON}'"),
            _Field("note", "Note"),
            _Field("task", "Task", kept=True),
            _Field("as_mapped", "As mapped", kept=True),
        ),
    ),
    _Layer(
        "empty", "Empty areas", "",
        (_Style("", "no field here", "0,120,255,255", "0,120,255,255", "0.5", "dense6"),),
        (_Field("person", "Your name"), _Field("note", "Note")),
    ),
)  # fmt: skip
"""The layers that people edit, in the order in which they lie over each other, the last on top."""


def qgis_project(pictures: Mapping[str, str], bounds: Sequence[float]) -> bytes:
    """The bytes of ``labels.qgs``.

    Parameters
    ----------
    pictures : name of the virtual mosaic of each source in ``imagery/``, without ending
    bounds : what the map window shows first: west, south, east, north in degrees
    """
    root = Element("qgis", projectname="croplayer labels", version=VERSION)
    SubElement(root, "homePath", path="")
    SubElement(root, "title").text = "croplayer labels"
    SubElement(root, "transaction", mode="Disabled")
    add_crs(SubElement(root, "projectCrs"))
    rasters = {f"imagery_{i}": (source, f"./imagery/{name}.vrt") for i, (source, name) in enumerate(pictures.items())}
    vectors = {f"labels_{layer.name}": layer for layer in reversed(LAYERS)}
    tree = SubElement(root, "layer-tree-group")
    _group(tree, "Labels", [(key, layer.title, _source(layer), "ogr") for key, layer in vectors.items()])
    _group(tree, "Imagery", [(key, title, path, "gdal") for key, (title, path) in rasters.items()])
    SubElement(tree, "custom-order", enabled="0")
    _snapping(root)
    add_canvas(root, bounds)
    layers = SubElement(root, "projectlayers")
    for key, layer in vectors.items():
        _vector_layer(layers, key, layer)
    for key, (title, path) in rasters.items():
        _raster_layer(layers, key, title, path)
    order = SubElement(root, "layerorder")
    for key in (*vectors, *rasters):
        SubElement(order, "layer", id=key)
    _properties(root)
    ElementTree.indent(root)
    return DOCTYPE + ElementTree.tostring(root, encoding="utf-8") + b"\n"


def _source(layer: _Layer) -> str:
    return f"./labels.gpkg|layername={layer.name}"


def _group(tree: Element, name: str, layers: Sequence[tuple[str, str, str, str]]) -> None:
    group = SubElement(tree, "layer-tree-group", name=name, checked="Qt::Checked", expanded="1")
    for number, (key, title, source, provider) in enumerate(layers):
        # Of the pictures the first is shown; two opaque ones would hide each other.
        shown = provider == "ogr" or number == 0
        SubElement(
            group, "layer-tree-layer", id=key, name=title, source=source, providerKey=provider, expanded="1",
            checked="Qt::Checked" if shown else "Qt::Unchecked",
        )  # fmt: skip


def _snapping(root: Element) -> None:
    settings = SubElement(
        root, "snapping-settings", enabled="1", mode="3", type=_BOTH, tolerance=SNAPPING_PX, unit="1",
        attrib={"intersection-snapping": "0", "self-snapping": "0"},
    )  # fmt: skip
    each = SubElement(settings, "individual-layer-settings")
    for layer in LAYERS:
        SubElement(
            each, "layer-setting", id=f"labels_{layer.name}", enabled="1", type=_BOTH, tolerance=SNAPPING_PX, units="1"
        )  # fmt: skip


def _vector_layer(layers: Element, key: str, layer: _Layer) -> None:
    made = SubElement(layers, "maplayer", type="vector", geometry="Polygon", readOnly="0", labelsEnabled="0")
    SubElement(made, "id").text = key
    SubElement(made, "datasource").text = _source(layer)
    SubElement(made, "layername").text = layer.title
    add_crs(SubElement(made, "srs"))
    SubElement(made, "provider", encoding="UTF-8").text = "ogr"
    _renderer(made, layer)
    widgets = SubElement(made, "fieldConfiguration")
    for field in layer.fields:
        _widget(SubElement(widgets, "field", name=field.name, configurationFlags="None"), field)
    aliases, defaults, editable = (SubElement(made, name) for name in ("aliases", "defaults", "editable"))
    for index, field in enumerate(layer.fields, start=1):
        SubElement(aliases, "alias", field=field.name, name=field.alias, index=str(index))
        SubElement(defaults, "default", field=field.name, expression=field.start, applyOnUpdate="0")
        SubElement(editable, "field", name=field.name, editable="0" if field.kept else "1")
    SubElement(made, "previewExpression").text = f'"{layer.fields[0].name}"'


def _widget(parent: Element, field: _Field) -> None:
    kind = "ValueMap" if field.values else "DateTime" if field.name in ("started", "finished") else "TextEdit"
    config = SubElement(SubElement(parent, "editWidget", type=kind), "config")
    options = SubElement(config, "Option", type="Map")
    if field.values:
        listed = SubElement(options, "Option", type="List", name="map")
        for value in field.values:
            SubElement(SubElement(listed, "Option", type="Map"), "Option", type="QString", name=value, value=value)
    elif kind == "DateTime":
        for name in ("allow_null", "calendar_popup"):
            SubElement(options, "Option", type="bool", name=name, value="true")
    else:
        many = "true" if field.name in ("note", "reason") else "false"
        SubElement(options, "Option", type="bool", name="IsMultiline", value=many)


def _renderer(made: Element, layer: _Layer) -> None:
    kind = "categorizedSymbol" if layer.attribute else "singleSymbol"
    renderer = SubElement(made, "renderer-v2", type=kind, enableorderby="0", symbollevels="0", forceraster="0")
    if layer.attribute:
        renderer.set("attr", layer.attribute)
        categories = SubElement(renderer, "categories")
        for number, style in enumerate(layer.styles):
            SubElement(
                categories, "category", value=style.value, label=style.label, symbol=str(number), render="true", type="string"
            )  # fmt: skip
    symbols = SubElement(renderer, "symbols")
    for number, style in enumerate(layer.styles):
        add_fill(symbols, str(number), Fill(style.fill, style.line, style.width, style.pattern))


def _raster_layer(layers: Element, key: str, title: str, path: str) -> None:
    made = SubElement(layers, "maplayer", type="raster", hasScaleBasedVisibilityFlag="0")
    SubElement(made, "id").text = key
    SubElement(made, "datasource").text = path
    SubElement(made, "layername").text = title
    add_crs(SubElement(made, "srs"))
    SubElement(made, "provider").text = "gdal"
    pipe = SubElement(made, "pipe")
    SubElement(
        pipe, "rasterrenderer", type="multibandcolor", redBand="1", greenBand="2", blueBand="3", alphaBand="4", opacity="1"
    )  # fmt: skip


def _properties(root: Element) -> None:
    properties = SubElement(root, "properties")
    digitizing = SubElement(properties, "Digitizing")
    # A polygon may be drawn over the model's: reading cuts those that lie under it. A vertex that two share moves for both.
    SubElement(digitizing, "AvoidIntersectionsMode", type="int").text = "0"
    SubElement(digitizing, "TopologicalEditing", type="int").text = "1"
    paths = SubElement(properties, "Paths")
    SubElement(paths, "Absolute", type="bool").text = "false"
