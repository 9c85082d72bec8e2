"""The map of a run, served by the real command: to those who have its address, and as the browser asks for it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from shared.browser import browser_tabs, needs_browser
from shared.places import REPOSITORY

pytest.importorskip("xstatic.pkg.leaflet")
TILE = "tiles/map/12/3345/1623.png"
"""A tile in the middle of the cube."""


@pytest.fixture
def address(run: Path, tmp_path: Path) -> Iterator[str]:
    """The address of the page; what the command says on its second stream is nothing."""
    errors = tmp_path / "errors"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines", "view", str(run)], stdout=subprocess.PIPE, stderr=stream, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"}, cwd=REPOSITORY,
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        said = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/[\w-]{30,}/)\n", process.stdout.readline())
        try:
            assert said, errors.read_text()
            yield said[1]
            assert not errors.read_text()
            assert psutil.Process(process.pid).memory_info().rss < 300e6
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def test_nothing_is_answered_without_the_token(address: str) -> None:
    place = urlsplit(address)
    token = place.path.strip("/")
    for path in ("", "about.json", "x/about.json", f"{token[:-1]}/about.json", f"x{token}/", f"static/{token}"):
        answer = requests.get(f"http://{place.netloc}/{path}", timeout=60)
        assert (answer.status_code, answer.content) == (403, b""), path
        assert "Server" not in answer.headers


def test_a_tile_is_asked_for_again_and_not_sent_again(address: str) -> None:
    first = requests.get(address + TILE, timeout=60)
    assert (first.status_code, first.headers["Content-Type"]) == (200, "image/png")
    assert first.content.startswith(b"\x89PNG") and first.headers["Cache-Control"] == "private, no-cache"
    again = requests.get(address + TILE, timeout=60, headers={"If-None-Match": first.headers["Etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = requests.get(address + TILE.replace("map", "imagery-0"), timeout=60)
    assert other.headers["Etag"] != first.headers["Etag"]


def test_what_is_not_there_is_not_found(address: str) -> None:
    for path in (
        "outlines/2",
        "tiles/none/3/1/1.png",
        "tiles/map/3/8/1.png",
        "tiles/map/23/1/1.png",
        "units/2/9.json",
        "server.py",
        "x/page.js",
    ):
        assert requests.get(address + path, timeout=60).status_code == 404, path
    for query in ("lon=1", "lon=x&lat=1", "lon=nan&lat=1", "lon=181&lat=0"):
        assert requests.get(f"{address}at.json?{query}", timeout=60).status_code == 400, query


def test_fifty_tiles_at_once_are_those_that_are_asked_for_one_by_one(address: str) -> None:
    keys = ("map", "imagery-0", "imagery-1", "share", "integration")
    tiles = [f"tiles/{key}/13/{6690 + x}/{3245 + y}.png" for key in keys for x in range(5) for y in range(2)]

    def get(path: str) -> bytes:
        answer = requests.get(address + path, timeout=60)
        assert answer.status_code == 200
        return answer.content

    with ThreadPoolExecutor(50) as threads:
        at_once = list(threads.map(get, tiles))
    assert at_once == [get(path) for path in tiles]
    assert len(set(at_once)) > 10


@needs_browser
def test_the_page_in_a_browser(address: str, tmp_path: Path) -> None:
    with browser_tabs(tmp_path / "browser") as (tab,):

        def until(true: str) -> None:
            tab.until(lambda: tab.value(true), true)

        tab.open(address)
        until("document.body?.dataset.ready === 'yes'")
        until("document.querySelectorAll('#map img.leaflet-tile-loaded').length > 0")
        tab.value("by('search').focus()")
        for letter in "qing":
            tab.press(letter)
        until("document.querySelectorAll('#hits button').length === 2")
        tab.press("Enter", "\r")
        until("by('place').innerText.includes('41.25')")
        assert "interval 39.5 to 48.5 km²" in tab.text("#place") and "knows only" not in tab.text("#place")
        tab.value("document.querySelectorAll('#hits button')[1].click()")
        until("by('place').innerText.includes('Far <b>Qing</b>')")
        assert "12.5 km²" in tab.text("#place") and "The map knows only 75 % of its land." in tab.text("#place")
        tab.value("void map.setView([34.97, 114.07], 12, {animate: false}); by('map').focus()")
        tab.press("Enter", "\r")
        until("by('place').innerText.includes('checked in the field')")
        tab.value("by('right').value = 'imagery-1'; by('right').dispatchEvent(new Event('change'))")
        until("document.querySelectorAll('.leaflet-right-pane img.leaflet-tile-loaded').length > 0")
        there = str(tab.value("location.href"))
        assert "right=imagery-1" in there and "at=114.07" in there
        tab.open("about:blank")
        until("location.href === 'about:blank'")
        tab.open(there)
        until("document.body?.dataset.ready === 'yes' && by('place').innerText.includes('checked in the field')")
        assert tab.value("by('right').value") == "imagery-1"
        assert all(asked.startswith((address, "data:", "about:")) for asked in tab.requested)
