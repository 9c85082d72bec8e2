"""The page and the schema of recipes: made from the models, complete, and true to what croplayer itself says of a recipe."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError
from shared.places import REPOSITORY, SMALL_RECIPE
from shared.wrong_recipes import GOOD, WRONG

from pipelines.recipe import Recipe
from pipelines.recipe_files import RECIPES, SCHEMA, load_recipe
from reference.pages import written
from reference.recipe_tables import recipe_tables

VALIDATOR = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
NEEDS_MORE_THAN_A_SCHEMA = (
    "expected letters, digits",
    "write [114.0, 34.0, 114.1, 34.05]",
    "exchange the two",
    "expected west, south, east, north",
    "a name that croplayer uses",
    "a word that croplayer uses",
    "is used by",
    "would give",
    "is no regular expression",
    "has no group",
    "units of level 1",
    "units of its level",
    "runs on CUDA devices only",
    "is 512.0",
    "is NaN",
)
"""What arithmetic, other tables or the words of croplayer tell; a whole number may be written 512.0 in JSON."""


@pytest.mark.parametrize("path", sorted(written()))
def test_the_reference_is_what_the_code_says(path: str) -> None:
    """If this fails: make reference."""
    assert (REPOSITORY / path).read_text(encoding="utf-8") == written()[path]


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """The keys of a model and of those below it, each by the name of its model."""
    for name, field in model.model_fields.items():
        below = [m for m in all_models() if m.__name__ in re.findall(r"\w+", repr(field.annotation))]
        yield f"{model.__name__}.{name}"
        for each in below:
            yield from keys_of(each)


def all_models() -> list[type[BaseModel]]:
    from pipelines.recipe_parts import Part

    found, left = [], [Part]
    while left:
        found.append(left.pop())
        left += found[-1].__subclasses__()
    return found


def test_every_key_is_on_the_page_and_in_the_schema_with_its_meaning() -> None:
    page = (REPOSITORY / "docs/recipes.md").read_text(encoding="utf-8")
    rows = {(t.header, t.chosen_by): [k.name for k in t.keys] for t in recipe_tables()}
    assert len(rows) == len(recipe_tables())
    assert page.count("\n| key | type |") == sum(bool(table.keys) for table in recipe_tables())
    definitions = VALIDATOR.schema["definitions"] | {"Recipe": VALIDATOR.schema}  # type: ignore[operator]
    keys = set(keys_of(Recipe))
    assert len(keys) > 150
    for key in keys:
        model, _, name = key.partition(".")
        assert re.fullmatch(r"[^.].{8,}\.", definitions[model]["properties"][name]["description"]), key
    tables = {name for t in definitions.values() for name, k in t["properties"].items() if "$ref" in json.dumps(k)}
    assert {key.partition(".")[2] for key in keys} - tables == {name for names in rows.values() for name in names}
    for name in {name for names in rows.values() for name in names}:
        assert f"\n| `{name}` | " in page


def test_every_example_of_the_page_is_valid_where_it_stands() -> None:
    for table in recipe_tables():
        models = [m for m in all_models() if {k.name for k in table.keys} <= set(m.model_fields)]
        for key in table.keys:
            text = (REPOSITORY / "docs/recipes.md").read_text(encoding="utf-8")
            assert key.example is not None, (table.header, key.name)
            assert any(accepts(model, key.name, key.example) for model in models), (table.header, key.name)
            assert f"| `{key.name} = " in text
    for name, described in VALIDATOR.schema["definitions"].items():  # type: ignore[index]
        for key, value in described["properties"].items():
            for example in value.get("examples", []):
                inner = {"definitions": VALIDATOR.schema["definitions"], **value}  # type: ignore[index]
                assert jsonschema.Draft7Validator(inner).is_valid(example), (name, key)


def accepts(model: type[BaseModel], key: str, value: Any) -> bool:
    """Whether a model finds nothing wrong with a key; it may find that others are missing."""
    try:
        model.model_validate({key: value})
    except ValidationError as error:
        return not any(problem["loc"][:1] == (key,) for problem in error.errors())
    return True


def test_a_key_without_a_meaning_or_an_example_is_named() -> None:
    from pipelines.recipe_parts import Part
    from reference.attributes import texts_of_all
    from reference.recipe_tables import key_of

    class Bare(Part):
        depth_m: float | None = None

    with pytest.raises(ValueError, match=r"Bare\.depth_m: no text stands below"):
        texts_of_all(Bare, Bare.model_fields)
    with pytest.raises(ValueError, match="depth_m has no default and no example"):
        key_of("depth_m", Bare.model_fields["depth_m"], "How deep.")


def test_units_are_told() -> None:
    units = {(t.header, k.name): k.unit for t in recipe_tables() for k in t.keys}
    assert units["[region]", "bounds"] == "degrees"
    assert units["[grid]", "block_px"] == "px"
    assert units["[fields]", "min_area_ha"] == "ha"
    assert units["[statistics]", "sum_km2"] == "km²"
    assert units["[cluster]", "deadline_s"] == "s"
    assert units["[segmentation.training]", "gsd_m"] == "m"
    assert units["[segmentation.training]", "stated_minutes"] == "min"


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("path", [*sorted(RECIPES.glob("*.toml")), SMALL_RECIPE], ids=lambda p: p.stem)
def test_recipes_that_come_along_are_valid(path: Path, tmp_path: Path) -> None:
    assert not list(VALIDATOR.iter_errors(tomllib.loads(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda p: p.stem)
def test_recipes_with_every_default_written_out_are_valid(path: Path, tmp_path: Path) -> None:
    text = load_recipe(path, tmp_path).to_toml()
    assert not list(VALIDATOR.iter_errors(tomllib.loads(text)))


@pytest.mark.parametrize(("old", "new", "sentence"), WRONG, ids=[f"{i}: {c[2][:40]}" for i, c in enumerate(WRONG)])
def test_the_schema_and_croplayer_agree_on_what_is_wrong(old: str, new: str, sentence: str) -> None:
    given = tomllib.loads(GOOD.replace(old, new, 1))
    try:
        Recipe.model_validate(given)
        is_wrong = False
    except ValidationError:
        is_wrong = True
    if any(words in sentence for words in NEEDS_MORE_THAN_A_SCHEMA):
        return
    # The range of zooms is told by the schema and by the source, not by the model.
    assert VALIDATOR.is_valid(given) == (not is_wrong and "zoom is 99" not in sentence)


def test_the_good_recipe_is_valid() -> None:
    assert VALIDATOR.is_valid(tomllib.loads(GOOD))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[region]\n", "region"),
        ('[region]\nbounds = [0, 0, 1, 1]\nboundaries = "a.gpkg"', "region"),
        (
            '[coverage]\nmodel = "m"\n[coverage.training]\ndescription = "d"\nlicence = "l"\nstated_minutes = 1',
            "training",
        ),
        ('[[sources]]\nname = "a"\nkind = "raster"\npaths = ["a.tif"]', ""),
        ('[statistics]\npath = "s.csv"', ""),
        ("[fields]\n", ""),
        ("[export]\n", ""),
        ('[[sources]]\nname = "a"\nkind = "tiles"\ntemplate = "t"\ntile_px = 300', ""),
    ],
)
def test_tables_that_need_others_are_told(text: str, place: str) -> None:
    errors = list(VALIDATOR.iter_errors(tomllib.loads(f'name = "x"\ntitle = "t"\n{text}')))
    assert errors
    assert not place or any(place in map(str, error.absolute_path) for error in errors)


def test_the_command_prints_the_schema(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from pipelines.cli import main

    done = CliRunner().invoke(main, ["schema"])
    assert json.loads(done.stdout) == VALIDATOR.schema
    assert CliRunner().invoke(main, ["schema", "-o", str(tmp_path / "s.json")]).exit_code == 0
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == VALIDATOR.schema
