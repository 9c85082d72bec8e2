"""`croplayer paper` on a small run: its page, its files, other levels, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from shared.label_edits import EMPTY, clear, draw, finish

from croplayer.active.project import LabelProject
from croplayer.active.reading import read_tasks
from croplayer.models.judging.comparison_file import Comparison, ComparisonRow, Contestant, Figures, write_comparison
from pipelines.cli import main
from pipelines.exit_codes import BAD_INPUT


@pytest.fixture(autouse=True)
def _home(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROPLAYER_MODELS", str(models))


def said(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, [str(a) for a in arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def rows_of(page: Path) -> dict[str, tuple[str, str]]:
    """What the table at the top says of each figure and table: whether it is here, and the last cell."""
    html = re.sub(r'base64,[^"]*', "", page.read_text(encoding="utf-8"))
    found = re.findall(
        r'<tr><td class="short"><a href="#[^"]*">([^<]+)</a></td><td class="word">[^<]*</td>\s*'
        r'<td class="[a-z]+">([a-z ]+)</td>\s*<td class="word">(.*?)</td></tr>', html, re.S,
    )  # fmt: skip
    return {number: (here, rest) for number, here, rest in found}


def test_the_page_names_every_figure_and_links_its_files(finished: Path, tmp_path: Path) -> None:
    before, out = state(finished), tmp_path / "paper"
    output = said("paper", finished, "-o", out)
    assert state(finished) == before
    rows = rows_of(out / "paper.html")
    assert list(rows) == [*(f"Table {n}" for n in range(1, 7)), *(f"Fig. {n}" for n in range(1, 18))]
    missing = {number for number, (here, _) in rows.items() if here == "no"}
    assert missing == {"Table 2", "Table 3", "Table 6", "Fig. 3", "Fig. 4", "Fig. 8", "Fig. 11"}
    assert f"{23 - len(missing)} of 23 figures and tables: {out / 'paper.html'}" in output
    for number, (here, rest) in rows.items():
        files = re.findall(r'href="([^"]+)"', rest)
        assert bool(files) == (here != "no"), number
        assert all((out / file).stat().st_size for file in files), number
    levels = pd.read_csv(out / "tables" / "levels_by_unit.csv", dtype={"adcode": str})
    assert set(levels["map"]) == {"aster", "borealis", "merge_both", "croplayer"}
    assert levels.drop_duplicates("adcode").blocks.sum() == 4
    whole = pd.read_csv(finished / "tables" / "units_1.csv", dtype={"adcode": str}).set_index("adcode")
    mine = levels[levels["map"] == "croplayer"].set_index("adcode").percent
    pd.testing.assert_series_equal(mine, whole.croplayer_percent.loc[mine.index], check_names=False)


def test_labels_and_networks_fill_what_is_missing(finished: Path, tmp_path: Path) -> None:
    said("label", "init", finished, "-o", tmp_path / "labels", "--tasks", 2, "--window-px", 64)
    project = LabelProject.open(tmp_path / "labels")
    first, second = read_tasks(project)
    clear(project)
    draw(project, first, shapely.box(0, 0, 30, 30))
    draw(project, second, shapely.box(0, 0, 64, 64), layer=EMPTY)
    finish(project, first, second)
    figures = Figures(4_900_000, 812.4, 0.931, 0.41, 0.96, 2.5e6, "CPU", "2026-11-25")
    row = ComparisonRow(Contestant("pidnet", "s"), figures, made_of="a")
    budget = {"steps": 100, "batch": 4, "crop_px": 256, "threads": 2}
    write_comparison(tmp_path / "comparison.json", Comparison("24 scenes", 24, 6, budget, (row,)))
    labels = state(project.folder)
    given = ("--labels", project.folder, "--comparison", tmp_path)
    said("paper", finished, "-o", tmp_path / "paper", *given)
    assert state(project.folder) == labels
    rows = rows_of(tmp_path / "paper" / "paper.html")
    assert all(rows[number][0] == "yes" for number in ("Table 6", "Fig. 3", "Fig. 8"))
    page = (tmp_path / "paper" / "paper.html").read_text(encoding="utf-8")
    assert re.search(r"Of 4 blocks, people drew cropland in 1 and found none in [01]\.", page)
    assert "0.931" in page


def test_another_level_has_its_own_statistics(finished: Path, tmp_path: Path) -> None:
    said("paper", finished, "--level", 2, "-o", tmp_path / "none")
    here, why = rows_of(tmp_path / "none" / "paper.html")["Fig. 12"]
    assert here == "no" and "--statistics" in why
    units = pd.read_csv(finished / "tables" / "units_2.csv", dtype={"adcode": str})
    areas = units.croplayer_km2.where(units.croplayer_km2 > 0, 1.0)
    statistics = units[["adcode", "name_en"]].assign(cropland_km2=areas)
    statistics.to_csv(tmp_path / "counties.csv", index=False)
    said("paper", finished, "--level", 2, "--statistics", tmp_path / "counties.csv", "-o", tmp_path / "two")
    rows = rows_of(tmp_path / "two" / "paper.html")
    assert rows["Fig. 12"][0] == rows["Fig. 16"][0] == "yes"
    levels = pd.read_csv(tmp_path / "two" / "tables" / "levels_by_unit.csv")
    percent = levels[levels["map"] == "croplayer"].percent.dropna()
    assert len(percent) and percent.isin([100.0, 0.0]).all()


def test_what_does_not_fit_is_one_sentence(finished: Path, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        return said("paper", *arguments, code=BAD_INPUT)

    assert "no admin units of level 7; it has 1, 2" in refused(finished, "--level", 7, "-o", tmp_path / "a")
    assert "holds nothing but the run" in refused(finished, "-o", finished / "paper")
    assert "is not the folder of a run" in refused(tmp_path, "-o", tmp_path / "b")
    (tmp_path / "other.csv").write_text("adcode,name_en,cropland_km2\n9,Nowhere,1\n", encoding="utf-8")
    given = (finished, "--statistics", tmp_path / "other.csv", "-o", tmp_path / "c")
    assert "have a row of no unit of level 1" in refused(*given)
    assert not (tmp_path / "c").exists()
