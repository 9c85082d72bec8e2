"""The page as a bokeh document: two pictures side by side, the panels of words, and what the browser sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import shapely
from bokeh.core.properties import Int, String
from bokeh.document import Document
from bokeh.events import RangesUpdate, Tap
from bokeh.model import DataModel
from bokeh.models import ColumnDataSource, CustomJS, Div, PointDrawTool, Range1d, TextInput
from bokeh.plotting import figure
from shapely.geometry.base import BaseGeometry

from croplayer.active.page import panels
from croplayer.active.page.items import Item, Work
from croplayer.active.page.keys import Act
from croplayer.active.page.outlines import Outline
from croplayer.active.page.pictures import Picture, as_words
from croplayer.active.page.session import Session
from croplayer.active.project import EMPTY, FIELDS
from croplayer.active.tasks import FieldClass, Origin

HERE = Path(__file__).parent
ZOOM = 1.5
MARGINS = {Work.FIELDS: 0.13, Work.BLOCKS: 0.02, Work.POINTS: 0.0}
"""What is shown at first beyond the window on each side, as a share of its edge."""
AROUND_SHARE = 0.5
"""The same with the land around."""
OUTLINE_SHARE = 0.35
"""Smallest share of the view that an outline takes while its corners are moved."""
TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=False)
KINDS = tuple(panels.FIELD_COLOURS)


class Browser(DataModel):  # type: ignore[misc]
    """What the browser sends and what it is answered; ``page.js`` knows these names."""

    key = String(default="")
    """Number and name of the key that was pressed."""
    answered = Int(default=0)
    """Number of the last key whose effect is saved and shown."""
    tool = String(default="")
    """``draw`` while corners are drawn."""
    focus = Int(default=0)
    """Grows when the note shall be written."""


class Page:
    """The models of one browser tab and how they follow its session."""

    def __init__(self, document: Document, session: Session) -> None:
        self.session = session
        self._shown: tuple[Any, ...] = ()
        self.browser = Browser(name="browser")
        sheet = (HERE / "panel.css").read_text(encoding="utf-8")
        self._header, self._message, self._keys = (
            Div(name=n, stylesheets=[sheet]) for n in ("header", "message", "keys")
        )
        self._note = TextInput(name="note", placeholder="note (t)", stylesheets=[sheet], sizing_mode="stretch_width")
        self._x, self._y = Range1d(0, 1), Range1d(0, 1)
        self._drawn = ColumnDataSource({"x": [], "y": []})
        self._outlines = {kind: ColumnDataSource({"xs": [], "ys": []}) for kind in KINDS}
        self._frame = ColumnDataSource({"l": [], "r": [], "b": [], "t": []})
        self._cross = ColumnDataSource({"x0": [], "y0": [], "x1": [], "y1": []})
        self._images = {s: [_image_source() for _ in range(3)] for s in session.desk.sources}
        figures = [self._figure(number, source) for number, source in enumerate(session.desk.sources)]
        self._listen(figures)
        for root in (*figures, self._header, self._message, self._keys, self._note, self.browser):
            document.add_root(root)
        document.config.notify_connection_status = False
        document.title = "croplayer labels"
        document.template = TEMPLATES.get_template("page.html.jinja")
        document.template_variables.update(
            {"script": (HERE / "page.js").read_text(encoding="utf-8"), "figures": [f.name for f in figures]}
        )
        self.show(fit=True)

    def show(self, fit: bool = False) -> None:
        """Show what stands on disk."""
        session = self.session
        try:
            self._show_item(fit)
        except (OSError, ValueError) as error:
            session.message, session.failed = str(error), True
        try:
            self._header.text, self._keys.text = panels.header(session), panels.key_list(session)
            noted = session.see()
        except (OSError, ValueError) as error:
            session.message, session.failed, noted = str(error), True, ""
        self._message.text = panels.message(session)
        if self._note.value != noted:
            self._note.value = noted
        self._note.disabled = session.item is None

    def _show_item(self, fit: bool) -> None:
        session, item = self.session, self.session.item
        for kind, shapes in self._by_kind().items():
            self._outlines[kind].data = _rings(shapes)
        x, y = session.drawing.corners
        self._drawn.data = {"x": list(x), "y": list(y)}
        self.browser.tool = "draw" if session.drawing.mode is not None else ""
        state = (item, session.map_shown, session.around_shown, session.shown)
        if state == self._shown and not fit:
            return
        changed = fit or not self._shown or self._shown[:1] != state[:1]
        pictures = session.desk.pictures
        for source, images in self._images.items():
            shown = pictures.imagery(item, source) if item else None
            has_map = item is not None and session.map_shown and item.work == Work.BLOCKS
            cropland = pictures.map(item, source, session.shown) if item and has_map else None
            around = pictures.around(item, source) if item and session.around_shown else None
            for image, picture in zip(images, (around, shown, cropland), strict=True):
                image.data = _image(item, picture)
        self._mark(item)
        wider = session.around_shown and (not self._shown or self._shown[2] != session.around_shown)
        if item is not None and (changed or wider):
            self._fit(item, AROUND_SHARE if session.around_shown else MARGINS[item.work])
        self._shown = state

    def _by_kind(self) -> dict[str, list[BaseGeometry]]:
        """The outlines of the item by the name of their colour."""
        found: dict[str, list[BaseGeometry]] = {kind: [] for kind in KINDS}
        session = self.session
        if session.item is None or session.item.work != Work.FIELDS:
            return found
        for one in session.desk.outlines(session.item):
            chosen = (one.layer, one.number) == session.drawing.selected
            if (chosen or session.map_shown) and not (chosen and session.drawing.mode == Act.EDIT):
                found[_kind(one)].append(one.shape)
                found["selected"] += [one.shape] if chosen else []
        return found

    def _mark(self, item: Item | None) -> None:
        """The frame of the window, or the cross at the point."""
        window = item.window if item else None
        framed = window is not None and item is not None and item.work != Work.POINTS
        self._frame.data = (
            {"l": [0], "r": [window.width], "b": [0], "t": [window.height]}
            if window is not None and framed
            else {"l": [], "r": [], "b": [], "t": []}
        )
        if window is None or framed:
            self._cross.data = {"x0": [], "y0": [], "x1": [], "y1": []}
            return
        x, y, gap, arm = window.width / 2, window.height / 2, 4, 26
        self._cross.data = {
            "x0": [x - arm, x + gap, x, x], "y0": [y, y, y - arm, y + gap],
            "x1": [x - gap, x + arm, x, x], "y1": [y, y, y - gap, y + arm],
        }  # fmt: skip

    def _fit(self, item: Item, margin: float) -> None:
        edge = max(item.window.height, item.window.width)
        self._x.update(start=-margin * edge, end=(1 + margin) * edge)
        self._y.update(start=-margin * edge, end=(1 + margin) * edge)

    def _zoom(self, factor: float) -> None:
        """Show less or more, around the selected outline if there is one."""
        item = self.session.item
        chosen = self.session.drawing.chosen(item) if item else None
        place = chosen.shape.centroid if chosen else None
        for span, at in ((self._x, place and place.x), (self._y, place and place.y)):
            middle = at if at is not None else (span.start + span.end) / 2
            half = (span.end - span.start) / 2 * factor
            span.update(start=middle - half, end=middle + half)

    def _approach(self) -> None:
        """Show the outline whose corners are moved large enough."""
        x, y = self.session.drawing.corners
        edge = max(max(x) - min(x), max(y) - min(y))
        if edge < OUTLINE_SHARE * (self._x.end - self._x.start):
            self._zoom(edge / OUTLINE_SHARE / (self._x.end - self._x.start))

    def _figure(self, number: int, source: str) -> Any:
        plot = figure(
            name=f"picture{number}", x_range=self._x, y_range=self._y, tools="pan,wheel_zoom", active_scroll="wheel_zoom",
            toolbar_location=None, sizing_mode="stretch_both", min_border=0, outline_line_color=None, title=source,
        )  # fmt: skip
        plot.axis.visible = plot.grid.visible = False
        plot.background_fill_color = "#3a4147"
        plot.title.text_font_size, plot.title.text_color = "15px", "#e8edf0"
        plot.border_fill_color = "#1f252a"
        for image in self._images[source]:
            plot.image_rgba(image="image", x="x", y="y", dw="w", dh="h", source=image, level="image")
        plot.quad("l", "r", "b", "t", source=self._frame, fill_color=None, line_color="#ffff00", line_width=2)
        for kind, colour in panels.FIELD_COLOURS.items():
            rings = self._outlines[kind]
            wide = 5 if kind == "selected" else 4
            plot.multi_polygons(
                "xs", "ys", source=rings, fill_alpha=0, line_color="black", line_alpha=0.55, line_width=wide
            )
            hatch = {"hatch_pattern": "/", "hatch_color": colour, "hatch_alpha": 0.6} if kind == "no cropland" else {}
            fill = 0.0 if kind in ("no cropland", "selected") else 0.14
            dash = "6 4" if kind == "selected" else "solid"
            plot.multi_polygons(
                "xs", "ys", source=rings, fill_color=colour, fill_alpha=fill, line_color=colour, line_width=2, line_dash=dash, **hatch
            )  # fmt: skip
        for colour, width in (("black", 5), ("#00e5ff", 2)):
            plot.segment("x0", "y0", "x1", "y1", source=self._cross, line_color=colour, line_width=width)
        plot.patch(
            "x", "y", source=self._drawn, fill_color="#00e5ff", fill_alpha=0.2, line_color="#00e5ff", line_width=2
        )
        corners = plot.scatter(
            "x", "y", source=self._drawn, size=11, fill_color="#00e5ff", line_color="black", nonselection_fill_alpha=1,
            selection_fill_color="#ff00c8",
        )  # fmt: skip
        draw = PointDrawTool(renderers=[corners], name=f"draw{number}")
        plot.add_tools(draw)
        return plot

    def _listen(self, figures: list[Any]) -> None:
        for plot in figures:
            pan = next(t for t in plot.tools if type(t).__name__ == "PanTool")
            draw = next(t for t in plot.tools if type(t).__name__ == "PointDrawTool")
            self.browser.js_on_change(
                "tool",
                CustomJS(
                    args={"pan": pan, "draw": draw, "browser": self.browser},
                    code="const on = browser.tool == 'draw'; if (on) { draw.active = true } else { draw.active = false; pan.active = true }",
                ),
            )
            plot.on_event(Tap, self._tapped)
            plot.on_event(RangesUpdate, lambda _: self.session.look())
        self.browser.on_change("key", lambda attr, old, new: self._pressed(new))
        self._drawn.on_change("data", lambda attr, old, new: self._corners(new))
        self._note.on_change("value", lambda attr, old, new: self._noted(new))

    def _pressed(self, sent: str) -> None:
        number, _, key = sent.partition(" ")
        act = self.session.press(key)
        if act == Act.NOTE:
            self.browser.focus += 1
        elif act in (Act.CLOSER, Act.FARTHER):
            self._zoom(1 / ZOOM if act == Act.CLOSER else ZOOM)
        elif act == Act.EDIT and self.session.drawing.mode == Act.EDIT:
            self._approach()
        if act is not None:
            self.show(fit=act == Act.FIT)
        self.browser.answered = int(number)

    def _tapped(self, event: Tap) -> None:
        if event.x is not None and event.y is not None and self.session.drawing.mode is None:
            self.session.select(event.x, event.y)
            self.show()

    def _corners(self, data: dict[str, Any]) -> None:
        x, y = list(map(float, data["x"])), list(map(float, data["y"]))
        if self.session.drawing.mode is None or (x, y) == tuple(self.session.drawing.corners):
            return
        self.session.draw(x, y)
        if (x, y) != tuple(self.session.drawing.corners):
            self._drawn.data = dict(zip("xy", self.session.drawing.corners, strict=True))
        self._message.text = panels.message(self.session)

    def _noted(self, text: str) -> None:
        try:
            same = text.strip() == self.session.noted
        except (OSError, ValueError):
            same = False
        if not same:
            self.session.note(text)
            self.show()


def _kind(one: Outline) -> str:
    if one.layer == EMPTY:
        return "no field here"
    if one.kind == FieldClass.NOT:
        return "no cropland"
    assert one.layer == FIELDS
    return "yours or accepted" if one.origin == Origin.PERSON or one.note == "accepted" else "of the map"


def _rings(shapes: list[BaseGeometry]) -> dict[str, list[Any]]:
    """Polygons with holes as bokeh draws them."""
    xs: list[Any] = []
    ys: list[Any] = []
    for shape in shapes:
        polygons = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
        rings = [[np.asarray(ring.coords)[:-1] for ring in (p.exterior, *p.interiors)] for p in polygons]
        xs.append([[ring[:, 0].tolist() for ring in polygon] for polygon in rings])
        ys.append([[ring[:, 1].tolist() for ring in polygon] for polygon in rings])
    return {"xs": xs, "ys": ys}


def _image_source() -> ColumnDataSource:
    return ColumnDataSource({"image": [], "x": [], "y": [], "w": [], "h": []})


def _image(item: Item | None, picture: Picture | None) -> dict[str, list[Any]]:
    if item is None or picture is None:
        return {"image": [], "x": [], "y": [], "w": [], "h": []}
    at, shown = item.window, picture.window
    return {
        "image": [as_words(picture.rgba)], "x": [shown.col - at.col], "y": [at.row_stop - shown.row_stop],
        "w": [shown.width], "h": [shown.height],
    }  # fmt: skip


def ask_name(document: Document, said: str = "") -> None:
    """A page that asks for the person's name, or says why the project cannot be opened."""
    document.title = "croplayer labels"
    document.template = TEMPLATES.get_template("name.html.jinja")
    document.template_variables.update({"said": said})
