"""Review files that anyone can edit: read back with their errors named."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from croplayer.decisions.reviews import read_overrides, read_reviews, reviewed_by

SOURCES = ("aster", "borealis")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("block,reviewer\nr0001c0001,me\n", "no column with a review"),
        ("block,correctness_ester\nr0001c0001,TP\n", "column 'correctness_ester'; the run's sources are aster, borealis"),
        ("block,correctness_aster\nr1c1,TP\n", "row 2: block: 'r1c1' is not a block name"),
        ("block,correctness_aster\nr0001c0001,TP\nr0001c0002,Good\n", "row 3: correctness_aster 'Good' is unknown; expected one of TP, TN, FP, Noise, Artifacts, or empty"),
        ("block,integration\nr0001c0001,Both\n", "row 2: integration 'Both' is unknown; expected one of Neither, Only A"),
        ("block,correctness_aster\nr0001c0001,TP\nr0001c0001,FP\n", "row 3: block r0001c0001 appears twice, first in .* row 2"),
        ("source,correctness_aster\naster,TP\n", "no column 'block'"),
    ],
)  # fmt: skip
def test_errors_name_file_row_field_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "reviewed.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_reviews([path], SOURCES)
    assert "reviewed.csv" in str(caught.value)


def test_several_files_add_up_and_empty_fields_are_not_reviewed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "﻿block,correctness_aster,integration,note\nr0001c0001,tp,,\nr0001c0002,,,later\n", "utf-8"
    )
    frame = gpd.GeoDataFrame(
        {"block": ["r0001c0003"], "integration": ["merge both"], "reviewer": ["Li"]},
        geometry=[shapely.box(0, 0, 1, 1)], crs=4326,
    )  # fmt: skip
    frame.to_file(tmp_path / "b.gpkg")
    reviews = read_reviews([tmp_path / "a.csv", tmp_path / "b.gpkg"], SOURCES)
    assert reviews.block.tolist() == ["r0001c0001", "r0001c0003"]
    assert reviews.correctness_aster.tolist() == ["TP", None]
    assert reviews.integration.tolist() == [None, "Merge both"]
    assert reviewed_by(reviews) == "people"
    frame.to_file(tmp_path / "c.gpkg")
    with pytest.raises(
        ValueError, match=r"c.gpkg feature 1: block r0001c0003 appears twice, first in .*b.gpkg feature 1"
    ):
        read_reviews([tmp_path / "b.gpkg", tmp_path / "c.gpkg"], SOURCES)


def test_labels_from_a_map_are_not_called_a_review_by_people(tmp_path: Path) -> None:
    path = tmp_path / "reviewed.csv"
    path.write_text("block,integration,reviewer\nr0001c0001,Neither,reference 'truth'\n")
    words = reviewed_by(read_reviews([path], SOURCES))
    assert words == "the reference 'truth' (labels computed from it, not seen by a person)"


def test_an_override_needs_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text("block,integration,reason\nr0001c0001,Only A,\n")
    with pytest.raises(ValueError, match="row 2: reason is empty"):
        read_overrides(path)
    path.write_text("block,integration,reason\nr0001c0001,only a,clouds in B\n")
    assert read_overrides(path).integration.tolist() == ["Only A"]
