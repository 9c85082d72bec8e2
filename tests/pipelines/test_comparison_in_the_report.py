"""A recipe names a comparison of networks, and the report of its run shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from croplayer.models.judging.comparison_file import Comparison, ComparisonRow, Contestant, Figures, write_comparison
from pipelines.cli import main
from pipelines.exit_codes import BAD_INPUT
from stores.durable import digest_file

RECIPE = 'name = "shown"\ntitle = "x"\nabout = "-"\nedition = "1"\n[segmentation]\nmodel = "landscape"\n'
BUDGET = {"steps": 100, "batch": 4, "crop_px": 256, "threads": 2}


@pytest.mark.parametrize("named", ["compared", "compared/comparison.json"])
def test_the_report_shows_the_comparison_and_is_made_again_when_it_changed(tmp_path: Path, named: str) -> None:
    def run() -> Result:
        return CliRunner().invoke(main, ["run", str(tmp_path / "r.toml"), "-o", str(tmp_path / "out")])

    def compare(iou: float) -> str:
        figures = Figures(4_900_000, 812.4, iou, 0.41, 0.96, 2.5e6, "CPU", "2026-11-25")
        row = ComparisonRow(Contestant("unet", "efficientnet-lite2", "imagenet"), figures, made_of="a b")
        write_comparison(path, Comparison("24 scenes of fields", 24, 6, BUDGET, (row,)))
        return f"Read from compared/comparison.json, digest {digest_file(path).sha256[:12]}."

    path = tmp_path / "compared" / "comparison.json"
    path.parent.mkdir()
    (tmp_path / "r.toml").write_text(f'{RECIPE}[report]\ncomparison = "{named}"\n')
    report = tmp_path / "out" / "report.html"
    for iou in (0.931, 0.862):
        origin = compare(iou)
        assert run().exit_code == 0
        page = report.read_text(encoding="utf-8")
        assert origin in page and f"{iou:.3f}" in page and "unet efficientnet-lite2 from imagenet" in page
        assert "Trained 2026-11-25;" in page and "24 scenes of fields" in page
    written = report.stat().st_mtime_ns
    assert run().exit_code == 0 and report.stat().st_mtime_ns == written
    path.unlink()
    told = run()
    assert told.exit_code == BAD_INPUT and "[report]: comparison: " in told.stderr


def test_a_report_without_a_comparison_says_nothing_of_it(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(RECIPE)
    done = CliRunner().invoke(main, ["run", str(tmp_path / "r.toml"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "Networks compared" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
