"""The map as a folder: as large as was said, and the same page from a disk or a plain web server."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from shared.browser import browser_tabs, needs_browser

from croplayer.viewer.mercator import Tile
from croplayer.viewer.run_view import RunView
from croplayer.viewer.still import TooLargeError, plan_of, write_still
from pipelines.cli import main

pytest.importorskip("xstatic.pkg.leaflet")


@pytest.fixture
def view(run: Path) -> RunView:
    return RunView.of(run)


def test_tiles_are_those_of_the_server(view: RunView, tmp_path: Path) -> None:
    plan = plan_of(view, 10**9, zoom=view.least_zoom + 2)
    write_still(view, tmp_path / "out", plan)
    tiles = list((tmp_path / "out/tiles").rglob("*.*"))
    assert 0 < len(tiles) <= plan.tiles
    for path in tiles:
        key, *numbers = path.relative_to(tmp_path / "out/tiles").with_suffix("").parts
        served = np.asarray(Image.open(io.BytesIO(view.tile(key, Tile(*map(int, numbers))))))
        with Image.open(path) as picture:
            found = np.asarray(picture.convert("RGBA"))
        if path.suffix == ".png":
            np.testing.assert_array_equal(found, served)
        else:
            np.testing.assert_array_equal(found[..., 3], served[..., 3])


def test_the_size_is_known_before(view: RunView, tmp_path: Path) -> None:
    plan = plan_of(view, 10**9)
    assert plan.zoom == view.own_zoom
    write_still(view, tmp_path / "out", plan)
    taken = sum(-(-p.stat().st_size // 4096) * 4096 for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert plan.nbytes == pytest.approx(taken, rel=0.5)
    smaller = plan_of(view, plan.nbytes - 1)
    assert smaller.zoom < plan.zoom and smaller.nbytes < plan.nbytes
    with pytest.raises(TooLargeError, match=r"up to zoom \d+ would take about [\d,]+ MB, more than the 0 MB"):
        plan_of(view, 1000)
    with pytest.raises(TooLargeError):
        plan_of(view, plan.nbytes - 1, zoom=plan.zoom)
    with pytest.raises(ValueError, match="zooms"):
        plan_of(view, 10**9, zoom=view.own_zoom + 1)


def test_a_folder_that_holds_something_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("kept")
    result = CliRunner().invoke(main, ["view", str(run), "--static", str(tmp_path / "out")])
    assert result.exit_code and "not an empty folder" in result.output
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.fixture
def folder(run: Path, tmp_path: Path) -> Path:
    """What the command writes."""
    out = tmp_path / "pages/a map"
    result = CliRunner().invoke(main, ["view", str(run), "--static", str(out), "--most-mb", "50"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("at most ") and result.stdout.endswith(f"open {out / 'index.html'}\n")
    assert result.stderr.splitlines() == [
        "Warning: the folder must not be shared: nothing lets pictures of the imagery 'borealis' (© <b>Borealis</b>) be published; "
        "state its licence in the recipe, or "
        'may_publish = ["results", "pictures"] if you hold that right, or leave the imagery out'
    ]
    return out


def test_a_run_that_names_no_licences_says_so(run: Path, tmp_path: Path) -> None:
    (run / "provenance.json").unlink()
    result = CliRunner().invoke(main, ["view", str(run), "--static", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("Warning: nothing tells under which licences") and result.stderr.count("\n") == 1


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    """The address of the folder at a plain web server, below another path."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *said: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/a%20map/"
    server.shutdown()
    server.server_close()


@needs_browser
def test_the_page_works_from_a_disk_and_from_a_plain_server(folder: Path, served: str, tmp_path: Path) -> None:
    with browser_tabs(tmp_path / "browser") as (tab,):
        for start in (folder.as_uri() + "/", served):
            tab.requested.clear()

            def until(true: str) -> None:
                tab.until(lambda: tab.value(true), true)

            tab.open(f"{start}index.html")
            until("document.body?.dataset.ready === 'yes'")
            until(
                "[...document.querySelectorAll('#map img.leaflet-tile-loaded')].some((one) => one.naturalWidth === 256)"
            )
            tab.value("by('search').focus()")
            for letter in "qing":
                tab.press(letter)
            until("document.querySelectorAll('#hits button').length === 2")
            tab.press("Enter", "\r")
            until("by('place').innerText.includes('interval 39.5 to 48.5 km²')")
            tab.value("void showPlace(114.07, 34.97)")
            until("by('place').innerText.includes('checked in the field')")
            said = tab.text("#place")
            assert "Qingan" in said and "Westland" in said and "Far <b>Qing</b>" not in said
            assert "unit" not in tab.value("location.hash") and "at=114.07" in tab.value("location.hash")
            assert tab.value("[...document.querySelectorAll('#licences a')].map((link) => link.href).join()") == (
                "https://example.org/aster"
            )
            assert tab.value("by('licences').textContent.includes('© <b>Borealis</b>')")
            until("document.querySelectorAll('.pictures img.leaflet-tile-loaded').length > 2")
            tab.value("void showPlace(50, 10)")
            until("by('place').innerText.includes('knows no block')")
            assert all(asked.startswith((start, "data:", "about:", "file:///")) for asked in tab.requested)


def test_without_a_name_the_folder_lies_beside_the_run(run: Path) -> None:
    result = CliRunner().invoke(main, ["view", str(run), "--static", "--zoom", "11"])
    beside = run.with_name(f"{run.name}_map")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"open {beside / 'index.html'}\n") and (beside / "page.css").is_file()
