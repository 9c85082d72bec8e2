"""Review files that anyone can edit: read back with their errors named."""

from __future__ import annotations

import itertools
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image
from shared.commands import croplayer

from croplayer.cube.whole_blocks import Cube
from croplayer.decisions.review_files import MISSING, OUTLINE, write_review_files
from croplayer.decisions.reviews import read_overrides, read_reviews, reviewed_by
from croplayer.decisions.sampling import spacing_for, systematic_blocks
from croplayer.measures.reference import reference_labels
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange, Bounds

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


def test_an_override_may_tell_its_author_and_date(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text("block,integration,reason,author,date\nr0001c0001,Only A,clouds,Li Na,2024-05-31\n")
    assert read_overrides(path).iloc[0].tolist() == ["r0001c0001", "Only A", "clouds", "Li Na", "2024-05-31"]
    path.write_text("block,integration,reason,author\nr0001c0001,Only A,clouds,\n")
    with pytest.raises(ValueError, match="row 2: author is empty"):
        read_overrides(path)
    path.write_text("block,integration,reason,date\nr0001c0001,Only A,clouds,31 May\n")
    with pytest.raises(ValueError, match="row 2: date '31 May' is no date; expected a form like 2024-05-31"):
        read_overrides(path)


def test_the_systematic_sample_does_not_depend_on_the_region() -> None:
    grid = BlockGrid()
    large = systematic_blocks(grid.blocks_in(Bounds(110, 30, 113, 33)))
    small = systematic_blocks(grid.blocks_in(Bounds(111.15, 31.2, 112.6, 32.35)))
    assert len(large) == 36
    assert set(small) == {
        b for b in large if 111.15 <= grid.bounds(b).west < 112.6 and 31.2 <= grid.bounds(b).south < 32.35
    }
    rows = sorted({b.row for b in large})
    assert {b - a for a, b in itertools.pairwise(rows)} == {10}
    with pytest.raises(ValueError, match=r"a grid of 0.5 degree meets none of the 1 blocks"):
        systematic_blocks([BlockIndex(1100, 5900)])


@pytest.mark.parametrize(
    ("degrees", "spacing", "blocks"), [(6, 0.5, 144), (3, 0.25, 144), (1, 0.1, 100), (0.9, 0.05, 324), (0.2, 0.05, 16)]
)
def test_a_sample_without_a_stated_spacing_has_a_hundred_blocks_or_all(
    degrees: float, spacing: float, blocks: int
) -> None:
    among = list(BlockGrid().blocks_in(Bounds(110, 30, 110 + degrees, 30 + degrees)))
    assert spacing_for(among) == spacing
    assert len(systematic_blocks(among, spacing_for(among))) == blocks
    with pytest.raises(ValueError, match=r"expected a multiple of 0.05"):
        systematic_blocks([BlockIndex(1100, 5900)], 0.07)


def test_review_files_are_filled_in_and_read_back(tmp_path: Path) -> None:
    blocks = BlockRange(1100, 5880, 2, 2)
    CUBE.create(DurableStore(tmp_path / "cube.zarr"), "2020", BlockGrid(64), blocks, SOURCES)
    cube = Cube.open(tmp_path / "cube.zarr")
    chosen = [BlockIndex(1100 + i, 5880 + j) for i in range(2) for j in range(2)]
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48], mask[:8] = 1, 254
    for block in chosen:
        for source in SOURCES:
            cube.write_block("rgb", block, rng.integers(0, 200, (64, 64, 3)).astype(np.uint8), source)
            cube.write_block("cropland", block, mask, source)
    out = tmp_path / "review"
    write_review_files(out, cube, chosen)
    table = pd.read_csv(out / "blocks.csv", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    frame = gpd.read_file(out / "blocks.gpkg")
    assert table.block.tolist() == frame.block.tolist() == [b.name for b in chosen]
    with Image.open(out / table.thumbnail[0]) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (2 * 64 + 4, 2 * 64 + 4, 3)
    outline = (pixels == OUTLINE).all(axis=-1)
    assert outline[:, :64].sum() == 0 and outline[:64, 68:].sum() == 4 * 32 - 4
    assert (pixels[:8, :64] == MISSING).all()
    table.loc[1, ["correctness_aster", "integration", "reviewer"]] = ["Artifacts", "Only B", "Li"]
    table.to_csv(out / "blocks.csv", index=False)
    assert read_reviews([out / "blocks.csv"], SOURCES).block.tolist() == [table.block[1]]
    frame["correctness_borealis"] = ["", "TN", None, "Tp"]
    frame.to_file(out / "blocks.gpkg")
    assert read_reviews([out / "blocks.gpkg"], SOURCES).correctness_borealis.tolist() == ["TN", "TP"]
    with pytest.raises(FileExistsError, match="may hold reviews; give another folder"):
        write_review_files(out, cube, chosen)


def test_a_sample_is_drawn_from_a_run(finished_small_run: Path, models: Path, tmp_path: Path) -> None:
    done = croplayer("judge", "sample", finished_small_run, "-o", tmp_path, "--spacing-deg", "0.05", models=models)
    assert "4 of 4 blocks, every 0.05 degree: fill in" in done.stdout
    assert "TP, TN, FP, Noise, Artifacts" in done.stdout
    assert len(list((tmp_path / "thumbnails").glob("*.png"))) == 4
    done = croplayer("judge", "sample", tmp_path, "-o", tmp_path / "other", models=models, check=False)
    assert done.returncode == 2 and "holds no described masks" in done.stderr


def test_labels_from_a_reference_are_what_the_masks_are_worth() -> None:
    truth = np.zeros((40, 40), np.uint8)
    truth[:20] = 1
    good, missing = truth.copy(), np.full((40, 40), 254, np.uint8)
    labels = reference_labels(truth, {"aster": good, "borealis": 1 - good})
    assert labels == {"correctness_aster": "TP", "correctness_borealis": "FP", "integration": "Only A"}
    labels = reference_labels(truth, {"aster": missing, "borealis": good})
    assert labels == {"correctness_aster": None, "correctness_borealis": "TP", "integration": "Only B"}
    left, right = good.copy(), good.copy()
    left[:, 20:], right[:, :20] = 254, 0
    assert reference_labels(truth, {"aster": left, "borealis": right})["integration"] == "Merge both"
    nothing = reference_labels(np.full((40, 40), 254, np.uint8), {"aster": good, "borealis": good})
    assert set(nothing.values()) == {None}
