"""The page in a real headless browser, with a real server that is killed between keys."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests
import shapely
from shared.browser import Tab, browser_tabs, needs_browser
from shared.label_edits import clear, in_task, rows_of
from shared.places import REPOSITORY
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from croplayer.active.judgements import read_judgements
from croplayer.active.page.desk import Desk
from croplayer.active.page.items import block_items
from croplayer.active.page.pictures import Pictures
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_labels, read_tasks
from stores.legends import DEFAULT_CLASSES

pytest.importorskip("bokeh")
PLACE = """(() => { const model = Bokeh.documents[0].get_model_by_name('picture0'); const view = Bokeh.index.get_by_id(model.id);
const box = view.canvas_view.el.getBoundingClientRect(); const frame = view.frame ?? view._frame;
return [box.left + frame.x_scale.compute(X), box.top + frame.y_scale.compute(Y)] })()"""


class Served:
    """A server of a label project."""

    def __init__(self, project: LabelProject, log: Path) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "BOKEH_LOG_LEVEL": "debug", "BOKEH_PY_LOG_LEVEL": "debug"}
        command = [sys.executable, "-m", "pipelines", "label", "serve", str(project.folder)]
        self._log = log
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, cwd=REPOSITORY
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"open (http://127\.0\.0\.1:(\d+)/([\w-]{30,})/)\n", line)
        assert found, line + log.read_text()
        self.address, self.port, self.token = found.groups()

    def kill(self) -> None:
        """As a crash of the machine ends it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> str:
        """Stop it; returns everything that it said since it told its address, and logged."""
        if self.process.poll() is None:
            self.process.terminate()
        said = self.process.communicate(timeout=30)[0]
        return said + self._log.read_text()


@contextmanager
def served(project: LabelProject, log: Path) -> Iterator[Served]:
    server = Served(project, log)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def home(project: LabelProject, finished_small_run: Path) -> LabelProject:
    """The copy of the project, which finds its run."""
    path = project.folder / "project.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"run": os.path.relpath(finished_small_run, project.folder)}))
    return LabelProject.open(project.folder)


def opened(tab: Tab, server: Served, name: str = "Li") -> None:
    tab.open(f"{server.address}?name={name}")
    tab.until(lambda: tab.value("document.body && document.body.dataset.ready"), "the page is not ready")
    tab.until(lambda: tab.text("#saved") == "all saved", "not connected")


def press(tab: Tab, *keys: str) -> None:
    """Press keys, each when the one before is saved."""
    for key in keys:
        tab.press(key)
        tab.until(lambda: tab.text("#saved") == "all saved", f"key {key} is not saved")


def click(tab: Tab, x: float, y: float, to: tuple[float, float] | None = None) -> None:
    """Click at pixels of the window, x to the east and y to the north, or drag from there."""

    def place(x: float, y: float) -> tuple[float, float]:
        return tuple(tab.value(PLACE.replace("X", str(x)).replace("Y", str(y))))

    tab.click(*place(x, y), to=place(*to) if to else None)
    time.sleep(0.4)  # two clicks in a shorter time are a double click


@needs_browser
def test_blocks_are_judged_and_a_killed_server_loses_nothing(home: LabelProject, tmp_path: Path) -> None:
    first = block_items(read_tasks(home), home.grid)[0].subject
    with browser_tabs(tmp_path / "profile", 2) as (li, anna):
        with served(home, tmp_path / "log") as server:
            opened(li, server)
            press(li, "m", "4", "8")
            assert li.text("#subject") == first
            opened(anna, server, "Anna")
            press(anna, "m")
            assert anna.text("#subject") != first
            li.press("t")
            li.until(lambda: li.value("document.activeElement.shadowRoot != null"), "the note has no focus")
            for letter in "m cloud":
                li.press(letter)
            li.press("Enter")
            li.until(lambda: all(j.note for j in read_judgements(home.folder)), "the note is not saved")
            before = read_judgements(home.folder)
            assert [(j.subject, j.value, j.note) for j in before] == [(first, v, "m cloud") for v in ("Noise", "FP")]
            server.kill()
            li.until(lambda: "The server has stopped" in li.text("#lost"), "nobody says that the server is gone")
            li.press("1")
            assert li.text("#saved") == "not connected"
            assert read_judgements(home.folder) == before
            asked = [*li.requested, *anna.requested]
            assert any(a.startswith("ws:") for a in asked) and any("bokeh" in a for a in asked)
            allowed = (server.address, server.address.replace("http", "ws"), "data:", "blob:", "about:")
            assert [a for a in asked if not a.startswith(allowed)] == []
        with served(home, tmp_path / "log") as server:
            opened(li, server)
            press(li, "m")
            assert li.text(".key.on[data-key='4']").endswith("Noise") and li.text(".key.on[data-key='8']").endswith(
                "FP"
            )
            press(li, "w")
            assert li.text("#subject") != first and "complete" in li.text("#message")
            press(li, "z")
            assert li.text("#subject") == first
            assert [j.value for j in read_judgements(home.folder)] == ["Noise", "FP"]


@needs_browser
def test_a_full_disk_is_said_on_the_page(home: LabelProject, tmp_path: Path) -> None:
    """No file of the server may grow, as on a full disk, until there is room again."""
    with served(home, tmp_path / "log") as server, browser_tabs(tmp_path / "profile") as (tab,):
        opened(tab, server)
        press(tab, "m", "4")
        size = next((home.folder / "judgements").glob("*.jsonl")).stat().st_size
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
        press(tab, "8")
        assert "nothing was saved" in tab.text("#message.failed")
        assert tab.text(".key.on[data-key='8']") == "" and tab.text(".key.on[data-key='4']")
        assert [j.value for j in read_judgements(home.folder)] == ["Noise"]
        before = home.gpkg.read_bytes()
        press(tab, "m", "w")
        assert "nothing was added" in tab.text("#message.failed"), tab.text("#message")
        assert home.gpkg.read_bytes() == before
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        press(tab, "w", "m", "8")
        assert tab.text("#message.failed") == ""
    assert [j.value for j in read_judgements(home.folder)] == ["Noise", "FP"]
    assert len(rows_of(home.gpkg, "empty")) == 1


@needs_browser
def test_a_field_is_drawn_with_the_mouse_and_the_task_finished(home: LabelProject, tmp_path: Path) -> None:
    clear(home)
    task = read_tasks(home)[0]
    unit = task.window.height / 32
    with served(home, tmp_path / "log") as server, browser_tabs(tmp_path / "profile") as (tab,):
        opened(tab, server)
        assert tab.text("#subject") == task.id
        press(tab, "c")
        for x, y in ((4, 4), (28, 4), (28, 20), (16, 28)):
            click(tab, x * unit, y * unit)
        tab.until(lambda: "(4 corners)" in tab.text("#message"), "the corners do not arrive")
        assert rows_of(home.gpkg, "fields").empty
        press(tab, "Enter")
        drawn = rows_of(home.gpkg, "fields")
        (shape,) = drawn.geometry
        expected = in_task(home, task, shapely.Polygon(np.array([(4, 28), (28, 28), (28, 12), (16, 4)]) * unit))
        common = shapely.intersection(shape, expected).area / shapely.union(shape, expected).area
        assert common > 0.9 and list(drawn.origin) == ["person"]  # a click is exact to a pixel of the screen
        click(tab, 20 * unit, 12 * unit)
        press(tab, "e")
        tab.until(lambda: "Drag corners" in tab.text("#message"), "no corners are shown")
        click(tab, 28 * unit, 4 * unit, to=(22 * unit, 8 * unit))
        click(tab, 4.2 * unit, 16 * unit)
        tab.until(lambda: "(5 corners)" in tab.text("#message"), "the corner on the side does not arrive")
        assert rows_of(home.gpkg, "fields").geometry.iloc[0].equals(shape)
        press(tab, "Enter")
        (moved,) = rows_of(home.gpkg, "fields").geometry
        corners = [(4, 28), (22, 24), (28, 12), (16, 4), (4, 16)]
        expected = in_task(home, task, shapely.Polygon(np.array(corners) * unit))
        assert shapely.intersection(moved, expected).area / shapely.union(moved, expected).area > 0.8
        click(tab, 20 * unit, 14 * unit)
        press(tab, "x")
        assert list(rows_of(home.gpkg, "fields")["class"]) == ["not"]
        press(tab, "z", "z")
        assert rows_of(home.gpkg, "fields").geometry.iloc[0].equals(shape)
        press(tab, "d")
        assert tab.text("#subject") != task.id and "1" in tab.text("#left")
        server.kill()
    found = read_labels(home)
    assert [t.id for t in found.tasks if t.status == "done"] == [task.id]
    assert [t.person for t in found.tasks if t.id == task.id] == ["Li"] and len(found.fields) == 1


def test_a_port_that_is_taken_is_named(home: LabelProject) -> None:
    from croplayer.active.page.server import serve

    desk = Desk(home, Pictures(home, None), DEFAULT_CLASSES.labels)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"port {port} of 127\.0\.0\.1 cannot be used .* --port"):
            serve(desk, port=port)


def test_without_the_token_nothing_is_answered_and_no_log_has_it(home: LabelProject, tmp_path: Path) -> None:
    with served(home, tmp_path / "log") as server:
        root = f"http://127.0.0.1:{server.port}"
        for path in (
            "/",
            "/ws",
            "/static/js/bokeh.min.js",
            f"/{server.token[:-1]}/",
            f"/x/{server.token}/",
            "/favicon.ico",
        ):
            for method in ("GET", "POST", "HEAD", "PUT"):
                refused = requests.request(method, root + path, timeout=10)
                assert (refused.status_code, refused.content) == (403, b""), (method, path)
        assert socket_status(f"ws://127.0.0.1:{server.port}/ws", root) == 403
        assert socket_status(f"ws://127.0.0.1:{server.port}/{'x' * len(server.token)}/ws", root) == 403
        assert socket_status(f"ws://127.0.0.1:{server.port}/{server.token}/ws", "http://example.org") == 403
        page = requests.get(server.address, timeout=10)
        assert page.status_code == 200 and "Your name" in page.text
        assert requests.get(f"{server.address}nothing", timeout=10).status_code == 404
        assert requests.get(f"{server.address}static/js/bokeh.min.js", timeout=10).status_code == 200
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.2:{server.port}/", timeout=10)
        said = server.stop()
    assert server.token not in said


def socket_status(address: str, origin: str) -> int:
    async def connect() -> int:
        try:
            await websocket_connect(HTTPRequest(address, headers={"Origin": origin}), subprotocols=["bokeh", "token"])
        except HTTPClientError as error:
            assert not (error.response and error.response.body) or address.count("/") > 3
            return int(error.code)
        return 101

    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    return asyncio.run(connect())
