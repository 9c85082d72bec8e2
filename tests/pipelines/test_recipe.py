"""Recipes: what is wrong is named with the file and the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.recipe import Recipe
from pipelines.recipe_errors import RecipeError
from pipelines.recipe_files import RECIPES, find_recipe, load_recipe, load_resolved_recipe
from stores.run_folder import RunFolder

GOOD = """
name = "x"
title = "A map"
[region]
bounds = [10.0, 5.0, 10.1, 5.1]
[segmentation]
model = "m"
[[sources]]
name = "a"
kind = "raster"
paths = ["a.tif"]
"""


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, tmp_path / "out")


def test_a_resolved_recipe_reads_back_as_itself(tmp_path: Path) -> None:
    recipe = load(tmp_path, GOOD)
    again = load(tmp_path, recipe.to_toml())  # type: ignore[attr-defined]
    assert recipe == again


@pytest.mark.parametrize("name", sorted(p.stem for p in RECIPES.glob("*.toml")))
def test_every_recipe_that_comes_along_is_valid(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(find_recipe(name), tmp_path)
    assert recipe.name == name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "A map"\n', "", "title is missing"),
        (
            'kind = "raster"',
            'kind = "raster"\ncolour = 3',
            r"\[\[sources\]\] 1: colour is not a known key; known are .*paths",
        ),
        ("[region]", "blocks = 4\n[region]", "blocks is not a known key"),
        ("bounds = [10.0, 5.0, 10.1, 5.1]", "", r"\[region\]: give either bounds or boundaries"),
        ('model = "m"', 'model = "m"\nthreshold = 1.5', r"\[segmentation\]: threshold is 1.5; expected less than 1$"),
        ('[segmentation]\nmodel = "m"\n', "", r"needs a \[segmentation\] model"),
        (
            'paths = ["a.tif"]',
            'paths = ["$NOWHERE/a.tif"]',
            r"\[\[sources\]\] 1: paths, entry 1 has an unknown variable \$NOWHERE",
        ),
        ('name = "x"', 'name = "X y"', r'name is "X y"; expected lower-case letters, digits and _, a letter first$'),
        (
            'kind = "raster"',
            'kind = "rastr"',
            r'\[\[sources\]\] 1: kind is "rastr"; expected .*; did you mean \'raster\'',
        ),
        ('name = "x"', 'name = "x', "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(RecipeError, match=message) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert "recipe.toml" in str(caught.value)


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(FileNotFoundError, match="china_grid"):
        find_recipe("atlantis")


def test_a_folder_of_its_name_does_not_hide_an_included_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()
    Path("atlantis").mkdir()
    assert find_recipe("demo") == RECIPES / "demo.toml"
    with pytest.raises(FileNotFoundError, match="recipe atlantis is no recipe file"):
        find_recipe("atlantis")
    Path("landscape").write_text("", encoding="utf-8")
    assert find_recipe("landscape") == Path("landscape")


def test_a_resolved_recipe_is_not_expanded_again(tmp_path: Path) -> None:
    """A dollar that a recipe writes twice stands once in the folder of the run."""
    path = tmp_path / "x.toml"
    path.write_text('name = "x"\ntitle = "at the end$$"\n', encoding="utf-8")
    recipe = load_recipe(path, tmp_path)
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    folder.recipe.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_resolved_recipe(folder) == recipe and recipe.title == "at the end$"


def test_an_export_needs_units_of_its_level() -> None:
    with pytest.raises(ValueError, match=r"\[export\] needs \[\[admin\]\] units of its level 1"):
        Recipe.model_validate({"name": "x", "title": "x", "export": {}})
