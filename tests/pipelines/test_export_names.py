"""Names of the exported files of admin units."""

from __future__ import annotations

import pandas as pd

from pipelines.stages.export import ENDINGS, export_names


def names_of(*units: tuple[str, str, str]) -> list[str]:
    return export_names(pd.DataFrame(units, columns=["adcode", "name_en", "name_zh"]))


def test_a_name_is_made_of_the_code_and_the_chinese_name_or_the_other_one() -> None:
    units = [("110000", "Beijing", "北京"), ("XX/01", "West", ""), ("../../outside", "East", ""), ("7", "7", "")]
    assert names_of(*units) == ["cf_110000_北京", "cf_XX_01_West", "cf__outside_East", "cf_7"]


def test_the_recipe_chooses_which_name_comes_first() -> None:
    units = pd.DataFrame([("1", "Beijing", "北京"), ("2", "", "上海")], columns=["adcode", "name_en", "name_zh"])
    assert export_names(units, "en") == ["cf_1_Beijing", "cf_2_上海"]
    assert export_names(units, "code") == ["cf_1", "cf_2"]


def test_units_whose_names_collide_after_cleaning_or_on_a_disk_without_case_get_files_of_their_own() -> None:
    names = names_of(("A/1", "x", ""), ("A?1", "x", ""), ("a_1", "X", ""), ("A", "1_x", ""), ("B", "y", ""))
    assert len({name.casefold() for name in names}) == 5
    assert all(name.startswith(("cf_A_1_x_", "cf_a_1_X_")) for name in names[:4]) and names[4] == "cf_B_y"


def test_names_leave_room_for_every_ending() -> None:
    first, second = names_of(("1" * 80, "北" * 200, ""), ("1" * 80 + "2", "北" * 200, ""))
    assert first != second
    assert all(len(f"{name}{ending}".encode()) <= 200 for name in (first, second) for ending in ENDINGS.values())
