from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared.small_cubes import RANGE, make_cube

from croplayer.active.run_numbers import RunNumbers
from croplayer.active.scores import NAMES, candidates, near_outline, pixel_scores, ranks, words
from stores.grid import BlockIndex

BLOCK = BlockIndex(RANGE.row, RANGE.col)


def test_scores_of_pixels_have_the_values_of_their_definitions(tmp_path: Path) -> None:
    cube = make_cube(tmp_path / "cube.zarr")
    probability = np.zeros((64, 64), np.uint8)
    probability[:32, 32:], probability[32:, :32], probability[32:, 32:] = 125, 50, 254
    mask = np.zeros((64, 64), np.uint8)
    mask[32:, 32:] = 254
    other = mask.copy()
    other[:16, :32] = 1
    cube.write_block("cropland_probability", BLOCK, probability, "aster")
    cube.write_block("cropland_probability", BLOCK, np.full((64, 64), 254, np.uint8), "borealis")
    cube.write_block("cropland", BLOCK, mask, "aster")
    cube.write_block("cropland", BLOCK, other, "borealis")
    cube.write_block("croplayer", BLOCK, mask)
    scores = pixel_scores(cube, BLOCK, 32, ["aster", "borealis"])
    entropy_of_a_fifth = -(0.2 * np.log2(0.2) + 0.8 * np.log2(0.8))
    assert scores["entropy"] == pytest.approx([0, 1, entropy_of_a_fifth, np.nan], abs=1e-9, nan_ok=True)
    assert scores["margin"] == pytest.approx([0, 1, 0.4, np.nan], abs=1e-9, nan_ok=True)
    assert scores["source_disagreement"] == pytest.approx([0.5, 0, 0, np.nan], nan_ok=True)
    assert scores["known"] == pytest.approx([1, 1, 1, 0])


def test_imagery_that_the_map_leaves_out_makes_no_window_worth_a_look(tmp_path: Path) -> None:
    """Clouds are uncertain, unfamiliar and unlike other land, and nothing that is drawn on them is learned."""
    cube = make_cube(tmp_path / "cube.zarr")
    land, clouds = np.full((64, 64), 25, np.uint8), np.full((64, 64), 125, np.uint8)
    for source, probability, colour in (("aster", clouds, 250), ("borealis", land, 90)):
        cube.write_block("cropland_probability", BLOCK, probability, source)
        cube.write_block("cropland", BLOCK, (probability >= 125).astype(np.uint8), source)
        cube.write_block("rgb", BLOCK, np.full((64, 64, 3), colour, np.uint8), source)
        cube.write_block("imagery_valid", BLOCK, np.ones((64, 64), bool), source)
    cube.write_block("croplayer", BLOCK, np.zeros((64, 64), np.uint8))
    told = {
        "block": [BLOCK.name], "coverage_type_aster": ["Cloudy"], "coverage_type_borealis": ["Planting"],
        "familiarity_aster": [0.0], "familiarity_borealis": [0.9], "correctness_aster": ["FP"], "correctness_borealis": ["TP"],
    }  # fmt: skip

    def scored(**other: list[str]) -> pd.Series:
        numbers = RunNumbers(cube, pd.DataFrame(told | other), None, pd.Series(dtype=float), (), ("TP",))
        return candidates(numbers, [0], 64).iloc[0]

    left_out, taken = scored(), scored(coverage_type_aster=["Planting"])
    assert left_out.margin == pytest.approx(0.2) and np.isnan(left_out.source_disagreement)
    assert left_out.unfamiliarity == pytest.approx(0.1) and left_out.doubt == 0
    assert np.isnan(left_out.colour_0) and left_out.colour_6 == pytest.approx(90 / 255)
    assert taken.margin == pytest.approx(0.6) and taken.source_disagreement == 1
    assert taken.unfamiliarity == 1 and taken.doubt == 0.5 and taken.colour_0 == pytest.approx(250 / 255)
    nothing = scored(coverage_type_borealis=["Snow/Ice"])
    assert nothing[["entropy", "margin", "source_disagreement", "unfamiliarity", "doubt"]].isna().all()


def test_the_surroundings_of_outlines_do_not_count() -> None:
    mask = np.zeros((40, 40), bool)
    mask[:, 20:] = True
    assert np.flatnonzero(near_outline(mask)[5]).tolist() == list(range(17, 23))
    assert not near_outline(np.ones((9, 9), bool)).any()


def test_ranks_put_nothing_forward_that_tells_nothing() -> None:
    table = pd.DataFrame(dict.fromkeys(NAMES, np.nan), index=range(4))
    table["entropy"], table["rarity"], table["doubt"] = [0.1, 0.4, 0.2, np.nan], 0.3, [0.0, 0.0, 1.0, 1.0]
    found = ranks(table)
    assert list(found.columns) == ["uncertainty", "correctness"]
    assert found.uncertainty.tolist() == pytest.approx([1 / 3, 1, 2 / 3, 0.5])
    assert found.correctness.tolist() == pytest.approx([0.375, 0.375, 0.875, 0.875])
    assert words(table.loc[1], found.loc[1]) == (
        "The network is unsure here (mean entropy 0.40 bit away from outlines), above 99 % of the windows."
    )
    assert words(table.loc[2], found.loc[2]).startswith(
        "The block's mask is judged wrong for 100 % of the sources, above 87 %"
    )
    # A type that most blocks have is not called rare.
    common = pd.Series(dict.fromkeys(NAMES, np.nan) | {"rarity": 0.25})
    assert words(common, pd.Series({"coverage": 0.39})).startswith("No score sets it apart")
    assert words(common, pd.Series({"coverage": 0.7})).startswith("Its coverage type is that of 75 % of the blocks")


def test_every_window_of_a_run_has_its_numbers(numbers: RunNumbers) -> None:
    table = candidates(numbers, range(len(numbers.names)), 32)
    assert len(table) == 64 and table.id.is_unique
    assert {"", "110000", "120000"} >= set(table.unit) and table.coverage.isin(["Planting", "Non-planting"]).all()
    for name in (
        "entropy",
        "margin",
        "source_disagreement",
        "product_disagreement",
        "doubt",
        "unfamiliarity",
        "rarity",
    ):
        # Sources can only disagree where the map takes both.
        known = table[name].notna()
        assert table[name][known].between(0, 1).all() and known.sum() >= 16, name
    # The run's own tables: a block's product disagreement, its familiarity, and the unit's area against its statistic.
    row = numbers.blocks.iloc[2]
    familiarity = [row[f"familiarity_{source}"] for source in numbers.usable_sources(numbers.names[2])]
    wrong = (row.fp_croplayer_coarse + row.fn_croplayer_coarse) / 128**2
    mine = table[table.block_row == 2]
    assert mine.product_disagreement.tolist() == pytest.approx([wrong] * 16)
    assert mine.unfamiliarity.iloc[0] == pytest.approx(1 - min(familiarity))
    for unit, percent in numbers.percent.items():
        assert table.statistic[table.unit == unit].tolist() == pytest.approx(
            [abs(np.log(percent / 100))] * int((table.unit == unit).sum())
        )
