"""The report in a real browser: it shows the map that lies beside its run, fits on A4, and is dark where readers want that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from shared.browser import browser_tabs, needs_browser

from croplayer.report.page import Picture, Report, Section, Table

A4_PX = {"upright": (210 - 24) / 25.4 * 96, "turned": (297 - 24) / 25.4 * 96}
"""Width of a page between its margins."""


@needs_browser
def test_the_report_shows_the_map_beside_its_run_or_the_command_for_it(tmp_path: Path) -> None:
    run = tmp_path / "my region"
    later = run / "editions" / "2021"
    later.mkdir(parents=True)
    page = Report("t", [], [], [], has_map=True).to_html()
    for folder in (run, later):
        (folder / "report.html").write_text(page)
    with browser_tabs(tmp_path / "browser") as (tab,):

        def shows(report: Path, words: str, frame: str | None) -> None:
            tab.open(report.as_uri())
            tab.until(lambda: words in tab.text("#map p"), words)
            frames = tab.value("[...document.querySelectorAll('#map iframe')].map((one) => one.src)")
            assert frames == ([] if frame is None else [(tmp_path / frame / "index.html").as_uri()])

        shows(run / "report.html", "croplayer view my region --static", None)
        shows(later / "report.html", "croplayer view my region --static", None)
        for name in ("my region_map", "my region_2021_map"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "page.css").write_text("body { display: none }")
            (tmp_path / name / "index.html").write_text("<p>a map</p>")
            shows(run / "report.html", "Open the map alone", "my region_map")
            shows(later / "report.html", "Open the map alone", name)
        assert tab.value("getComputedStyle(document.body).display") == "block"


@needs_browser
def test_print_cuts_nothing_and_breaks_no_word(tmp_path: Path) -> None:
    figure = Figure(figsize=(7.6, 9.0))
    figure.subplots().plot([0, 1])
    names = ["Hsinchuang-Chiayi", "青安县青安县", "ESA WorldCover (made up)"]
    header = ["unit", "名称", "code", *(f"GLC_FCS30-{i} (made up), km²" for i in range(12))]
    rows = [[name, "青安县", "110101", *(["1,234.5"] * 12)] for name in names for _ in range(20)]
    few = Table("Few columns.", header[:11], [row[:11] for row in rows[:5]])
    notes = Table("Notes.", ["product", "note"], [["a", "A long note. " * 30]])
    parts = [Picture.of("a", "High", "c", figure), few, Table("Many columns.", header, rows), notes]
    report = tmp_path / "report.html"
    report.write_text(Report("t", [], [], [Section("g", "t", parts, is_folded=True)]).to_html())
    with browser_tabs(tmp_path / "browser") as (tab,):
        tab.call("Emulation.setEmulatedMedia", media="print")
        for page, width in A4_PX.items():
            size = {"width": int(width), "height": 900, "deviceScaleFactor": 1, "mobile": False}
            tab.call("Emulation.setDeviceMetricsOverride", **size)
            tab.open(report.as_uri())
            tab.until(lambda: tab.value("document.readyState === 'complete'"), "the report is there")
            tab.value("dispatchEvent(new Event('beforeprint'))")
            which = ".table.wide table" if page == "turned" else ".table:not(.wide) table, figure img"
            widths = tab.value(
                f"[...document.querySelectorAll({which!r})].map((one) => one.getBoundingClientRect().right)"
            )
            assert len(widths) == (1 if page == "turned" else 3)
            assert all(0 < right <= int(width) for right in widths), (page, widths)
        # Numbers and codes stand in one line each.
        broken = """[...document.querySelectorAll('td:not(.long)')].filter((td) => { const range = document.createRange();
        range.selectNodeContents(td); return /\\d/.test(td.textContent) && range.getClientRects().length > 1 }).length"""
        assert tab.value(broken) == 0
        assert tab.value("document.querySelector('figure img').getBoundingClientRect().height") < 230 / 25.4 * 96


@needs_browser
def test_a_dark_page_inverts_figures_but_not_their_photographs(tmp_path: Path) -> None:
    figure = Figure(figsize=(4, 2), dpi=110)
    photo, chart = figure.add_axes((0.1, 0.2, 0.3, 0.6)), figure.add_axes((0.6, 0.2, 0.3, 0.6))
    shades = np.random.default_rng(1).integers(0, 60, (40, 40, 3)).astype(np.uint8)
    photo.imshow(shades + np.array([120, 60, 20], np.uint8), aspect="auto")
    chart.imshow(np.full((4, 4, 3), (0, 158, 115), np.uint8), aspect="auto")
    plain = Figure(figsize=(4, 2))
    plain.subplots().plot([0, 1])
    parts = [Picture.of("a", "With a photograph", "c", figure), Picture.of("b", "Without", "c", plain)]
    report = tmp_path / "report.html"
    report.write_text(Report("t", [], [], [Section("g", "t", parts)]).to_html())
    shown = {}
    with browser_tabs(tmp_path / "browser") as (tab,):
        for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
            tab.call(
                "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
            )
            tab.open(report.as_uri())
            tab.until(lambda: tab.value("document.readyState === 'complete'"), "the report is there")
            for number in (0, 1):
                tab.value(f"document.querySelectorAll('.drawn')[{number}].id = 'shown'")
                picture = tab.picture(tmp_path / "shown.png", "#shown")
                tab.value("document.querySelector('#shown').removeAttribute('id')")
                with Image.open(picture) as file:
                    shown[media, scheme, number] = np.asarray(file.convert("RGB"), float)

    def part(name: tuple[str, str, int], left: float, top: float, right: float, bottom: float) -> np.ndarray:
        pixels = shown[name]
        h, w = pixels.shape[:2]
        return pixels[int(top * h) : int(bottom * h), int(left * w) : int(right * w)].mean((0, 1))

    light, dark, printed = (("screen", "light", 0), ("screen", "dark", 0), ("print", "dark", 0))
    of_photo, of_chart, of_page = (0.15, 0.3, 0.35, 0.7), (0.65, 0.3, 0.85, 0.7), (0.45, 0.05, 0.55, 0.95)
    np.testing.assert_allclose(part(dark, *of_photo), part(light, *of_photo), atol=3)
    assert part(light, *of_page).min() > 250 and part(dark, *of_page).max() < 45
    red, green, blue = part(dark, *of_chart)
    assert green > red and green > blue, "hues stay"
    assert shown["screen", "light", 1].mean() > 200 and shown["screen", "dark", 1].mean() < 70
    np.testing.assert_allclose(part(printed, *of_page), 255, atol=3)


@needs_browser
def test_wide_figures_move_sideways_on_a_phone_and_the_page_does_not(tmp_path: Path) -> None:
    figure = Figure(figsize=(14, 4), dpi=110)
    figure.subplots().plot([0, 1])
    report = tmp_path / "report.html"
    report.write_text(Report("t", [], [], [Section("g", "t", [Picture.of("a", "Wide", "c", figure)])]).to_html())
    with browser_tabs(tmp_path / "browser") as (tab,):
        for width, least in ((360, 800), (800, 700), (1400, 700)):
            tab.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
            tab.open(report.as_uri())
            tab.until(lambda: tab.value("document.readyState === 'complete'"), "the report is there")
            assert tab.value("document.querySelector('figure img').getBoundingClientRect().width") > least
            assert tab.value("document.documentElement.scrollWidth") <= width
            if width == 360:
                moved = tab.value(
                    "(() => { const d = document.querySelector('.drawn'); d.scrollLeft = 9999; return d.scrollLeft })()"
                )
                assert moved > 400
