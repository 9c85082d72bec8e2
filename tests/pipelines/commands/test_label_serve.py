"""What the commands of the page say; the page itself is tested in active/test_page_in_the_browser.py."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from croplayer.active.judgements import Judgement, JudgementKind, append
from croplayer.active.project import Settings
from pipelines.cli import main


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    (tmp_path / "labels").mkdir()
    settings = Settings("../run", "2020", ("A", "B"), 128, 32, 1)
    (tmp_path / "labels" / "project.json").write_text(json.dumps(asdict(settings)))
    return tmp_path / "labels"


def said(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["label", *map(str, arguments)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_agreement_is_printed_by_kind_with_its_interval(labels: Path) -> None:
    assert "nothing was judged by two people yet" in said("agreement", labels)
    for person, values in (("Li", "TTTTFFFFNN"), ("Anna", "TTTFFFFFNN")):
        for number, letter in enumerate(values):
            value = {"T": "TP", "F": "FP", "N": "Noise"}[letter]
            one = Judgement(
                JudgementKind.CORRECTNESS, f"r1100c590{number}", "A", value, person, datetime(2026, 5, 4, tzinfo=UTC)
            )
            append(labels, one)
    # By hand: po = 0.9, pe = 0.4 * 0.3 + 0.4 * 0.5 + 0.2 * 0.2 = 0.36.
    assert said("agreement", labels) == (
        "correctness A, all: 10 cases, 90% the same, kappa 0.84 (95% interval 0.55 to 1.00)\n"
    )


def test_bad_input_is_one_sentence(labels: Path) -> None:
    pytest.importorskip("bokeh")
    assert "is not a label project" in said("serve", labels.parent, code=2)
    assert "is not a label project" in said("agreement", labels.parent, code=2)
    assert "ends in '.csv'; give the .gpkg file" in said("serve", labels, "--sample", "sample.csv", code=2)
    assert said("serve", labels, code=2).count("\n") == 1
