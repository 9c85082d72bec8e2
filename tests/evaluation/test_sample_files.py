"""Files of samples as they come back: flaws, errors and damage are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from croplayer.evaluation.area_estimates import estimate_areas
from croplayer.evaluation.frame import Frame
from croplayer.evaluation.sample_drawing import draw_stratified
from croplayer.evaluation.sample_files import read_sample, write_sample


def change(path: Path, edit: object) -> None:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    edit(table)  # type: ignore[operator]
    table.to_csv(path, index=False)


def test_a_sample_that_is_no_probability_sample_gets_no_interval(drawn: Path) -> None:
    complete = estimate_areas(read_sample(drawn))
    assert complete.areas.low_km2.notna().all()
    flaws = {
        "1 of 40 points have no label": lambda t: t.loc.__setitem__((0, "label"), ""),
        "1 points were moved": lambda t: t.loc.__setitem__((0, "lon"), str(float(t.lon[0]) + 0.001)),
        "1 points were added by hand": lambda t: t.loc.__setitem__(40, ["x1", t.lon[0], t.lat[0], "cropland", ""]),
    }
    original = drawn.read_text()
    for sentence, edit in flaws.items():
        drawn.write_text(original)
        change(drawn, edit)
        sample = read_sample(drawn)
        assert sentence in sample.flaw
        result = estimate_areas(sample)
        assert result.areas.estimate_km2.notna().all()
        assert result.areas[["standard_error_km2", "low_km2", "high_km2"]].isna().all(axis=None)
        assert result.accuracy[["standard_error", "low", "high"]].isna().all(axis=None)
        assert "No interval" in result.notes[0] and sentence in result.notes[0]
    drawn.write_text(original)
    drawn.with_suffix(".design.json").unlink()
    sample = read_sample(drawn)
    with pytest.raises(ValueError, match="how its points were chosen is not known"):
        estimate_areas(sample)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda t: t.loc.__setitem__((4, "label"), "maybe"),
            r"s.csv row 6 \(p05\): label is 'maybe'; expected cropland",
        ),
        (lambda t: t.loc.__setitem__((4, "lon"), "abc"), r"row 6 \(p05\): lon is 'abc'"),
        (lambda t: t.loc.__setitem__((4, "lat"), "95"), r"row 6 \(p05\): lat is '95'"),
        (lambda t: t.loc.__setitem__((4, "id"), "p01"), "row 6: id 'p01' appears twice"),
        (lambda t: t.drop(columns="label", inplace=True), "no column 'label'"),
        (lambda t: t.loc.__setitem__((slice(None), "label"), ""), "has no label yet"),
    ],
)
def test_errors_in_a_sample_name_file_row_and_field(drawn: Path, edit: object, message: str) -> None:
    change(drawn, edit)
    with pytest.raises(ValueError, match=message):
        read_sample(drawn)


def test_labels_are_never_overwritten_and_a_damaged_design_is_named(drawn: Path, frame: Frame) -> None:
    with pytest.raises(FileExistsError, match="may hold labels"):
        write_sample(drawn.with_suffix(".gpkg"), draw_stratified(frame, np.array([4, 4]), False, 1))
    design = drawn.with_suffix(".design.json")
    facts = json.loads(design.read_text())
    design.write_text(design.read_text()[:-20])
    with pytest.raises(ValueError, match=r"s.design.json is damaged"):
        read_sample(drawn)
    design.write_text(json.dumps(facts | {"format": "other"}))
    with pytest.raises(ValueError, match="format 'other'"):
        read_sample(drawn)


def test_a_draw_that_was_killed_leaves_nothing_that_stops_the_next(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything but the GeoPackage is there; then it is again, and a label in the table is never lost."""
    from croplayer.evaluation import sample_files

    def killed(*_: object) -> Path:
        raise KeyboardInterrupt

    design = read_sample(drawn).design
    assert design is not None
    tmp_path /= "again"
    tmp_path.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(sample_files, "write_geopackage", killed)
        with pytest.raises(KeyboardInterrupt):
            write_sample(tmp_path / "sample", design)
    assert {p.name for p in tmp_path.iterdir()} == {"sample.csv", "sample.design.json"}
    first = [path.read_bytes() for path in write_sample(tmp_path / "sample", design)[1:]]
    (tmp_path / "sample.gpkg").unlink()
    assert [path.read_bytes() for path in write_sample(tmp_path / "sample", design)[1:]] == first
    (tmp_path / "sample.gpkg").unlink()
    csv = tmp_path / "sample.csv"
    csv.write_text(csv.read_text().replace(",,", ",1,", 1))
    with pytest.raises(FileExistsError, match=r"sample\.csv exists and may hold labels"):
        write_sample(tmp_path / "sample", design)
